"""Formulas for the signature of a knot, judged alike: the slope rules, and those that the KAN paper prints.

The paper (Liu et al., arXiv 2404.19756, table 4) gives its formulas in inputs whose scaling and orientation it does
not say, with the labels of the two parts of the meridian swapped in its source. So each is read in every way, the
columns as they are or standardised, the parts of the meridian in either order, its real part with either sign, and the
way that suits it best on the training rows counts; a least-squares line over these rows turns its values into
signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgewise.datasets import SLOPE_COLUMNS, natural_slope
from edgewise_experiments.knots.knot_table import KnotSplit


@dataclass(frozen=True)
class PaperFormula:
    """text; of (lambda, mu_r, mu_i), with the accuracy in per cent that the paper's table 4 has for it."""

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
    """The natural slope of all rows."""
    return natural_slope(np.stack([split.column(name) for name in SLOPE_COLUMNS], 1))


def half_slope(split: KnotSplit) -> dict:
    """slope / 2, rounded to the nearest even number: nothing is learned."""
    return _scored(split, slope(split)[split.test] / 2, 0)


def slope_line(split: KnotSplit) -> dict:
    """The least-squares line through the slope."""
    return lined(split, slope(split), 2)


def paper_formula(split: KnotSplit, name: str) -> dict:
    """One of the paper's formulas, read in the way that suits it best."""
    best: dict | None = None
    for reading, columns in _readings(split):
        values = PAPER_FORMULAS[name].value(*columns)
        found = {**lined(split, values, 2), "reading": reading}
        best = found if best is None or found["train_accuracy"] > best["train_accuracy"] else best
    return best


def lined(split: KnotSplit, values: np.ndarray, parameters: int) -> dict:
    """Scores of the least-squares line through values of all rows, fitted to the training rows."""
    if not np.isfinite(values).all():
        return {"accuracy": None, "error": None, "train_accuracy": -1.0, "parameters": parameters}
    line = np.stack([values, np.ones_like(values)], 1)
    signature = split.knots.y.astype(float)
    weights = np.linalg.lstsq(line[split.train], signature[split.train], rcond=None)[0]
    fitted = line @ weights
    right = rounded(fitted[split.train]) == signature[split.train]
    correlation = np.corrcoef(fitted[split.test], signature[split.test])[0, 1]
    return {
        **_scored(split, fitted[split.test], parameters),
        "train_accuracy": float(right.mean()),
        "r2": float(correlation**2),
        "line": weights.tolist(),
    }


def rounded(values: np.ndarray) -> np.ndarray:
    """To the nearest even number."""
    return 2 * np.rint(values / 2).astype(np.int64)


def bound(split: KnotSplit) -> dict:
    """The least c with |2 signature - slope| <= c volume / injectivity_radius^3 for every knot of the table (A. Davies,
    A. Juhasz, M. Lackenby, N. Tomasev, arXiv 2111.15323, prove that there is one)."""
    gap = np.abs(2 * split.knots.y - slope(split))
    ratio = gap * split.column("injectivity_radius") ** 3 / split.column("volume")
    return {
        "constant": float(ratio.max()),
        "median": float(np.median(ratio)),
        "knots": len(ratio),
        "gap": float(gap.max()),
        "correlation": float(np.corrcoef(slope(split), split.knots.y)[0, 1]),
    }


def _scored(split: KnotSplit, fitted: np.ndarray, parameters: int) -> dict:
    accuracy, error = split.share_right(rounded(fitted))
    return {"accuracy": accuracy, "error": error, "parameters": parameters}


def _readings(split: KnotSplit) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """What lambda, mu_r and mu_i may mean: a name, and the columns."""
    for scaled, swapped, mirrored in product((False, True), repeat=3):
        columns = []
        for name in SLOPE_COLUMNS:
            values = split.column(name)
            if mirrored and name == "meridinal_translation_real":
                values = -values
            part = values[split.train]
            columns.append((values - part.mean()) / part.std() if scaled else values)
        length, real, imag = columns
        words = [
            "standardised" if scaled else "as they are",
            *(["parts swapped"] if swapped else []),
            *(["mirrored"] if mirrored else []),
        ]
        yield ", ".join(words), (length, imag, real) if swapped else (length, real, imag)
