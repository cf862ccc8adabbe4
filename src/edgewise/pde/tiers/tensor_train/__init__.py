"""Low rank: equations on boxes of many coordinates by sums of products of splines of one coordinate each.

A solution is a tensor train (`trains`) whose cores hold coefficients of splines (`lines`, `functions`), and a network
in the end (`pde.spaces.low_rank`). `system` writes the linearised equation, its source and its conditions as trains, by
cross approximation where they are not given as products; `sweeps` solves for two neighbouring coordinates after the
other; `stages` makes grids finer, tolerances sharper and ranks higher until two solutions agree.

Measured rows of four and more coordinates need it, as Poisson's equation (PNd) and a cubic one in five dimensions.
"""
