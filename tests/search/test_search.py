"""Tests of edgewise.search and candidates: what is taken, and why."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from edgewise.gam.building import with_pairs
from edgewise.gam.constraints import Constraints
from edgewise.gam.families.categorical import Multinomial
from edgewise.gam.families.exponential import Bernoulli, Gaussian
from edgewise.gam.families.named import family_of_classes
from edgewise.gam.normal import normal_matrix
from edgewise.gam.policy import AdditivePolicy
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget
from edgewise.search.automatic import auto_fit
from edgewise.search.candidates import Candidate, FitCache, Samples, estimated, free_coefficients
from edgewise.search.comparisons import left_out
from edgewise.search.inference import _polynomial_tests, _with_own_ridges, parameter_factor
from edgewise.search.nested import Search
from edgewise.search.policy import SearchPolicy, SearchSettings
from edgewise.search.polynomials.basis import Basis
from edgewise.search.polynomials.links import LINK_FUNCTIONS
from edgewise.search.polynomials.network import Polynomial
from edgewise.search.polynomials.smooth import SmoothFit
from edgewise.train.uncertainty import _lengths

RNG = np.random.default_rng(0)
X = RNG.random((300, 4))
NOISE = RNG.standard_normal((300, 1))
SUM = np.sin(6 * X[:, :1]) + X[:, 1:2]
PRODUCT = 4 * (X[:, :1] - 0.5) * (X[:, 1:2] - 0.5)


def searched(y, x=X, offset=0.0, family=None, **settings):
    y = (y - y.mean(0)) / y.std(0) if family is None else y
    family = family or Gaussian()
    search = Search(Samples(x, y, np.ones(len(x)), offset), family, SearchSettings(family=family, **settings))
    return search, search.run()


def test_the_table_is_in_order_of_richness_with_a_reason_for_each():
    search, report = searched(SUM + PRODUCT + 0.2 * NOISE, policy=SearchPolicy(smooth_rows=0))
    assert [trial.name for trial in report.trials[:4]] == ["constant", "linear", "additive", "additive with pairs"]
    assert report.chosen.startswith("additive with pairs") and search.best.pairs
    assert all(trial.reason for trial in report.trials[1:]) and "held-out loss" in str(report)
    losses = [trial.loss for trial in report.trials[:4]]
    assert losses == sorted(losses, reverse=True)
    assert all(
        one.work == max(one.folds, 1) * 300 * one.parameters**2 for one in report.trials if "mean" not in one.name
    )


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_coefficients_of_a_classifier_are_those_that_its_probabilities_determine(classes):
    y = np.argsort(np.argsort(SUM[:, 0] + NOISE[:, 0])) * classes // 300
    family = Bernoulli() if classes == 2 else Multinomial(classes)
    policy = SearchPolicy(divisions=((0, 3, 1),), left_out=("mean", "order"))
    _, report = searched(y, family=family, policy=policy, effort="low")
    # The rank of the derivatives of the probabilities by one coefficient of each column and class.
    columns = np.column_stack([np.ones(300), X])
    shares = np.full((classes, classes), -1 / classes) + np.eye(classes)
    rank = np.linalg.matrix_rank(np.kron(shares / classes, columns))
    assert [trial.parameters for trial in report.trials[:2]] == [classes - 1, rank]


@pytest.mark.parametrize("missing", [0, 5], ids=["whole", "missing"])
def test_a_category_has_one_free_coefficient_less_than_levels_unless_cells_are_missing(missing):
    level = np.repeat(np.arange(4), 25)
    x = (level[:, None] == np.arange(4)).astype(float)
    x[:missing] = 0.0
    y = 2 * x[:, :1] - x[:, 1:2] + 0.1 * NOISE[:100]
    samples = Samples(x, y, np.ones(100), groups=((0, 1, 2, 3),))
    fitted = FitCache(samples, policy=SearchPolicy()).fit(Candidate(Gaussian()))
    assert fitted.coefficients == np.linalg.matrix_rank(np.column_stack([np.ones(100), x]))


def test_a_network_has_the_coefficients_that_its_values_determine():
    model = KAN((2, 3), 4, dtype=torch.float64)
    x = 2 * torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1
    jacobian = torch.func.jacrev(lambda values: torch.func.functional_call(model, values, x))(
        dict(model.named_parameters())
    )
    matrix = torch.cat([part.reshape(600, -1) for part in jacobian.values()], 1)
    assert free_coefficients(model, outputs=3) == torch.linalg.matrix_rank(matrix)


def test_classes_in_a_meaningful_order_follow_one_predictor():
    """Six levels of a sum of curves with normal noise, and the same with the numbers of the classes permuted."""
    x = X[:150, :3]
    y = np.digitize((SUM + 0.3 * NOISE)[:150, 0], [-0.6, 0.1, 0.8, 1.3])
    policy = SearchPolicy(divisions=((0, 3, 1),), most_shrinkage=1.0, left_out=("steps", "mean", "plain"))
    search, report = searched(y, x, family=family_of_classes(range(5)), policy=policy, hidden=())
    assert report.chosen == "additive for classes in their order"
    fitted = search.final()
    assert fitted.family == Multinomial(5) and fitted.to_kan().config.width == (3, 5)
    np.testing.assert_allclose(fitted.to_kan()(torch.from_numpy(x)).detach(), fitted.link(x), atol=1e-9)
    permuted = np.array([2, 0, 4, 1, 3])[y]
    assert "order" not in searched(permuted, x, family=family_of_classes(range(5)), policy=policy, hidden=())[1].chosen


def test_low_effort_and_an_additive_shape_try_no_pairs():
    for settings in ({"effort": "low"}, {"hidden": ()}):
        search, _ = searched(SUM + PRODUCT + 0.2 * NOISE, **settings)
        assert not search.best.pairs and search.best.nodes == 0


@pytest.mark.parametrize(
    "columns, interactions, is_tried",
    [(1, None, False), (2, None, True), (2, (), False), (2, ((0, 1),), True)],
)
def test_pairs_are_tried_where_two_inputs_may_act_together(columns, interactions, is_tried):
    constraints = Constraints(interactions=interactions)
    y = (X[:, :1] + PRODUCT + 0.2 * NOISE)[:100]
    policy = SearchPolicy(divisions=((0, 3, 1),), left_out=("hidden nodes", "deep network", "polynomial", "mean"))
    search, report = searched(y, X[:100, :columns], policy=policy, constraints=constraints)
    assert any("pairs" in trial.name for trial in report.trials) == is_tried
    assert not any("No pair" in sentence for sentence in search.sentences)


def test_a_skewed_positive_target_takes_the_logarithm():
    y = np.exp(2 * SUM + 0.1 * NOISE)
    search, _ = searched(y, offset=float(y.mean() / y.std()))
    assert search.best.family.log_link
    fitted = search.final()
    predicted = fitted.predict(X)[:, 0]
    assert np.corrcoef(np.log(predicted), np.log(y[:, 0]))[0, 1] > 0.95
    assert predicted.max() <= np.exp(fitted.range[1]) * (1 + 1e-12)


@pytest.mark.slow
def test_hidden_nodes_come_where_the_residual_asks_for_them():
    x = np.random.default_rng(1).uniform(-1, 1, (400, 2))
    y = np.sin(3 * (x[:, :1] - x[:, 1:])) + 0.1 * np.random.default_rng(2).standard_normal((400, 1))
    one_size = SearchPolicy(hidden_sizes=(2,), bag_rows=0, smooth_rows=0, additive=AdditivePolicy(most_pairs=0))
    search, report = searched(y, x, policy=one_size)
    assert search.best.nodes == 2 and any("Functions of weighted sums" in sentence for sentence in report.sentences)
    fitted = search.final()
    inside = np.clip(x, *fitted.limits.T)
    network = fitted.to_kan()(torch.from_numpy(inside)).detach().numpy()
    np.testing.assert_allclose(network, fitted.link(x), atol=1e-9)
    fresh = np.random.default_rng(3).uniform(-1, 1, (2000, 2))
    truth = np.sin(3 * (fresh[:, 0] - fresh[:, 1]))
    assert np.mean((y.mean() + y.std() * fitted.predict(fresh)[:, 0] - truth) ** 2) < 0.02 * truth.var()
    assert "Hidden nodes were not tried" in " ".join(searched(SUM + 0.3 * NOISE)[1].sentences)


def test_nodes_with_too_many_parameters_are_not_tried_and_the_record_says_so():
    x = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    y = np.sin(3 * (x[:, :1] - x[:, 1:])) + 0.1 * np.random.default_rng(2).standard_normal((200, 1))
    pairs = AdditivePolicy(most_pairs=0)
    policy = SearchPolicy(growth_parameters=30, bag_rows=0, smooth_rows=0, deep_work=0, additive=pairs)
    _, report = searched(y, x, policy=policy)
    reason = "2 hidden nodes were not tried: with 2 inputs and one output they have at least 34 parameters"
    assert reason in " ".join(report.sentences)
    assert not any("hidden nodes" in trial.name for trial in report.trials)


def test_rows_left_out_are_those_of_fits_without_them():
    """The witness: with strengths as they are, a fit to all other rows."""
    samples = Samples(X[:60], SUM[:60] + 0.3 * NOISE[:60], np.ones(60))
    cache = FitCache(samples, policy=SearchPolicy())
    estimate = cache.estimate(Candidate(Gaussian()))
    columns, fit = cache.design.columns(samples.x), estimate.fits[0]
    precision = np.linalg.pinv(fit.covariance) * fit.dispersion
    used = np.abs(fit.covariance).sum(0) > 0
    columns, precision = columns[:, used], precision[np.ix_(used, used)]
    penalty = precision - columns.T @ columns
    for row in (0, 17, 42):
        others = np.arange(60) != row
        normal = columns[others].T @ columns[others] + penalty
        coef = np.linalg.solve(normal, columns[others].T @ samples.y[others, 0])
        assert abs(left_out(estimate, samples.x)[row, 0] - columns[row] @ coef) < 1e-6


def test_a_mean_of_models_is_one_model():
    samples = Samples(X, SUM + PRODUCT + 0.3 * NOISE, np.ones(300))
    cache = FitCache(samples, policy=SearchPolicy(additive=AdditivePolicy(rank_cut=0.0)))
    candidate = Candidate(Gaussian(), pairs=True, models=3)
    mean = cache.fit(candidate)
    single = Candidate(Gaussian(), pairs=True)
    parts = cache.parts(3, Gaussian())
    links = []
    for part in parts:
        pairs = [p.inputs for p in part.estimate(single).design.pairs]
        design = with_pairs(cache.design, pairs, samples.x, samples.weight)
        own = estimated(replace(design, rows=part.samples.total), part.samples, Gaussian(), part.estimate(single))
        links.append(design.columns(X) @ own.coef)
    columns = mean.model.design.columns(X) @ mean.model.coef
    np.testing.assert_allclose(columns, np.mean(links, 0), atol=1e-9)
    assert mean.candidate.models == 3
    # Its degrees of freedom are those of the curves that it has, whatever one model of all rows says.
    freedom = [part.estimate(single).fits[0].edf.sum() for part in parts]
    assert mean.model.fits[0].edf.sum() == pytest.approx(np.mean(freedom), abs=0.5)
    curves = {number for part in parts for number in np.flatnonzero(part.estimate(Candidate(Gaussian())).fits[0].edf)}
    without = cache.fit(Candidate(Gaussian(), models=3)).model.fits[0]
    assert curves == set(np.flatnonzero(without.edf))
    exact = np.mean([part.estimate(Candidate(Gaussian())).fits[0].edf for part in parts], 0)
    np.testing.assert_allclose(without.edf, exact)


def test_the_factor_of_the_parameters_gives_the_bands_of_the_model():
    samples = Samples(X, np.c_[SUM + PRODUCT, PRODUCT - SUM] + 0.3 * NOISE, np.ones(300))
    cache = FitCache(samples, policy=SearchPolicy())
    for pairs, tolerance in ((False, 1e-6), (True, 0.05)):
        fitted = cache.fit(Candidate(Gaussian(), pairs=pairs))
        kan = fitted.to_kan()
        lengths = _lengths(kan, torch.from_numpy(X), parameter_factor(fitted, kan)).numpy()
        columns = fitted.model.design.columns(X)
        exact = []
        for k in range(2):
            shown = columns.copy()  # inputs without an edge have no parameter in the network
            for j in range(X.shape[1]):
                shown[:, fitted.model.design.columns_of(j)] *= float(kan.layers[0].mask[j, k])
            exact.append(np.sqrt(((shown @ fitted.model.band_covariance(k)) * shown).sum(1)))
        ratio = lengths / np.stack(exact, 1)
        assert ratio.max() < 1.001  # factors of a pair follow the changes of its surface that keep their rank
        assert np.abs(np.median(ratio, 0) - 1).max() < tolerance


@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_the_terms_of_a_polynomial_are_its_products_by_inputs(unit):
    """The witness: of unpenalised least squares each group of products has the F test of the textbook."""
    x = np.random.default_rng(4).uniform(-1, 1, (200, 3))
    y = 2 * x[:, 0] + x[:, 0] * x[:, 1] + 0.3 * np.random.default_rng(5).standard_normal(200)
    indices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    basis = Basis(indices, np.tile([-1.0, 1.0], (3, 1)))
    columns = basis.columns(x)
    gram = columns.T @ columns
    coef = np.linalg.solve(gram, columns.T @ y)
    errors = ((y - columns @ coef) ** 2).sum()
    dispersion = errors / 195
    polynomial = Polynomial(basis, coef, LINK_FUNCTIONS["identity"])
    smooth = SmoothFit(polynomial, np.linalg.inv(gram) * dispersion, dispersion, 5.0, 10.0, np.zeros(0), 200.0)
    found = _polynomial_tests(smooth, Samples(x, y[:, None], np.ones(200)), ("a", "b", "c"), unit)
    assert [(one.name, one.kind) for one in found.terms] == [
        ("a", "curve"),
        ("b", "curve"),
        ("c", "curve"),
        ("a x b", "pair"),
    ]
    for term, place in zip(found.terms, (1, 2, 4, 3), strict=True):
        f = coef[place] ** 2 / (np.linalg.inv(gram)[place, place] * dispersion)
        assert (term.edf, term.reference) == (pytest.approx(1), pytest.approx(1))
        assert term.statistic == pytest.approx(f) and term.p_value == pytest.approx(stats.f.sf(f, 1, 195), rel=1e-4)
    spread = ((y - y.mean()) ** 2).sum()
    assert found.explained == pytest.approx(1 - errors / spread)
    assert found.r2_adjusted == pytest.approx(1 - dispersion / (spread / 199))
    assert found.scale == pytest.approx(dispersion * unit**2) and found.rows == 200
    assert found.reml == pytest.approx((199 * (np.log(2 * np.pi) + 1) + 10) / 2 + 199 * np.log(unit))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_classes(classes):
    rng = np.random.default_rng(classes)
    eta = np.c_[np.zeros(300), 6 * np.sin(6 * X[:, 0]), 6 * X[:, 1] - 3][:, :classes]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(1)
    family = Bernoulli() if classes == 2 else Multinomial(3)
    search, report = searched(y, family=family, outputs=classes)
    assert report.trials[1].loss < 0.8 * report.trials[0].loss
    mean = search.final().predict(X)
    right = (mean[:, 0] > 0.5) == y if classes == 2 else mean.argmax(1) == y
    assert right.mean() > 0.7


def test_a_time_limit_ends_the_search_with_a_model():
    samples = Samples(X, SUM + PRODUCT + 0.5 * NOISE, np.ones(300))
    budget = Budget(seconds=1e-9)
    search = Search(samples, Gaussian(), SearchSettings(time_limit=1e-9), budget)
    report = search.run()
    assert report.stopped == "time_limit" and "time limit" in " ".join(report.sentences)
    assert search.final().link(X).shape == (300, 1)


@pytest.mark.parametrize("looks", [3, 10, 25, 60])
def test_the_clock_ends_every_stage(looks, monkeypatch):
    """However slow the machine, the search and the final fit stop at their shares of the limit, with a model."""
    rows = np.tile(X, (4, 1)) + 0.01 * np.random.default_rng(1).random((1200, X.shape[1]))
    y = np.tile(SUM + PRODUCT + 0.5 * NOISE, (4, 1))
    now = [0.0]

    def look():
        now[0] += 1 / looks
        return now[0]

    monkeypatch.setattr(time, "monotonic", look)
    budget = Budget(seconds=1.0, began=0.0)
    policy = SearchPolicy(first_rows=100, search_rows=600)
    search = Search(Samples(rows, y, np.ones(1200)), Gaussian(), SearchSettings(time_limit=1.0, policy=policy), budget)
    report = search.run()
    assert report.stopped == "time_limit" and now[0] <= search.stage.time_limit + 6 / looks
    fitted = search.final()
    assert (
        now[0] <= min(1, search.stage.time_limit or 1) + 9 / looks
    )  # each of the nine stages of the last fit looks once
    assert np.isfinite(fitted.link(X)).all()
    assert search.fallback is not None


@pytest.mark.slow
def test_all_rows_take_the_pairs_that_a_sample_chose():
    rows = np.tile(X, (3, 1)) + 0.01 * np.random.default_rng(2).random((900, 4))
    y = np.tile(SUM + PRODUCT + 0.3 * NOISE, (3, 1))
    rows[1] = 3 * rows[1]  # farther out than the others, and no row of the sample
    policy = SearchPolicy(search_rows=600, smooth_rows=0, bag_rows=0)
    search, _ = searched(y, rows, policy=policy)
    chosen = search.cache.estimate(search.best.base).design
    y = (y - y.mean(0)) / y.std(0)
    result = auto_fit(Samples(rows, y, np.ones(900)), SearchSettings(policy=policy))
    design = result.fitted.model.design
    assert [pair.inputs for pair in design.pairs] == [pair.inputs for pair in chosen.pairs] != []
    assert design.rows == 900 and all(design.sizes[pair] >= size for pair, size in chosen.sizes.items())
    # Knots reach all rows, and the sums of all rows are those of least squares.
    assert 1 not in search.rows
    assert (design.knots[:, 3] <= rows.min(0)).all() and (design.knots[:, -4] >= rows.max(0)).all()
    whole = normal_matrix(design, rows, np.ones(900), y, 900.0)
    np.testing.assert_allclose(result.fitted.model.normal.gram, whole.gram, atol=1e-9 * whole.gram.max())
    assert result.fitted_rows.total == pytest.approx(900) and len(result.fitted_rows) == 600


def test_ordered_classes_of_a_sample_have_one_predictor_in_the_final_fit():
    """The logits of all classes are lines in one function of the inputs."""
    rng = np.random.default_rng(2)
    x = rng.random((300, 2))
    y = np.digitize(np.sin(6 * x[:, 0]) + x[:, 1] + 0.3 * rng.standard_normal(300), [-0.6, 0.1, 0.8, 1.3])
    skipped = ("steps", "mean", "plain")
    policy = SearchPolicy(divisions=((0, 3, 1),), most_shrinkage=1.0, search_rows=150, left_out=skipped)
    settings = SearchSettings(policy=policy, family=family_of_classes(range(5)), outputs=5, hidden=())
    result = auto_fit(Samples(x, y, np.ones(300)), settings)
    assert result.search.chosen == "additive for classes in their order"
    coef = result.fitted.model.coef[1:]  # without constants
    assert np.linalg.matrix_rank(coef, 1e-9 * np.abs(coef).max()) == 1


def test_a_straight_line_is_a_linear_model_with_one_ridge():
    """The witness: ridge regression with the strength that was chosen, on standardised inputs."""
    y = X @ np.array([[1.0], [0.5], [0.0], [-0.3]]) + NOISE
    samples = Samples(X, y - y.mean(), np.ones(300))
    estimate = FitCache(samples, policy=SearchPolicy()).estimate(Candidate(Gaussian(), linear=True))
    (strength,) = estimate.fits[0].strength
    z = (X - X.mean(0)) / X.std(0)
    slopes = np.linalg.solve(z.T @ z + strength * np.eye(4), z.T @ samples.y[:, 0])
    np.testing.assert_allclose(estimate.design.columns(X) @ estimate.coef, z @ slopes[:, None], atol=1e-6)


def test_lines_with_ridges_of_their_own_share_the_degrees_of_freedom():
    y = X @ np.array([[1.0], [0.5], [0.0], [-0.3]]) + NOISE
    together = FitCache(Samples(X, y - y.mean(), np.ones(300)), policy=SearchPolicy())
    together = together.estimate(Candidate(Gaussian(), linear=True))
    alone = _with_own_ridges(together)
    assert alone.design.labels == tuple(("straight", (j,)) for j in range(4))
    assert alone.fits[0].edf.sum() == pytest.approx(together.fits[0].edf.sum(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_the_chosen_candidate_is_no_worse_than_those_it_contains(seed):
    """On any table, by its own record: not above the constant's loss, nor the linear model's, on held-out rows."""
    rng = np.random.default_rng(seed)
    rows, inputs = int(rng.integers(20, 120)), int(rng.integers(1, 5))
    x = rng.standard_normal((rows, inputs)) ** rng.choice([1, 3])
    signal = rng.choice([0.0, 1.0]) * x[:, 0] + rng.choice([0.0, 1.0]) * np.sin(2 * x[:, -1])
    target = signal + rng.choice([0.1, 1.0]) * rng.standard_t(3, rows)
    if seed % 3 == 0:
        classes = int(rng.integers(2, 4))
        y = np.argsort(np.argsort(target)) * classes // rows
        family = Bernoulli() if classes == 2 else Multinomial(classes)
    else:
        y, family = ((target - target.mean()) / target.std())[:, None], Gaussian()
    report = Search(Samples(x, y, np.ones(rows)), family, SearchSettings(seed=seed)).run()
    losses = {trial.name: trial.loss for trial in report.trials}
    chosen = losses.get(report.chosen)
    assert chosen is not None
    assert chosen <= losses["constant"] + 1e-12
    by_folds = {trial.name: trial.folds > 0 for trial in report.trials}
    if by_folds["linear"] == by_folds[report.chosen]:
        assert chosen <= losses["linear"] + 1e-12


@pytest.mark.slow
def test_the_scale_of_the_target_is_chosen_together_with_pairs():
    """A product of factors has pairs of its own on the scale of y, which its curves on the other scale don't beat."""
    random = np.random.default_rng(1)
    x = random.random((500, 5))
    rate = np.exp(1.2 * np.sin(6 * x[:, 0]) * (x[:, 1] > 0.3) + 2 * x[:, 2] * x[:, 3] + x[:, 4])
    y = rate * np.exp(0.4 * random.standard_normal(500))
    x[:, 1] = x[:, 1] > 0.3
    centre, scale = y.mean(), y.std()
    samples = Samples(x, ((y - centre) / scale)[:, None], np.ones(500), centre / scale, scale)
    search = Search(samples, Gaussian(), SearchSettings(policy=SearchPolicy(bag_rows=0, left_out=("hidden nodes",))))
    assert search.run().chosen.startswith("additive with pairs for the logarithm of y")
