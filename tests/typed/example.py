"""A program of a user with types, which `mypy --strict` accepts (tests/test_types.py); it is never run."""

import numpy as np

import edgewise
from edgewise import KANClassifier, KANRegressor, KANSurvival, find_formula

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (60, 2))
y = X[:, 0] + 3 * X[:, 1]

model = KANRegressor(effort="low", loss="squared", monotone={0: 1}, shape={1: "convex"}).fit(X, y)
prediction: np.ndarray = model.predict(X)
mean, deviation = model.predict(X, return_std=True)
low, high = model.predict_interval(X, 0.9)
print(model.summary(), model.compare(X, y).verdict, model.report("report.html"), model.plot(0, theme="dark"))
share: float = model.score(X, y)
columns: tuple[str, ...] = model.encoder_.columns

classes = KANClassifier(class_weight="balanced").fit(X, y > 0)
probabilities: np.ndarray = classes.predict_proba(X)
risk: np.ndarray = KANSurvival(pairs="none", ties="efron").fit(X, (y > 0, np.exp(y))).predict(X)

formula: str = str(find_formula(X, y, names=["a", "b"]).best.formula)
formula_of_lists = find_formula([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0]).best

edgewise.save(model, "model.safetensors")
again = edgewise.load("model.safetensors")
assert isinstance(again, KANRegressor)
print(again.predict(X))
