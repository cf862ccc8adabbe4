"""Judging: what is known about a solution, however it was made.

`evidence` has the door, `judge`; `residuals` measures what is left at points that the solution was not made on, and
`correction` solves for the error on another grid; `uniqueness` looks for other solutions near it, and `scatter` carries
noise in measured values to standard errors.
"""
