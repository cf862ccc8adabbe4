"""Judging: what is known about a solution, however it was made.

`evidence` measures residuals, and solves for the error, at points and on grids that the solution was not made on;
`uniqueness` looks for other solutions near it, and `scatter` carries noise in measured values to standard errors.
"""
