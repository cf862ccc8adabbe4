"""The knot tables that experiments read: the whole one of a clone, DeepMind's where it lies beside it, and the sample.

The whole table, data/knots.parquet, is no part of the installed package. DeepMind's knot_theory_invariants.csv (Davies
et al., Nature 600, 2021) has the same column names and is read by the same code once it lies in that folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import edgewise.files
from edgewise.datasets import KNOT_FEATURES, SLOPE_COLUMNS, Knots, load_knots
from edgewise.datasets.knots import check_knot_columns, read_knots_csv
from edgewise.errors import FileError
from edgewise.tables import read_table

SAMPLE, WHOLE, DEEPMIND = "sample", "knots.parquet", "knot_theory_invariants.csv"
INPUTS = {17: KNOT_FEATURES, 3: SLOPE_COLUMNS}
SHARES = (0.7, 0.1)  # of the groups, for training and validation; the rest is for tests
SPLIT_SEED = 0


def data_folders() -> tuple[Path, ...]:
    """Where a table may lie: `data` in the working directory, and in the checkout that this package runs from."""
    package = Path(edgewise.files.__file__).resolve().parent
    return Path.cwd() / "data", package.parents[1] / "data"


def find_table(name: str) -> Path | None:
    """Its file, where one of the folders has it."""
    return next((folder / name for folder in data_folders() if (folder / name).is_file()), None)


def read_knots(name: str) -> Knots:
    """The sample, or a table of the data folder; without a column `group` every row is a group of its own.

    Raises:
        FileError: the table is not there, or lacks a column.
    """
    if name == SAMPLE:
        return load_knots()
    path = find_table(name)
    if path is None:
        places = " or ".join(str(folder) for folder in dict.fromkeys(data_folders()))
        raise FileError(f"{name} was expected in {places}, got none: a clone of the repository has data/{WHOLE}")
    if path.suffix == ".csv":
        return read_knots_csv(path)
    columns = read_table(path).columns
    check_knot_columns(path, columns)
    X = np.stack([columns[column] for column in KNOT_FEATURES], 1)
    return Knots(X, columns["signature"].astype(np.int64), columns["group"].astype(np.int64), KNOT_FEATURES)


@dataclass(frozen=True, eq=False)
class KnotSplit:
    """A table with the numbers of its training, validation and test rows; no group is on two sides.

    lowest: the signature of class 0; classes are the even numbers from there on, those of all rows.
    """

    knots: Knots
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, knots: Knots, seed: int = SPLIT_SEED) -> KnotSplit:
        """Groups are dealt out at random: a class with one row lies on one side, and nothing asks for it elsewhere."""
        groups, place = np.unique(knots.group, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(groups))
        ends = (len(groups) * np.cumsum(SHARES)).astype(int)
        side = np.digitize(order, ends)[place]
        return cls(knots, *(np.flatnonzero(side == number) for number in range(3)))

    @property
    def lowest(self) -> int:
        return int(self.knots.y.min())

    @property
    def classes(self) -> int:
        return (int(self.knots.y.max()) - self.lowest) // 2 + 1

    def column(self, name: str) -> np.ndarray:
        """(N,) of all rows."""
        return self.knots.X[:, self.knots.feature_names.index(name)]

    def inputs(self, names: tuple[str, ...], rows: np.ndarray, dtype: torch.dtype) -> Tensor:
        """(rows, names), less the mean and over the deviation of the training rows."""
        X = np.stack([self.column(name) for name in names], 1)
        mean, deviation = X[self.train].mean(0), X[self.train].std(0)
        scaled = (X[rows] - mean) / np.where(deviation > 0, deviation, 1.0)
        return torch.from_numpy(scaled).to(dtype)

    def labels(self, rows: np.ndarray) -> Tensor:
        """(rows,), class numbers."""
        return torch.from_numpy((self.knots.y[rows] - self.lowest) // 2)

    def share_right(self, signature: np.ndarray) -> tuple[float, float]:
        """Of the test rows whose signature is as given (test rows,), and the standard error: groups are drawn, not
        rows."""
        right = (signature == self.knots.y[self.test]).astype(float)
        _, place = np.unique(self.knots.group[self.test], return_inverse=True)
        sums = np.bincount(place, weights=right - right.mean())
        return float(right.mean()), float(np.sqrt((sums**2).sum()) / len(right))
