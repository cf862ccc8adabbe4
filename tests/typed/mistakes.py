"""Mistakes of a user, each of which `mypy --strict` reports on its line (tests/test_types.py); it is never run."""

import numpy as np

import edgewise
from edgewise import KANClassifier, KANRegressor, KANSurvival, find_formula

X = np.zeros((60, 2))
y = np.zeros(60)

KANRegressor(effort="fast")  # mistake
KANRegressor(los="squared")  # mistake
KANRegressor(loss="square")  # mistake
KANRegressor(shape={"a": "round"})  # mistake
KANRegressor(hidden="none")  # mistake
KANClassifier(class_weight="equal")  # mistake
KANClassifier(hiden=(5,))  # mistake
KANSurvival(pairs="all")  # mistake
KANSurvival(ties="exact")  # mistake
model = KANRegressor().fit(X, y)
model.predct(X)  # mistake
model.plot(0, theme="blue")  # mistake
print(model.predict(X, return_std=True).shape)  # mistake
KANClassifier().predict_interval(X)  # mistake
find_formula(X, y, name=["a", "b"])  # mistake
print(find_formula(X, y).bets)  # mistake
edgewise.load("model").predict(X)  # mistake
