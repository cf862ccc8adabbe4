"""Formulas for the signature of a knot, all scored in the same way: the slope rules and the formulas of the KAN paper.

The paper (Liu et al., arXiv 2404.19756, table 4) does not state how the inputs of its formulas are scaled and oriented,
and its data source had the labels of the two parts of the meridian swapped. So each formula is evaluated with eight
interpretations of its inputs: the columns raw or standardised, the parts of the meridian in either order, the real part
with either sign. The interpretation with the best training accuracy counts. A least-squares line, fitted to the
training rows, turns the values of a formula into signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgewise_experiments.knots.slope_rule import SLOPE_COLUMNS, natural_slope
from edgewise_experiments.knots.table import KnotSplit


@dataclass(frozen=True)
class PaperFormula:
    """A formula of the KAN paper's table 4."""

    text: str
    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    paper: float


PAPER_FORMULAS: Mapping[str, PaperFormula] = {
    "A": PaperFormula(
        "lambda mu_r / (mu_r^2 + mu_i^2)",
        lambda length, real, imag: length * real / (real**2 + imag**2),
        83.1,
    ),
    "B": PaperFormula(
        "-0.02 sin(4.98 mu_i + 0.85) + 0.08 |4.02 mu_r + 6.28| - 0.52 - 0.04 exp(-0.88 (1 - 0.45 lambda)^2)",
        lambda length, real, imag: (
            -0.02 * np.sin(4.98 * imag + 0.85)
            + 0.08 * np.abs(4.02 * real + 6.28)
            - 0.52
            - 0.04 * np.exp(-0.88 * (1 - 0.45 * length) ** 2)
        ),
        62.6,
    ),
    "E": PaperFormula(
        "4.76 lambda mu_r / (3.09 mu_i + 6.05 mu_r^2 + 3.54 mu_i^2)",
        lambda length, real, imag: 4.76 * length * real / (3.09 * imag + 6.05 * real**2 + 3.54 * imag**2),
        82.8,
    ),
    "F": PaperFormula(
        "2.94 - 2.92 (1 - 0.10 mu_r)^2 / (0.32 (0.18 - mu_r)^2 + 5.36 (1 - 0.04 lambda)^2 + 0.50)",
        lambda length, real, imag: (
            2.94 - 2.92 * (1 - 0.10 * real) ** 2 / (0.32 * (0.18 - real) ** 2 + 5.36 * (1 - 0.04 * length) ** 2 + 0.50)
        ),
        77.8,
    ),
}


def slope(split: KnotSplit) -> np.ndarray:
    """Return the natural slope of all rows, (N,)."""
    return natural_slope(np.stack([split.column(name) for name in SLOPE_COLUMNS], 1))


def half_slope(split: KnotSplit) -> dict:
    """Score slope / 2, rounded to the nearest even number. Nothing is fitted."""
    accuracy, error = split.accuracy(rounded_to_even(slope(split)[split.test] / 2))
    return {"accuracy": accuracy, "error": error, "parameters": 0}


def slope_line(split: KnotSplit) -> dict:
    """Score the least-squares line through the slope."""
    return score_with_line(split, slope(split))


def paper_formula(split: KnotSplit, name: str) -> dict:
    """Score one of the paper's formulas, with the interpretation of its inputs that has the best training accuracy."""
    scores = (
        {**score_with_line(split, PAPER_FORMULAS[name].value(*columns)), "reading": interpretation}
        for interpretation, columns in input_interpretations(split)
    )
    return max(scores, key=lambda score: score["train_accuracy"])


def score_with_line(split: KnotSplit, values: np.ndarray) -> dict:
    """Score the least-squares line that turns values of all rows into signatures, fitted to the training rows."""
    if not np.isfinite(values).all():
        return {"accuracy": None, "error": None, "train_accuracy": -1.0, "parameters": 2}
    signature = split.knots.y.astype(float)
    fitted, weights = fit_line(values, signature, split.train)
    accuracy, error = split.accuracy(rounded_to_even(fitted[split.test]))
    correct = rounded_to_even(fitted[split.train]) == signature[split.train]
    correlation = np.corrcoef(fitted[split.test], signature[split.test])[0, 1]
    return {
        "accuracy": accuracy,
        "error": error,
        "parameters": 2,
        "train_accuracy": float(correct.mean()),
        "r2": float(correlation**2),
        "line": weights.tolist(),
    }


def fit_line(values: np.ndarray, target: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit target = slope * values + offset to the training rows by least squares."""
    columns = np.stack([values, np.ones_like(values)], 1)
    weights = np.linalg.lstsq(columns[train], target[train], rcond=None)[0]
    return columns @ weights, weights


def rounded_to_even(values: np.ndarray) -> np.ndarray:
    """Round to the nearest even number; every signature is even."""
    return 2 * np.rint(values / 2).astype(np.int64)


def bound(split: KnotSplit) -> dict:
    """Return the least c with |2 signature - slope| <= c volume / injectivity_radius^3 for every knot of the table.

    References
    ----------
    A. Davies, A. Juhasz, M. Lackenby, N. Tomasev, arXiv 2111.15323, prove that such a constant exists.
    """
    gap = np.abs(2 * split.knots.y - slope(split))
    ratio = gap * split.column("injectivity_radius") ** 3 / split.column("volume")
    return {
        "constant": float(ratio.max()),
        "median": float(np.median(ratio)),
        "knots": len(ratio),
        "gap": float(gap.max()),
        "correlation": float(np.corrcoef(slope(split), split.knots.y)[0, 1]),
    }


def input_interpretations(split: KnotSplit) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Yield each interpretation of the formulas' inputs: its name, and the columns for lambda, mu_r and mu_i."""
    for scaled, swapped, mirrored in product((False, True), repeat=3):
        columns = []
        for name in SLOPE_COLUMNS:
            values = split.column(name)
            if mirrored and name == "meridinal_translation_real":
                values = -values
            train = values[split.train]
            columns.append((values - train.mean()) / train.std() if scaled else values)
        length, real, imag = columns
        words = [
            "standardised" if scaled else "as they are",
            *(["parts swapped"] if swapped else []),
            *(["mirrored"] if mirrored else []),
        ]
        yield ", ".join(words), (length, imag, real) if swapped else (length, real, imag)
