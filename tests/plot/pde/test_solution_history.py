"""History of a solution: a marker for each stage, and gaps where there is no number."""

import numpy as np
from tests.plot.solutions import heat, untrained

from edgewise.plot import solution_history


def test_each_stage_is_a_mark():
    left, right = solution_history(untrained(heat(), stages=3)).axes
    drawn = {line.get_label(): line for line in left.lines}
    np.testing.assert_allclose(drawn["root of the loss"].get_ydata(), [0.1, 0.01, 0.001])
    np.testing.assert_allclose(drawn["residual on fresh points"].get_ydata(), [0.2, 0.02, 0.002])
    change = drawn["change from the stage before"].get_ydata()
    assert np.isnan(change[0]) and np.isfinite(change[1:]).all()
    assert left.lines[0].get_xdata().tolist() == [10, 20, 40]
    assert right.lines[0].get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert (left.get_xlabel(), right.get_xlabel()) == ("parameters", "seconds")
