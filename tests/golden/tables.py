"""Fits of tables: kinds of columns and targets, losses, constraints, weights, groups, small, wide and deep models.

Every score is the mean loss of rows that the fit did not see, with its standard error; squared errors are relative to
the variance of the target.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas
from sklearn import datasets as sklearn_data
from sklearn.datasets import make_friedman1
from statsmodels import datasets as statsmodels_data

from edgewise import KANClassifier, KANRegressor, KANSurvival
from edgewise.datasets import load_knots
from tests.golden.comparison import Row
from tests.golden.runner import bits

Table = tuple[object, np.ndarray]
RELATIVE = 1e-12  # errors of fits without noise below it are rounding


def mean_loss(losses: np.ndarray) -> Row:
    """The mean of the losses of rows, with its standard error."""
    return {"score": float(losses.mean()), "standard_error": float(losses.std() / np.sqrt(len(losses)))}


def halves(table: Table) -> tuple[object, np.ndarray, object, np.ndarray]:
    """Rows to fit, two of three, and rows to judge, in an order drawn once."""
    X, y = table
    order = np.random.default_rng(1).permutation(len(y))
    fitted, judged = np.sort(order[: 2 * len(y) // 3]), np.sort(order[2 * len(y) // 3 :])
    take = (lambda rows: X.iloc[rows].reset_index(drop=True)) if isinstance(X, pandas.DataFrame) else X.__getitem__
    return take(fitted), y[fitted], take(judged), y[judged]


def regression(table: Callable[[], Table], quantile: float | None = None, *, weighted: bool = False, **options) -> Row:
    """A fit judged by squared errors, or by the loss of a quantile."""
    X, y, judged, wanted = halves(table())
    weight = np.random.default_rng(2).integers(1, 4, len(y)).astype(float) if weighted else None
    predicted = KANRegressor(**options).fit(X, y, sample_weight=weight).predict(judged)
    gap = wanted - predicted
    if quantile is None:
        squares = (gap**2).reshape(len(gap), -1).mean(1)
        row = mean_loss(squares / wanted.var())
    else:
        row = mean_loss(np.maximum(quantile * gap, (quantile - 1) * gap))
    return {**row, "bits": bits(predicted)}


def without_noise(table: Callable[[], Table], **options) -> Row:
    """A fit of exact samples, judged by its relative error at rows between those of the fit."""
    X, y, judged, wanted = halves(table())
    inside = ((judged >= X.min(0)) & (judged <= X.max(0))).all(1)
    judged, wanted = judged[inside], wanted[inside]
    predicted = KANRegressor(**options).fit(X, y).predict(judged)
    error = float(np.sqrt(np.mean((predicted - wanted) ** 2)) / wanted.std())
    return {"error": error, "floor": RELATIVE, "bits": bits(predicted)}


def counts(table: Callable[[], Table], **options) -> Row:
    """A fit with an exponential, judged by Poisson's deviance."""
    X, y, judged, wanted = halves(table())
    predicted = KANRegressor(**options).fit(X, y).predict(judged)
    logs = np.where(wanted > 0, wanted * np.log(np.maximum(wanted, 1e-300) / predicted), 0.0)
    return {**mean_loss(2 * (logs - wanted + predicted)), "bits": bits(predicted)}


def classes(table: Callable[[], Table], **options) -> Row:
    """A classifier judged by the logarithm of the probability of the right class."""
    X, y, judged, wanted = halves(table())
    model = KANClassifier(**options).fit(X, y)
    shares = model.predict_proba(judged)
    place = np.searchsorted(model.classes_, wanted)
    losses = -np.log(np.maximum(shares[np.arange(len(wanted)), place], 1e-6))
    return {**mean_loss(losses), "bits": bits(shares)}


def survival(rows: int, **options) -> Row:
    """Censored times, judged by the error of the risk, which is known."""
    random = np.random.default_rng(3)
    X = random.uniform(-1, 1, (rows, 3))
    risk = 2 * np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + X[:, 0] * X[:, 1]
    moment, end = random.exponential(np.exp(-risk)), random.exponential(2.0, rows)
    model = KANSurvival(**options).fit(X, (moment <= end, np.minimum(moment, end)))
    fresh = random.uniform(-1, 1, (300, 3))
    wanted = 2 * np.sin(2 * fresh[:, 0]) + fresh[:, 1] ** 2 + fresh[:, 0] * fresh[:, 1]
    gap = model.predict(fresh) - wanted
    return {**mean_loss((gap - gap.mean()) ** 2), "bits": bits(model.predict(fresh), model.baseline_hazard_)}


def grouped() -> Row:
    """Rows of one group share an error, so that they are left out together."""
    random = np.random.default_rng(4)
    group = np.repeat(np.arange(40), 5)
    X = np.repeat(random.uniform(-1, 1, (40, 2)), 5, 0) + random.normal(0, 0.02, (200, 2))
    y = np.sin(3 * X[:, 0]) + random.normal(0, 0.5, 40)[group]
    fresh = random.uniform(-1, 1, (300, 2))
    predicted = KANRegressor().fit(X, y, groups=group).predict(fresh)
    return {**mean_loss((predicted - np.sin(3 * fresh[:, 0])) ** 2), "bits": bits(predicted)}


def friedman(rows: int, inputs: int = 5, noise: float = 1.0, seed: int = 5) -> Table:
    """Friedman's function of five inputs, perhaps among others."""
    return make_friedman1(rows, inputs, noise=noise, random_state=seed)


def wave(rows: int, noise: float) -> Table:
    """A sine of one input."""
    random = np.random.default_rng(6)
    X = random.uniform(-1, 1, (rows, 1))
    return X, np.sin(4 * X[:, 0]) + noise * random.normal(size=rows)


def product(rows: int, noise: float) -> Table:
    """Two inputs that act together only, and one that doesn't."""
    random = np.random.default_rng(7)
    X = random.uniform(-1, 1, (rows, 3))
    return X, 3 * X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + noise * random.normal(size=rows)


def curved(rows: int) -> Table:
    """A rising, a convex and a straight input, for constraints."""
    random = np.random.default_rng(8)
    X = pandas.DataFrame(random.uniform(0, 1, (rows, 3)), columns=["rising", "convex", "straight"])
    y = np.sqrt(X["rising"]) + (X["convex"] - 0.4) ** 2 + 0.5 * X["straight"] + 0.1 * random.normal(size=rows)
    return X, y.to_numpy()


def flats(rows: int = 300) -> Table:
    """Areas with gaps, a category, truth values, dates and words."""
    random = np.random.default_rng(9)
    area = random.uniform(20, 120, rows)
    city = random.choice(["Bonn", "Ulm", "Kiel", "Jena"], rows)
    day = pandas.Timestamp("2020-01-01") + pandas.to_timedelta(random.integers(0, 1000, rows), "D")
    balcony = random.random(rows) < 0.4
    words = random.choice(["quiet street", "near the park", "quiet and near the park", "loud"], rows)
    days = np.asarray((day - pandas.Timestamp("2020-01-01")).days)
    price = 2 * area + 30.0 * (city == "Ulm") + 0.05 * days + 20 * balcony + 10.0 * np.char.count(words, "quiet")
    frame = pandas.DataFrame({"area": area, "city": city, "day": day, "balcony": balcony, "words": words})
    frame.loc[random.random(rows) < 0.1, "area"] = np.nan
    frame.loc[random.random(rows) < 0.05, "city"] = None
    return frame.astype({"city": "category"}), price + 10 * random.normal(size=rows)


def levels(rows: int = 300) -> Table:
    """One column of thirty names and one number."""
    random = np.random.default_rng(10)
    number = random.integers(0, 30, rows)
    effect = random.normal(size=30)
    frame = pandas.DataFrame({"name": [f"n{each}" for each in number], "x": random.normal(size=rows)})
    return frame, effect[number] + frame["x"].to_numpy() ** 2 / 2 + 0.3 * random.normal(size=rows)


def skewed(rows: int) -> Table:
    """Positive targets whose logarithm is smooth, with gamma noise."""
    random = np.random.default_rng(11)
    X = random.uniform(-1, 1, (rows, 2))
    return X, np.exp(2 * X[:, 0] + np.sin(3 * X[:, 1])) * random.gamma(4, 0.25, rows)


def counted(rows: int, spread: float = 0.0) -> Table:
    """Counts with Poisson noise, or more."""
    random = np.random.default_rng(12)
    X = random.uniform(-1, 1, (rows, 2))
    mean = np.exp(1 + X[:, 0] - X[:, 1] ** 2)
    return X, random.poisson(mean * (random.gamma(1 / spread, spread, rows) if spread else 1.0)).astype(float)


def spoilt(rows: int) -> Table:
    """A sine with heavy tails."""
    random = np.random.default_rng(13)
    X = random.uniform(-1, 1, (rows, 2))
    return X, np.sin(3 * X[:, 0]) + 0.2 * random.standard_t(2, rows)


def moons(rows: int) -> Table:
    """Two classes that no sum of curves parts well."""
    return sklearn_data.make_moons(rows, noise=0.25, random_state=14)


def ordered(rows: int) -> Table:
    """Five ordered classes."""
    random = np.random.default_rng(15)
    X = random.uniform(-1, 1, (rows, 3))
    value = 2 * X[:, 0] + np.cos(3 * X[:, 1]) + random.logistic(0, 0.3, rows)
    return X, np.digitize(value, [-1.5, -0.5, 0.5, 1.5])


def two_targets() -> Table:
    """Two targets of the same inputs."""
    X, y = friedman(200)
    return X, np.stack([y, X[:, 0] ** 2], 1)


def wide() -> Table:
    """Forty inputs, two of which act, in 90 rows."""
    random = np.random.default_rng(16)
    X = random.normal(size=(90, 40))
    return X, X[:, 3] + np.abs(X[:, 7]) + 0.3 * random.normal(size=90)


def with_copies() -> Table:
    """Every row twice."""
    X, y = friedman(150)
    return np.repeat(X, 2, 0), np.repeat(y, 2)


def shipped(name: str, target: str, columns: str = "", rows: int | None = None) -> Table:
    """A table of statsmodels."""
    frame = getattr(statsmodels_data, name).load_pandas().data.iloc[:rows]
    inputs = frame[columns.split()] if columns else frame.drop(columns=target)
    return inputs.astype(float), frame[target].to_numpy(dtype=float)


def learned(name: str, rows: int | None = None) -> Table:
    """A table of scikit-learn."""
    X, y = getattr(sklearn_data, f"load_{name}")(return_X_y=True)
    return X[:rows], y[:rows]


def knots(rows: int = 600) -> Table:
    """Signatures of knots from their geometry."""
    found = load_knots()
    step = len(found.y) // rows
    return found.X[::step], np.asarray(found.y[::step], dtype=float)


ROWS: dict[str, Callable[[], Row]] = {
    "sine": lambda: regression(partial(wave, 150, 0.2)),
    "Friedman": lambda: regression(partial(friedman, 300)),
    "Friedman among others": lambda: regression(partial(friedman, 300, 10)),
    "curves alone": lambda: regression(partial(friedman, 300), effort="low"),
    "mean of models": lambda: regression(partial(friedman, 150)),
    "a pair": lambda: regression(partial(product, 300, 0.3)),
    "rows twice": lambda: regression(with_copies),
    "weights": lambda: regression(partial(friedman, 200), weighted=True),
    "groups": grouped,
    "two targets": lambda: regression(two_targets),
    "wide": lambda: regression(wide),
    "21 rows": lambda: regression(partial(shipped, "stackloss", "STACKLOSS")),
    "diabetes": lambda: regression(partial(learned, "diabetes")),
    "knots": lambda: regression(knots, effort="low"),
    "mixed columns": lambda: regression(flats),
    "many levels": lambda: regression(levels),
    "hidden nodes": lambda: regression(partial(product, 200, 0.1), hidden=4, grid_size=5, regularization=1e-3),
    "two hidden layers": lambda: regression(partial(product, 200, 0.1), hidden=(3, 2), grid_size=4),
    "one input without noise": lambda: without_noise(partial(wave, 150, 0.0)),
    "a pair without noise": lambda: without_noise(partial(product, 300, 0.0)),
    "Friedman without noise": lambda: without_noise(partial(friedman, 300, noise=0.0)),
    "skewed": lambda: regression(partial(skewed, 200)),
    "log": lambda: regression(partial(skewed, 200), loss="log"),
    "gamma": lambda: regression(partial(skewed, 200), loss="gamma"),
    "tweedie": lambda: regression(partial(skewed, 200), loss="tweedie"),
    "Poisson": lambda: counts(partial(counted, 300), loss="poisson"),
    "negative binomial": lambda: counts(partial(counted, 300, 0.5), loss="negative_binomial"),
    "visits to doctors": lambda: counts(partial(shipped, "randhie", "mdvis", rows=300), loss="poisson"),
    "absolute": lambda: regression(partial(spoilt, 200), 0.5, loss="absolute"),
    "huber": lambda: regression(partial(spoilt, 200), 0.5, loss="huber"),
    "quantile": lambda: regression(partial(shipped, "engel", "foodexp"), 0.9, loss="quantile:0.9"),
    "monotone": lambda: regression(partial(curved, 200), monotone={"rising": 1}),
    "convex and straight": lambda: regression(partial(curved, 200), shape={"convex": "convex"}, linear=["straight"]),
    "interactions": lambda: regression(partial(product, 200, 0.3), interactions=[(0, 1)]),
    "bounds": lambda: regression(partial(product, 200, 0.3), bounds=(-3.0, 4.0)),
    "two classes": lambda: classes(partial(moons, 300)),
    "tumours": lambda: classes(partial(learned, "breast_cancer", 300), effort="low"),
    "32 rows of two classes": lambda: classes(partial(shipped, "spector", "GRADE")),
    "iris": lambda: classes(partial(learned, "iris")),
    "balanced classes": lambda: classes(partial(ordered, 300), class_weight="balanced"),
    "votes": lambda: classes(partial(shipped, "anes96", "vote", "TVnews selfLR PID age educ income", 400)),
    "survival": lambda: survival(200),
    "survival, Efron's ties": lambda: survival(150, ties="efron", pairs="none", monotone={0: 1}),
}
