"""Edits as dictionaries of plain values: their kinds and fields, and what an edit that was made costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.checks import is_integer, is_number
from edgewise.errors import InputError
from edgewise.nn.model import KAN

# The fields of each kind of edit: those that it needs, and those that it may have.
TRAINING = ("refit", "train")
LISTS = ("edge", "node", "points", "range", "inputs", "constants")  # fields that hold several values
EDITS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fix": (("edge", "function"), ("constants", *TRAINING)),
    "free": (("edge",), TRAINING),
    "remove_edge": (("edge",), TRAINING),
    "remove_node": (("node",), TRAINING),
    "drag": (("edge", "points"), TRAINING),
    "straighten": (("edge",), ("range", *TRAINING)),
    "flatten": (("edge",), ("range", *TRAINING)),
    "shape": (("edge", "shape"), TRAINING),
    "snap": (("edge", "constant", "value"), TRAINING),
    "merge": (("inputs",), TRAINING),
    "refit": (("refit",), ("train",)),
}


@dataclass(frozen=True)
class Cost:
    """Mean loss of some rows before and after an edit.

    Attributes
    ----------
    before, after : float
        The mean losses.
    standard_error : float
        Standard error of their difference, over the rows.
    rows : int
        Number of rows.

    Examples
    --------
    >>> Cost(0.5, 0.6, 0.01, 100).rise
    0.09999999999999998
    """

    before: float
    after: float
    standard_error: float
    rows: int

    @property
    def rise(self) -> float:
        """The difference; negative where the edit made the model better."""
        return self.after - self.before


@dataclass(frozen=True, eq=False)
class Applied:
    """A network after an edit.

    Attributes
    ----------
    model : KAN
        The new network.
    edit : dict
        The edit with all of its fields.
    text : str
        What was changed, as a sentence.
    costs : dict of str to Cost
        "training", and "held-out" if the problem has validation data.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression
    >>> from edgewise.explore import apply_edit
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> model, problem = KAN([1, 1], dtype=torch.float64), Regression(x, x[:, 0] ** 2)
    >>> done = apply_edit(model, problem, {"kind": "shape", "edge": [0, 0, 0], "shape": "convex"})
    >>> done.text, done.costs["training"].rows
    ('Edge (0, 0, 0) is convex.', 60)
    """

    model: KAN
    edit: dict[str, Any]
    text: str
    costs: dict[str, Cost]


def checked_edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    """Return an edit as a dictionary of plain values, with tuples as lists.

    Raises
    ------
    InputError
        There is no such kind of edit, or a field is missing, unknown, or not a plain value.

    Examples
    --------
    >>> checked_edit({"kind": "remove_edge", "edge": (0, 1, 0)})
    {'kind': 'remove_edge', 'edge': [0, 1, 0]}
    """
    if not isinstance(edit, Mapping) or edit.get("kind") not in tuple(EDITS):
        got = edit.get("kind") if isinstance(edit, Mapping) else type(edit).__name__
        raise InputError(f"edit must be a dictionary whose kind is one of {', '.join(EDITS)}, got {got!r:.80}")
    needed, optional = EDITS[edit["kind"]]
    missing = [name for name in needed if edit.get(name) is None]
    unknown = [name for name in edit if name not in ("kind", *needed, *optional)]
    if missing or unknown:
        if missing:
            which = f"without {missing[0]}"
        else:
            which = f"with {unknown[0]!r:.40}"
        raise InputError(f"edit {edit['kind']!r} must have {', '.join((*needed, *optional))}, got one {which}")
    for name in LISTS:
        if not isinstance(edit.get(name), list | tuple | None):
            raise InputError(f"{name} must be a list, got {edit[name]!r:.80}")
    return {name: _plain(value, name) for name, value in edit.items() if value is not None}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if is_integer(value) and is_number(int(value)):
        return int(value)
    if is_number(value):
        return float(value)
    if isinstance(value, float | np.floating) or is_integer(value):
        raise InputError(f"{name} must be finite, got {value!r:.80}")
    if isinstance(value, str):
        return value
    raise InputError(f"{name} must be numbers and text, got {type(value).__name__}")
