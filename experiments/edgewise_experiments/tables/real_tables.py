"""Fifteen real tables that packages ship: five of scikit-learn, one of ours, nine of statsmodels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from edgewise.datasets import load_knots
from edgewise.errors import missing_extra


@dataclass(frozen=True, eq=False)
class Table:
    """Inputs X (N, d), targets y (N,), the task, and groups (N,) whose rows stay in one fold."""

    X: np.ndarray
    y: np.ndarray
    task: str
    group: np.ndarray | None = None

    def folds(self, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of training and test rows of each fold."""
        settings = {"n_splits": count, "shuffle": True, "random_state": seed}
        if self.group is not None:
            yield from GroupKFold(**settings).split(self.X, self.y, self.group)
        elif self.task == "classification" and np.unique(self.y, return_counts=True)[1].min() >= count:
            yield from StratifiedKFold(**settings).split(self.X, self.y)
        else:
            yield from KFold(**settings).split(self.X, self.y)


def real_tables() -> Mapping[str, Callable[[], Table]]:
    """Return the function that loads each table, by the name of the table."""
    return {
        "diabetes": lambda: Table(*load_diabetes(return_X_y=True), "regression"),
        "breast cancer": lambda: Table(*load_breast_cancer(return_X_y=True), "classification"),
        "wine": lambda: Table(*load_wine(return_X_y=True), "classification"),
        "digits": lambda: Table(*load_digits(return_X_y=True), "classification"),
        "knots": _knots,
        "iris": lambda: Table(*load_iris(return_X_y=True), "classification"),
        **{name: partial(_statsmodels, name) for name in _STATSMODELS},
    }


def _knots() -> Table:
    knots = load_knots()
    return Table(knots.X, knots.y, "classification", knots.group)


@dataclass(frozen=True)
class _Columns:
    """Columns of a table of statsmodels."""

    target: str | Callable[[Mapping[str, np.ndarray]], np.ndarray]
    inputs: Sequence[str]
    task: str = "regression"
    group: tuple[str, ...] | None = None


_STATSMODELS = {
    "anes96": _Columns(
        "vote", ("popul", "TVnews", "selfLR", "ClinLR", "DoleLR", "PID", "age", "educ", "income"), "classification"
    ),
    "fair": _Columns(
        lambda table: (table["affairs"] > 0).astype(int),
        (
            *("rate_marriage", "age", "yrs_married", "children", "religious", "educ"),
            *("occupation", "occupation_husb"),
        ),
        "classification",
    ),
    "star98": _Columns(
        lambda table: table["NABOVE"] / (table["NABOVE"] + table["NBELOW"]),
        (
            *("LOWINC", "PERASIAN", "PERBLACK", "PERHISP", "PERMINTE", "AVYRSEXP", "AVSALK", "PERSPENK", "PTRATIO"),
            *("PCTAF", "PCTCHRT", "PCTYRRND"),
        ),
    ),
    # A person has a row for each year, and a family shares its insurance; if the folds cut these groups, the best model
    # is the one that recognises the persons.
    "randhie": _Columns(
        "mdvis",
        ("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"),
        group=("lncoins", "idp", "lpi", "fmde"),
    ),
    "engel": _Columns("foodexp", ("income",)),
    "grunfeld": _Columns("invest", ("value", "capital", "year", "firm")),
    "modechoice": _Columns(
        "choice", ("mode", "ttme", "invc", "invt", "gc", "hinc", "psize"), "classification", group=("individual",)
    ),
    "ccard": _Columns("AVGEXP", ("AGE", "INCOME", "OWNRENT")),
    "statecrime": _Columns("murder", ("violent", "hs_grad", "poverty", "single", "white", "urban")),
}


def _statsmodels(name: str) -> Table:
    try:
        module = import_module(f"statsmodels.datasets.{name}")
    except ImportError as error:
        raise missing_extra("statsmodels", "peers", f"The table {name}") from error
    frame, columns = module.load_pandas().data, _STATSMODELS[name]
    table = {column: frame[column].to_numpy() for column in frame.columns}
    parts = []
    for column in columns.inputs:
        values = table[column]
        if values.dtype.kind in "fiu":
            parts.append(values.astype(float))
        else:
            parts += [(values == one).astype(float) for one in sorted(set(values))]
    y = table[columns.target] if isinstance(columns.target, str) else columns.target(table)
    y = y.astype(int) if columns.task == "classification" else y.astype(float)
    group = None
    if columns.group is not None:
        alike = np.stack([table[column].astype(float) for column in columns.group], 1)
        group = np.unique(alike, axis=0, return_inverse=True)[1].ravel()
    return Table(np.stack(parts, 1), y, columns.task, group)
