"""A short law as a part of a network: judged on rows that its search did not see, taken where it is better."""

import numpy as np
import pytest
import torch

from edgewise import load, save
from edgewise.errors import EdgewiseWarning
from edgewise.estimator import KANRegressor
from edgewise.estimator.law import SETTINGS, law_network
from edgewise.formulas.expression import evaluate
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.interpret.symbolic.from_formula_text import parse_expression
from edgewise.scaling import AffineScaling

RNG = np.random.default_rng(0)
ROWS = 420
X = RNG.uniform([0, 1, -1], [4, 3, 1], (ROWS, 3))
RATIO = X[:, 0] * np.sin(2 * X[:, 2]) / X[:, 1] ** 2
Y = RATIO + 0.5 * X[:, 2] ** 2 + 0.1 * RNG.normal(size=ROWS)
GROUPS = np.arange(ROWS) // 3


class Told:
    """A search for laws that always finds one law, and remembers the rows that it was given."""

    def __init__(self, text: str):
        names = ("x1", "x2", "x3")
        self.formula = Formula(parse_expression(text, names), names)
        self.rows: list[np.ndarray] = []

    def __call__(self, X, y):
        self.rows.append(X)
        return Front((FrontEntry(self.formula, 0.1, 0.1),), len(X), float(y.var()), (), len(X), 0)


def fitted(text, y=Y, loss="squared", **options):
    told = Told(text)
    fits = []
    model = KANRegressor(effort="low", loss=loss)._fit_with(X, y, hand_on=fits.append, **options)
    model._look_for_law(fits[0], told)
    return model, told


@pytest.fixture(scope="module")
def plain():
    return KANRegressor(effort="low").fit(X, Y)


@pytest.fixture(scope="module")
def lawful():
    return fitted("x1 * sin(2 * x3) / x2**2")[0]


def test_a_law_that_the_rows_ask_for_is_taken(plain, lawful):
    truth = RATIO + 0.5 * X[:, 2] ** 2
    errors = [np.mean((model.predict(X) - truth) ** 2) for model in (plain, lawful)]
    assert errors[1] < errors[0] / 3
    assert "with a short law" in lawful.search_.chosen
    assert "taken" in lawful.search_.sentences[-1] and "had not seen" in lawful.search_.sentences[-1]
    assert len(lawful.model_.config.width) > 3
    assert lawful._shape_text() == "additive with a short law"
    # The verdict is that of the chosen model.
    beside = lawful._beside_linear()
    assert beside.models[0].score - beside.models[1].score > 0.1


def test_its_intervals_cover_and_it_is_kept_by_a_file(lawful, tmp_path):
    rng = np.random.default_rng(1)
    new = rng.uniform([0, 1, -1], [4, 3, 1], (2000, 3))
    y = new[:, 0] * np.sin(2 * new[:, 2]) / new[:, 1] ** 2 + 0.5 * new[:, 2] ** 2 + 0.1 * rng.normal(size=2000)
    low, high = lawful.predict_interval(new)
    assert 0.86 <= np.mean((low <= y) & (y <= high)) <= 0.95
    save(lawful, tmp_path / "law.kan")
    again = load(tmp_path / "law.kan")
    assert again.predict(new).tobytes() == lawful.predict(new).tobytes()
    assert again.predict(new, return_std=True)[1].tobytes() == lawful.predict(new, return_std=True)[1].tobytes()
    # At the pole of the law, beyond the rows, predictions are finite.
    with pytest.warns(EdgewiseWarning, match="outside the training range"):
        assert np.isfinite(lawful.predict([[1.0, 0.0, 0.5], [1e9, -1e9, 0.0]])).all()


@pytest.mark.slow
def test_a_law_that_helps_nothing_changes_no_prediction(plain):
    model, told = fitted("2 * x1 - 1")
    assert "not taken" in model.search_.sentences[-1]
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()
    assert model.equations_.best.formula == told.formula


@pytest.mark.slow
def test_a_quarter_of_the_rows_is_not_seen_and_no_group_divided():
    model, told = fitted("x1 * sin(2 * x3) / x2**2", groups=GROUPS)
    [seen] = told.rows
    numbers = {tuple(row): number for number, row in enumerate(X.tolist())}
    places = {numbers[tuple(row)] for row in seen.tolist()}
    unseen = set(range(ROWS)) - places
    assert abs(len(unseen) - ROWS / SETTINGS.parts) < ROWS / 20
    assert not {GROUPS[row] for row in places} & {GROUPS[row] for row in unseen}
    assert f"{len(unseen)} rows" in model.search_.sentences[-1]


@pytest.mark.parametrize(
    "text",
    [
        "sin(2 * x1 * x2 + x3) + sqrt(1 + x1**2 + x3**2)",
        "exp(x1 * x3) / (1 + x2**2)",
        "x1 * x2 * x3",
        "(x1 - x2) * tanh(2 * x3)",
        "(x1 + 1)**2.5",
    ],
)
def test_a_law_as_a_network_of_splines_has_its_values(text):
    law = parse_expression(text, ("x1", "x2", "x3"))
    scaling = AffineScaling.fit(X)
    x = scaling.transform(X)
    network = law_network(law, x, scaling)
    columns = network(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(columns[:, :3], x, atol=1e-12)
    values = evaluate(law, X)
    scaled = 2 * (values - values.min()) / np.ptp(values) - 1
    np.testing.assert_allclose(columns[:, 3], scaled, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["1 / (x1 - x1)", "3.0", "log(x1 - 9)"])
def test_a_law_without_values_is_left_out(plain, text):
    model, _ = fitted(text)
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()
