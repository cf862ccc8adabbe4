"""What the formulas of a model with classes or several outputs stand for: one function of the inputs for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.cli.model import Model

TINY = 1e-300  # probabilities below it are counted as this


@dataclass(frozen=True)
class Output:
    """name: what stands before the formula. function: (N, d) -> (N,). label: for a file's name."""

    name: str
    label: str
    function: Callable[[np.ndarray], np.ndarray]


def outputs_of(opened: Model) -> list[Output]:
    """The log-odds of the second of two classes, the score of each of several, or each number that is predicted.

    A score is the logarithm of a probability less the mean of these over the classes, as softmax takes it.
    """
    labels = [str(label) for label in opened.labels]
    if len(labels) == 2:
        return [Output(f"log-odds of {labels[1]}", labels[1], lambda X: 2 * _scores(opened, X)[:, 1])]
    if labels:
        return [
            Output(f"score of {label}", label, lambda X, k=k: _scores(opened, X)[:, k])
            for k, label in enumerate(labels)
        ]
    count = opened.estimator.model_.config.width[-1]
    return [
        Output(
            f"{opened.target} {k + 1}",
            str(k + 1),
            lambda X, k=k: opened.estimator.predict(X).reshape(len(X), -1)[:, k],
        )
        for k in range(count)
    ]


def agreement(opened: Model, X: np.ndarray, values: Sequence[np.ndarray]) -> str:
    """How often the formulas give the model's class; values: (N,) of each output, as `outputs_of` orders them."""
    own = _scores(opened, X).argmax(1)
    found = (values[0] > 0).astype(int) if len(values) == 1 else np.argmax(values, 0)
    rule = "where it is positive" if len(values) == 1 else "the class with the largest score"
    return f"The formula's class, {rule}, is the model's in {np.mean(found == own):.1%} of these {len(X):,} rows."


def _scores(opened: Model, X: np.ndarray) -> np.ndarray:
    logarithms = np.log(np.maximum(opened.estimator.predict_proba(X), TINY))
    return logarithms - logarithms.mean(1, keepdims=True)
