"""Steps of curves and pairs, and margins that grow."""

import numpy as np
import pytest
import torch

from edgewise.gam import fit_additive
from edgewise.gam.building import design_of, with_cuts, with_pairs
from edgewise.gam.families.exponential import Gaussian
from edgewise.gam.irls import solve
from edgewise.gam.steps import _excess, find_cuts
from edgewise.ops.splines.bspline import basis


def stepped(x, y, pairs=()):
    """The model without steps, its cuts, and the model with them."""
    weight = np.ones(len(x))

    def solver(design, before):
        return solve(design, x, y[:, None], weight, Gaussian(), before)

    plain = fit_additive(x, y, pairs=pairs)
    cuts = find_cuts(plain, x, weight, solver)
    return plain, cuts, solver(with_pairs(with_cuts(plain.design, cuts, x, weight), pairs, x, weight), None)


def test_a_step_is_found_between_the_rows_beside_it():
    rng = np.random.default_rng(0)
    x = rng.random((500, 2))
    truth = np.where(x[:, 0] > 0.37, 1.0, -1.0) + x[:, 1]
    plain, cuts, model = stepped(x, truth + 0.1 * rng.standard_normal(500))
    below = x[x[:, 0] <= 0.37, 0].max()
    above = x[x[:, 0] > 0.37, 0].min()
    assert set(cuts) == {0} and any(below < cut < above for cut in cuts[0])
    errors = [np.mean((each.predict_link(x)[:, 0] - truth) ** 2) for each in (plain, model)]
    assert errors[1] < 0.1 * errors[0]
    assert np.allclose(
        model.to_kan()(torch.from_numpy(model.clipped(x))).detach().numpy(), model.predict_link(x), atol=1e-9
    )


@pytest.mark.parametrize(("cells", "noise", "rows"), [(3, 0.2, 1500), (4, 0.1, 1200)])
def test_a_checkerboard_has_steps_that_no_curve_shows(cells, noise, rows):
    rng = np.random.default_rng(0)
    x = rng.random((rows, 2))
    truth = (np.floor(cells * x[:, 0]) + np.floor(cells * x[:, 1])) % 2
    plain, cuts, model = stepped(x, truth + noise * rng.standard_normal(rows), [(0, 1)])
    for j in (0, 1):
        assert all(min(abs(cut - border / cells) for cut in cuts[j]) < 0.01 for border in range(1, cells))
    errors = [np.mean((each.predict_link(x)[:, 0] - truth) ** 2) for each in (plain, model)]
    assert errors[1] < 0.15 * errors[0]


@pytest.mark.parametrize("seed", range(3))
def test_smooth_functions_have_no_steps(seed):
    rng = np.random.default_rng(seed)
    x = rng.random((400, 3))
    y = np.sin(6 * x[:, 0]) + 3 * x[:, 1] * x[:, 2] + 0.3 * rng.standard_normal(400)
    assert not stepped(x, y, [(1, 2)])[1]


def test_scores_of_steps_are_those_of_each_step_beside_the_model():
    """The witness: score and covariance of one step at a time, of constant height and of one along another input."""
    rng = np.random.default_rng(0)
    x, weight, level = rng.random((200, 2)), rng.uniform(0.5, 2, 200), 3.0
    y = np.where(x[:, 0] > 0.4, x[:, 1], -x[:, 1]) + 0.3 * rng.standard_normal(200)
    model = fit_additive(x, y, weight=weight, pairs=[(0, 1)])
    fit, columns = model.fits[0], model.design.columns(x)
    w, residual = model.weights[:, 0], model.residual[:, 0]
    code = np.digitize(x[:, 0], [0.2, 0.4, 0.8])
    margin = model.design.pairs[0].margins[1]
    along = basis(torch.from_numpy(x[:, 1:]), torch.from_numpy(model.design.knots[[1]]), 3)[:, 0].numpy()
    for height, functions in ((None, np.ones((200, 1))), (margin, np.c_[np.ones(200), along @ margin.change])):
        found = _excess(model, x, code, height, 1, level)
        for border in range(3):
            step = functions * (code > border)[:, None]
            score, sums = step.T @ (w * residual), (step * w[:, None]).T @ columns
            covariance = fit.dispersion * (step * w[:, None]).T @ step - sums @ fit.covariance @ sums.T
            values, vectors = np.linalg.eigh(covariance)
            seen = values > w.mean() * fit.dispersion
            statistic = ((vectors.T @ score)[seen] ** 2 / values[seen]).sum()
            chance = seen.sum() + 2 * np.sqrt(seen.sum() * level) + 2 * level
            assert found[border] == pytest.approx(statistic - chance, rel=1e-6, abs=1e-6)


def test_a_surface_that_bends_has_no_steps_in_place_of_its_bends():
    rng = np.random.default_rng(0)
    x = rng.random((2000, 2))
    y = np.sin(6 * x[:, 0]) * np.cos(6 * x[:, 1])
    assert not stepped(x, y + 0.15 * rng.standard_normal(2000), [(0, 1)])[1]


def test_a_unit_step_is_constant_beside_its_gap():
    x = np.linspace(0, 1, 41)[:, None]
    design = with_cuts(design_of(x, np.ones(41)), {0: (0.5125,)}, x, np.ones(41))
    column = design.columns(x)[:, list(design.curves[0].kinds).index("step") + 1]
    assert np.allclose(column, np.where(x[:, 0] > 0.5125, 1.0, 0.0) - (x[:, 0] > 0.5125).mean(), atol=1e-12)


def test_a_margin_grows_along_the_input_whose_functions_are_used_up():
    rng = np.random.default_rng(0)
    x = rng.random((2000, 3))
    truth = np.sin(20 * x[:, 0]) * x[:, 1]
    model = fit_additive(x, truth + x[:, 2] + 0.3 * rng.standard_normal(2000))
    assert model.pairs == ((0, 1),)
    first, second = model.design.sizes[0, 1]
    assert first > 2 * second
    assert np.mean((model.predict_link(x)[:, 0] - truth - x[:, 2]) ** 2) < 0.005


def test_a_curve_beside_an_input_of_two_values_has_the_basis_of_a_curve():
    """The witness: a curve fitted to the rows of each value alone."""
    rng = np.random.default_rng(0)
    hour, is_working = rng.integers(0, 24, 1000), rng.integers(0, 2, 1000)
    truth = np.where(is_working, np.exp(-((hour - 8.0) ** 2)) + np.exp(-((hour - 17.0) ** 2)), np.sin(hour / 7))
    x, y = np.column_stack([hour, is_working]).astype(float), truth + 0.1 * rng.standard_normal(1000)
    model = fit_additive(x, y, pairs=[(0, 1)])
    far = np.column_stack([np.linspace(-3, 26, 60), np.tile([0.0, 1.0], 30)])
    network = model.to_kan()(torch.from_numpy(model.clipped(far))).detach().numpy()
    assert np.allclose(network, model.predict_link(far), atol=1e-9)
    for value in (0, 1):
        rows = is_working == value
        alone = fit_additive(x[rows, :1], y[rows])
        errors = [
            np.mean((fitted[:, 0] - truth[rows]) ** 2)
            for fitted in (model.predict_link(x[rows]), alone.predict_link(x[rows, :1]))
        ]
        assert errors[0] < 3 * errors[1]
