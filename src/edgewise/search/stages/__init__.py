"""The stages of a search, from straight lines to deep networks; `STAGES` lists them for each effort.

A stage knows whether it applies, fits richer candidates, lets `Search.validate` compare them with the best so far on
held-out rows, and returns the better one. The constant, with which a search begins, is no stage. `GIVEN` are those of a
network whose shape, grid or regularisation the user has fixed.
"""

from edgewise.search.stages.base import Stage
from edgewise.search.stages.curves import Curves, PlainAgain, StraightLines
from edgewise.search.stages.given import GivenNetwork, Grid, Strength, Width
from edgewise.search.stages.hidden import DeepNetwork, HiddenNodes
from edgewise.search.stages.mean import Mean
from edgewise.search.stages.pairs import Pairs
from edgewise.search.stages.polynomial import Polynomial
from edgewise.search.stages.scale import Logarithm, Order
from edgewise.search.stages.steps import Steps

PLAIN: tuple[Stage, ...] = (StraightLines(), Curves(), PlainAgain())
FULL: tuple[Stage, ...] = (
    StraightLines(),
    Curves(),
    Pairs(),
    Logarithm(),
    Order(),
    Steps(),
    Mean(),
    Polynomial(),
    HiddenNodes(),
    DeepNetwork(),
    PlainAgain(),
)
STAGES: dict[str, tuple[Stage, ...]] = {"low": PLAIN, "normal": FULL, "high": FULL}
"""The stages of each effort, in their order."""

GIVEN: tuple[Stage, ...] = (GivenNetwork(), Strength(), Width(), Grid())
"""The stages of a network of which the user has fixed something, in their order."""
