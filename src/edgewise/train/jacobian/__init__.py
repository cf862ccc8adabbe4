"""Derivatives of a loss by all parameters at once: Jacobian rows, normal equations, and the linearised model.

`rows` computes the rows of the Jacobian of one block of a problem, `RowSource` sums them over all blocks and samples to
the normal equations of a Gauss-Newton method, and `linearise` gives the effective degrees of freedom and the
generalised cross-validation of a fitted network. Users of the library call `edgewise.fit`; optimisation methods and
error estimates start here.
"""

from edgewise.train.jacobian.linearised import Linearised, linearise, output_rows
from edgewise.train.jacobian.normal_equations import NormalEquations, RowSource
from edgewise.train.jacobian.rows import NetworkRows, ParameterSlots, trainable_slots

__all__ = [
    "Linearised",
    "NetworkRows",
    "NormalEquations",
    "ParameterSlots",
    "RowSource",
    "linearise",
    "output_rows",
    "trainable_slots",
]
