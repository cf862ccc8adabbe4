"""Linear systems of a structured grid: sparse factors, and preconditioners inside a Krylov method.

A `system` has the rows of all blocks, linearised, and `solver` chooses how it is solved: by `factors`, by eigenvectors
of each coordinate (`diagonal`), or by Fourier transforms where coupled fields are periodic (`waves`). `radau` parts a
time element into systems of space, `flows` serves elements of flows between walls, and `factors` Galerkin's method,
too.
"""
