"""Real or generated data, seeded, ready to fit."""

from edgewise.datasets.knots import KNOT_FEATURES, KNOTS_ABOUT, Knots, knots_path, load_knots

__all__ = ["KNOTS_ABOUT", "KNOT_FEATURES", "Knots", "knots_path", "load_knots"]
