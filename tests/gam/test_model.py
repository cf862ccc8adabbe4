"""The additive model: its space, its KAN, its pairs, and tables that are hardly any."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from edgewise.errors import InputError
from edgewise.gam import AdditivePolicy, fit_additive
from edgewise.gam.basis import active, dense
from edgewise.gam.model import symmetric_roots


def _friedman(rows, seed=0, inputs=5):
    rng = np.random.default_rng(seed)
    x = rng.random((rows, inputs))
    clean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, clean, clean + rng.standard_normal(rows)


@pytest.fixture(scope="module")
def model():
    x, _, y = _friedman(300)
    return fit_additive(x, y, pairs=[(0, 1)]), x


def test_curves_lie_in_the_space_of_cubic_splines(model):
    model, _ = model
    design = model.design
    knots = design.knots[2]
    points = np.linspace(knots[3], knots[-4], 301)
    rows = np.full((301, 5), 0.5)
    rows[:, 2] = points
    columns = design.columns(rows)[:, design.columns_of(2)]
    spline = BSpline(knots, design.curves[2].change, 3)  # another implementation
    np.testing.assert_allclose(columns, spline(points), atol=1e-10)
    np.testing.assert_allclose(columns[:, 0], np.polyval(np.polyfit(points, columns[:, 0], 1), points), atol=1e-10)


def test_columns_are_centred_and_wiggly_penalties_are_identities(model):
    model, x = model
    design = model.design
    assert abs(design.columns(x)[:, 1:].mean(0)).max() < 1e-10
    for curves in design.curves:
        wiggly = curves.change[:, [kind == "wiggly" for kind in curves.kinds]]
        second = np.diff(wiggly, 2, axis=0)
        np.testing.assert_allclose(second.T @ second, np.eye(wiggly.shape[1]), atol=1e-8)


def test_kan_is_the_model_inside_and_outside(model):
    model, x = model
    kan = model.to_kan()
    assert kan.config.width[1] > 1 and kan.config.products[0]
    points = np.concatenate([x, np.random.default_rng(1).uniform(*model.limits.T, (200, 5))])
    np.testing.assert_allclose(kan(torch.from_numpy(points)).detach().numpy(), model.predict_link(points), atol=1e-12)
    far = 100 * (points - 0.5)
    np.testing.assert_array_equal(model.predict_link(far), model.predict_link(model.clipped(far)))
    lone = fit_additive(x, x[:, 0], pairs=())
    assert lone.to_kan().config.width == (5, 1)
    np.testing.assert_allclose(lone.to_kan()(torch.from_numpy(x)).detach().numpy(), lone.predict_link(x), atol=1e-12)


def surface(model, x):
    """Values of the only pair at rows, and their standard errors, (N, m) each."""
    return model._values(model.clipped(x), model.design.columns_of_pair(0))


def test_effects_add_up_to_the_prediction(model):
    model, x = model
    total = model.coef[0] + sum(model.effect(j, x[:, j])[0] for j in range(5))
    total = total + surface(model, x)[0]
    np.testing.assert_allclose(total, model.predict_link(x), atol=1e-10)


def test_pairs_hold_nothing_that_one_input_explains(model):
    model, x = model
    design = model.design
    values, std = surface(model, x)
    assert values.std() > 0.3 and (std > 0).all()
    for j in (0, 1):
        margin = design.pairs[0].margins[j].change
        alone = BSpline(design.knots[j], margin, 3)(x[:, j])
        assert abs(alone.T @ values / len(x)).max() < 1e-10
        ends = design.knots[j, [3, -4]]
        beyond = dense(
            *active(np.concatenate([ends[0] - [0, 1, 9], ends[1] + np.array([0, 1, 9])])[:, None], design.knots[[j]]),
            len(margin),
        )
        sides = (beyond[0] @ margin).reshape(2, 3, -1)
        np.testing.assert_allclose(sides, sides[:, :1].repeat(3, 1), atol=1e-10)


def test_the_true_pair_is_found():
    x, clean, y = _friedman(300, seed=3)
    model = fit_additive(x, y)
    assert model.pairs == ((0, 1),)
    assert np.var(model.predict_link(x)[:, 0] - clean) < 0.01 * np.var(clean)


def test_levels_share_one_ridge():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 8, 300)
    y = 0.3 * rng.standard_normal(8)[level] + rng.standard_normal(300)
    model = fit_additive(np.eye(8)[level], y, pairs=(), groups=[tuple(range(8))])
    assert model.design.labels == (("levels", tuple(range(8))),)
    means = np.array([y[level == k].mean() for k in range(8)])
    effects = model.predict_link(np.eye(8))[:, 0]
    assert np.ptp(effects) < np.ptp(means)  # shrunk towards each other


_X = np.random.default_rng(2).random((40, 3))
_TABLES = {
    "constant column": np.column_stack([_X, np.ones(40)]),
    "constant columns": np.ones((40, 2)),
    "one row": _X[:1],
    "two rows": _X[:2],
    "collinear": np.column_stack([_X, _X, 2 * _X + 1]),
    "more columns than rows": np.random.default_rng(3).random((15, 30)),
    "two values": (_X > 0.5).astype(float),
    "three values": np.floor(3 * _X),
    "far from zero": 1e12 + _X,
    "one far row": np.concatenate([_X, [[1e9, 0, 0]]]),
    "mostly zeros": np.where(_X > 0.9, _X, 0),
}


@pytest.mark.parametrize("name", _TABLES)
def test_tables_that_are_hardly_any(name):
    x = _TABLES[name]
    y = x[:, 0] + 0.1 * np.random.default_rng(4).standard_normal(len(x))
    weight = np.r_[0.0, np.ones(len(x) - 1)] if len(x) > 1 else None
    model = fit_additive(x, y, weight, pairs=[(0, 1)])
    guess = model.predict_link(x)
    assert np.isfinite(guess).all() and np.isfinite(model.covariance).all()
    kan = model.to_kan()(torch.from_numpy(model.clipped(x))).detach().numpy()
    np.testing.assert_allclose(kan, guess, atol=1e-9 * (1 + abs(guess).max()))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((_X, _X[:5, 0]), "y must be finite numbers for each of the 40 rows"),
        ((np.full((3, 1), np.nan), np.ones(3)), "x must be finite numbers"),
        ((_X, _X[:, 0], np.zeros(40)), "weight must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        fit_additive(*arguments)


def test_low_rank_is_within_the_standard_error():
    x, _, y = _friedman(300)
    full = fit_additive(x, y, pairs=[(0, 1)], policy=AdditivePolicy(rank_cut=0.0))
    few = fit_additive(x, y, pairs=[(0, 1)], policy=AdditivePolicy(rank_cut=0.01))
    assert len(few.to_kan().config.products[0]) < len(full.to_kan().config.products[0])
    _, std = surface(full, x)
    difference = full.predict_link(x) - few.predict_link(x)
    assert np.mean(difference**2) < 0.02 * np.mean(std**2)


@pytest.mark.parametrize("outlier, reaches", [(1.0, True), (5.0, False)])
def test_margins_reach_the_last_row_unless_it_lies_far_out(outlier, reaches):
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    x[0] = outlier
    model = fit_additive(x, x[:, 0] * x[:, 1], pairs=[(0, 1)])
    ends = x.copy()
    ends[:, 0] = np.where(x[:, 0] > 0.985, 0.985, x[:, 0])
    between = (x[:, 0] > 0.985) & (x[:, 0] < 1)
    change = np.abs(model.predict_link(x) - model.predict_link(ends))[between].max()
    assert between.sum() > 2 and change > 0
    margin = model.design.pairs[0].margins[0].change[:, 0]
    flat = np.isclose(margin, margin[-1]).sum()
    assert (flat < 3) == reaches


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_roots_of_a_covariance_are_symmetric_and_their_directions_without_variance_get_little(size):
    columns = np.random.default_rng(0).standard_normal((4, 3))
    covariance = size * columns @ columns.T
    root, inverse = symmetric_roots(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-12 * size)
    np.testing.assert_allclose(root @ inverse, np.eye(4), atol=1e-6)
    assert np.linalg.eigvalsh(root).min() == pytest.approx(1e-7 * np.linalg.eigvalsh(root).max(), rel=1e-3)
