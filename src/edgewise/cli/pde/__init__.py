"""The command `edgewise solve` and the folders that it writes.

`solve` is the command; `equation` opens the problem to solve, `results` writes the solution with its numbers and
figures, and `solution` reads such a folder for `edgewise info` and `edgewise predict`.
"""
