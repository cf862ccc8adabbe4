"""Maps of two inputs: what is drawn, what stays empty, and what is refused."""

import numpy as np

from edgewise.interpret.attribution.pairs import pair_dependence
from edgewise.plot import pair_map


class Levels:
    """A category of two levels."""

    level_names = ("low", "high")

    def text(self, value: float, /) -> str:
        return self.level_names[int(value)]


def uniform(rows, columns):
    return np.random.default_rng(0).uniform(-1, 1, (rows, columns))


def test_a_joint_effect_is_what_the_two_single_effects_leave():
    X = uniform(500, 3)
    X[:, 2] = 0.5
    effect = pair_dependence(lambda x: np.exp(x[:, 0]) + 2 * x[:, 0] * x[:, 1] + x[:, 2] ** 2, X, (0, 1))
    a, b = np.meshgrid(*effect.points, indexing="ij")
    np.testing.assert_allclose(effect.mean[..., 0], np.exp(a) + 2 * a * b + (X[:, 2] ** 2).mean(), atol=1e-12)
    means = X[:, :2].mean(0)
    exact = 2 * (a - means[0]) * (b - means[1])  # each input with mean zero
    np.testing.assert_allclose(effect.interaction[..., 0], exact, atol=0.02)  # shares of rows per point of the grid


def test_categories_and_missing_values():
    X = np.c_[np.tile([0.0, 1.0], 40), uniform(80, 1)]
    X[3, 1] = np.nan
    effect = pair_dependence(lambda x: x[:, 0] * x[:, 1], X, (0, 1), kinds=(Levels(), None))
    assert effect.levels == (("low", "high"), ()) and effect.discrete == (True, False)
    np.testing.assert_allclose(effect.mean[1, :, 0] - effect.mean[0, :, 0], effect.points[1])


def test_places_far_from_all_rows_stay_empty():
    X = np.repeat(np.linspace(0, 1, 200)[:, None], 2, 1)  # on the diagonal alone
    figure = pair_map(lambda x: x[:, 0] * x[:, 1], X, inputs=(0, 1), names=["a", "b"], target="force (N)")
    drawn = [panel.collections[0].get_array() for panel in figure.axes[:2]]
    for cells in drawn:
        hidden = np.ma.getmaskarray(cells)
        assert not np.diag(hidden).any() and hidden[0, -1] and hidden[-1, 0]
    left = figure.axes[0]
    assert left.get_title(loc="left") == "force (N)" and (left.get_xlabel(), left.get_ylabel()) == ("a", "b")
