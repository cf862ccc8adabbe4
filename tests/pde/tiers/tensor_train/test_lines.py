"""Lines of tensor trains: orthonormal functions that vanish in the conditions at the ends, lifts, and fits."""

import numpy as np
import pytest

from edgewise.pde.spaces.axis import SplineAxis, dense
from edgewise.pde.tiers.tensor_train.lines import Line


@pytest.mark.parametrize(("degree", "intervals"), [(11, 1), (5, 2), (3, 4)])
def test_functions_are_orthonormal_and_lifts_fulfil_the_conditions(degree, intervals):
    axis = SplineAxis(np.linspace(0, 2, intervals + 1), degree)
    ends = dense(axis.table(np.array([0.0, 2.0])))
    line = Line(axis, ends)
    points, weights = (each.ravel() for each in axis.quadrature(20))
    values = line.table(points, 0) @ line.basis
    np.testing.assert_allclose(values.T @ (weights[:, None] / 2 * values), np.eye(axis.count - 2), atol=1e-10)
    np.testing.assert_allclose(ends @ line.basis, 0, atol=1e-10)
    for lifts in (line.lifts, line.sharp_lifts):
        np.testing.assert_allclose(ends @ lifts, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(line.fitted @ line.splines(0), np.eye(axis.count), atol=1e-7)
    np.testing.assert_allclose(line.tested @ line.functions(0), np.eye(axis.count - 2), atol=1e-10)
