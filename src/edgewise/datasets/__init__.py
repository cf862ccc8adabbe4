"""Real or generated data, seeded, ready to fit."""

from edgewise.datasets.knots import KNOT_FEATURES, Knots, knots_path, load_knots

__all__ = ["KNOT_FEATURES", "Knots", "knots_path", "load_knots"]
