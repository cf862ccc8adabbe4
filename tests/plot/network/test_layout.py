"""The order of nodes in which modules show."""

import numpy as np

from edgewise.plot.network.layout import Shown, in_modules


def test_modules_stand_together():
    first = ((0, 1), (1, 3), (2, 0), (3, 2))  # nodes 1, 3 belong to the left half and 0, 2 to the right one
    second = ((1, 1), (3, 1), (0, 0), (2, 0))
    strengths = (np.ones((4, 4)), np.ones((4, 2)), np.ones((2, 1)))
    nodes = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1), (0,))
    shown = Shown(nodes, (first, second, ((0, 0), (1, 0))), (), strengths)
    ordered = in_modules(shown)
    assert ordered.nodes == ((0, 1, 2, 3), (1, 3, 0, 2), (1, 0), (0,))
    assert [set(layer) for layer in ordered.edges] == [set(layer) for layer in shown.edges]
