"""The knot tables: the complete table of a clone, the packaged sample, and DeepMind's table where a user has it.

The complete table, data/knots.parquet, is not part of the installed package. DeepMind's knot_theory_invariants.csv
(Davies et al., Nature 600, 2021) has the same column names and is read by the same code once it is in that folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import edgewise
from edgewise.datasets import KNOT_FEATURES, Knots, load_knots
from edgewise.datasets.knots import check_knot_columns, read_knots_csv
from edgewise.errors import FileError
from edgewise.tables import read_table

SAMPLE, WHOLE, DEEPMIND = "sample", "knots.parquet", "knot_theory_invariants.csv"
SHARES = (0.7, 0.1)  # of the groups, for training and validation; the rest is the test set
SPLIT_SEED = 0  # of the random split: one split for all models and seeds


def data_folders() -> tuple[Path, ...]:
    """Return the folders that may hold a table: `data` in the working directory, and in this package's checkout."""
    package = Path(edgewise.__file__).resolve().parent
    return Path.cwd() / "data", package.parents[1] / "data"


def find_table(name: str) -> Path | None:
    """Return the file of a table, or None if no data folder has it."""
    return next((folder / name for folder in data_folders() if (folder / name).is_file()), None)


def read_knots(name: str) -> Knots:
    """Read the sample or a table of the data folder; without a column `group` every row is a group of its own."""
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
    """A table with its training, validation and test rows; all rows of a group are in the same part.

    The classes of the signature are the even numbers from `lowest` on.
    """

    knots: Knots
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, knots: Knots, seed: int = SPLIT_SEED) -> KnotSplit:
        """Split a table by groups at random, without stratification: a class with one row is in one part only."""
        groups, group_of_row = np.unique(knots.group, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(groups))
        ends = (len(groups) * np.cumsum(SHARES)).astype(int)
        part_of_row = np.digitize(order, ends)[group_of_row]
        return cls(knots, *(np.flatnonzero(part_of_row == part) for part in range(3)))

    @property
    def lowest(self) -> int:
        """The lowest signature of all rows, which is class 0."""
        return int(self.knots.y.min())

    @property
    def classes(self) -> int:
        """The number of classes."""
        return (int(self.knots.y.max()) - self.lowest) // 2 + 1

    def column(self, name: str) -> np.ndarray:
        """Return a column of all rows, (N,)."""
        return self.knots.X[:, self.knots.feature_names.index(name)]

    def inputs(self, names: tuple[str, ...], rows: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Return columns of some rows, (rows, names), standardised with mean and deviation of the training rows."""
        X = np.stack([self.column(name) for name in names], 1)
        mean, deviation = X[self.train].mean(0), X[self.train].std(0)
        scaled = (X[rows] - mean) / np.where(deviation > 0, deviation, 1.0)
        return torch.from_numpy(scaled).to(dtype)

    def labels(self, rows: np.ndarray) -> Tensor:
        """Return the class numbers of some rows, (rows,)."""
        return torch.from_numpy((self.knots.y[rows] - self.lowest) // 2)

    def accuracy(self, predicted: np.ndarray) -> tuple[float, float]:
        """Return the share of test rows whose signature is predicted correctly, and its standard error.

        The standard error treats groups, not rows, as independent draws.
        """
        correct = (predicted == self.knots.y[self.test]).astype(float)
        _, group_of_row = np.unique(self.knots.group[self.test], return_inverse=True)
        sums = np.bincount(group_of_row, weights=correct - correct.mean())
        return float(correct.mean()), float(np.sqrt((sums**2).sum()) / len(correct))
