"""Judging: a-posteriori estimates and doubts about a solution, however it was made.

`evidence` has the door, `judge`; `residuals` measures residuals at points that the solution was not made on, and
`correction` solves for the error on another grid; `uniqueness` looks for other solutions near it, and `scatter` carries
noise in measured values to standard errors.

What each check is worth, by leaving it out on 41 rows of the experiment `estimates` with known errors: for how many it
raises the estimate, for how many of these the estimate would else be below the error, and for how many it makes an
estimate that would be enough more than ten times too large. A check that no row needs has gone.

============================================  ======  ======  ==========
check                                         raises  needed  only large
============================================  ======  ======  ==========
equation of the error (`correction`)               8       5           1
rounding over the smallest singular value          6       1           2
geometric series of changes (`solver.record`)      5       3           0
integrals by two rules, on two rows                2       2           0
============================================  ======  ======  ==========

All other checks that these rows ask raise nothing, for the rows are well posed: they are about statements, as of a
coefficient that nothing determines. The checks of a solution that is zero, of an integration that ended early and of
narrow features were not left out.
"""
