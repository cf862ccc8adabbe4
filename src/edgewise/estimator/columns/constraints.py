"""Knowledge of a user about columns, as constraints on the inputs of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from edgewise.checks import is_integer, is_list, is_real
from edgewise.errors import InputError
from edgewise.gam.constraints import SHAPES, Constraints, Pair
from edgewise.presentation import number_text
from edgewise.tables import InputEncoder
from edgewise.tables.input_encoder import nearest_names

INEQUALITIES = ("monotone", "shape", "bounds")  # those that say something about the values of one prediction

Bounds = tuple[float | None, float | None]


def given_knowledge(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of an estimator that state knowledge, by name; parameters left at None are omitted."""
    values = estimator.get_params(deep=False)
    known = ("monotone", "shape", "linear", "interactions", "bounds")
    return {name: values[name] for name in known if values.get(name) is not None}


def column_constraints(
    encoder: InputEncoder, knowledge: Mapping[str, Any], bounds: Bounds | None = None
) -> Constraints | None:
    """Translate knowledge about the columns of a table into constraints on the inputs of the network; None without any.

    A column with missing values may still differ where it is missing: constraints hold for its numbers. All inputs of
    two columns may act together where the two columns may. The knowledge is that of `given_knowledge`, bounds are on
    the scale of the network's output. InputError where a column is unknown or holds no numbers, or a value is not as
    the estimator describes it.
    """
    if not knowledge:
        return None
    # Each kind of knowledge, checked.
    monotone, shape = (_mapped(encoder, name, knowledge.get(name, {})) for name in ("monotone", "shape"))
    for column, sign in monotone.items():
        if isinstance(sign, bool | np.bool_) or sign not in (1, -1):
            raise InputError(f"monotone must map columns to 1 or -1, got {sign!r} for {encoder.names[column]!r}")
    for column, kind in shape.items():
        if kind not in tuple(SHAPES):
            raise InputError(
                f"shape must map columns to 'convex' or 'concave', got {kind!r} for {encoder.names[column]!r}"
            )
    linear = knowledge.get("linear", ())
    if not is_list(linear):
        raise InputError(f"linear must be a list of columns, got {linear!r}")
    straight = [_numeric_column(encoder, "linear", one) for one in linear]
    alone = {*monotone, *shape, *straight}
    interactions = None
    if "interactions" in knowledge:
        interactions = _interactions(encoder, knowledge["interactions"], alone)
    # Columns become inputs of the network; a column that was left out as constant obeys any constraint.
    values = {column: _value_input(encoder, column) for column in alone}
    return Constraints(
        monotone={values[c]: int(sign) for c, sign in monotone.items() if values[c] >= 0},
        shape={values[c]: str(kind) for c, kind in shape.items() if values[c] >= 0},
        linear=tuple(sorted({values[c] for c in straight if values[c] >= 0})),
        interactions=interactions,
        bounds=bounds,
    )


def checked_bounds(bounds: Any) -> Bounds:
    """Return (low, high) as floats, None where there is no bound; raise InputError for anything else."""
    is_pair = is_list(bounds) and len(bounds) == 2
    ends = list(bounds) if is_pair else []
    if not ends or not all(end is None or _is_number(end) for end in ends):
        raise InputError(f"bounds must be (low, high), each a number or None, got {bounds!r}")
    # An infinite end is none.
    low, high = (None if end is None else float(end) for end in ends)
    low, high = (None if end is None or np.isinf(end) else end for end in (low, high))
    if low is not None and high is not None and not low < high:
        raise InputError(f"bounds must be (low, high) with low < high, got {bounds!r}")
    return low, high


def knowledge_sentence(encoder: InputEncoder, knowledge: Mapping[str, Any]) -> str:
    """Return a sentence with the constraints that every candidate had to obey."""
    name = lambda key: key if isinstance(key, str) else encoder.names[key]  # noqa: E731
    words = [
        f"never {'falls' if sign > 0 else 'rises'} with {name(key)}"
        for key, sign in knowledge.get("monotone", {}).items()
    ]
    words += [f"{kind} in {name(key)}" for key, kind in knowledge.get("shape", {}).items()]
    words += [f"straight in {name(key)}" for key in knowledge.get("linear", ())]
    if "interactions" in knowledge:
        pairs = [f"{name(first)} x {name(second)}" for first, second in knowledge["interactions"]]
        words.append(f"no pairs but {' and '.join(pairs)}" if pairs else "no pairs of inputs")
    if "bounds" in knowledge:
        low, high = (None if end is None else number_text(end) for end in checked_bounds(knowledge["bounds"]))
        words += [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    if words:
        return f"Every candidate obeys what is known: {'; '.join(words)}."
    return ""


def _is_number(value: object) -> bool:
    """Return whether it is a number of Python or numpy, also an infinite one, that bounds from above or below."""
    return is_real(value) and value == value


def place_of_column(names: tuple[str, ...], parameter: str, key: object) -> int:
    """Return the number of a column that a parameter gives by name or number. Raises InputError."""
    if isinstance(key, str):
        if key not in names:
            raise InputError(f"{parameter} must name columns of X, got {key!r}{nearest_names(key, names)}")
        return names.index(key)
    if not is_integer(key) or not 0 <= key < len(names):
        raise InputError(f"{parameter} must name columns of X, or number them from 0 to {len(names) - 1}, got {key!r}")
    return int(key)


def _mapped(encoder: InputEncoder, parameter: str, given: object) -> dict[int, Any]:
    """Return a mapping from columns with numbers for their names. Raises InputError."""
    if not isinstance(given, Mapping):
        raise InputError(f"{parameter} must be a dict from columns to what is known of them, got {given!r}")
    found: dict[int, Any] = {}
    for key, value in given.items():
        column = _numeric_column(encoder, parameter, key)
        if column in found:
            raise InputError(f"{parameter} must name each column once, got {encoder.names[column]!r} twice")
        found[column] = value
    return found


def _numeric_column(encoder: InputEncoder, parameter: str, key: object) -> int:
    """Return the number of a column that holds numbers and not levels. Raises InputError."""
    column = place_of_column(encoder.names, parameter, key)
    name = encoder.names[column]
    for one in encoder.inputs:
        if one.name == name and one.level_names:
            shown = ", ".join(one.level_names[:3])
            if len(one.level_names) > 3:
                shown += ", ..."
            raise InputError(f"{parameter} must name columns of numbers or dates, got {name!r} with the levels {shown}")
    return column


def _value_input(encoder: InputEncoder, column: int) -> int:
    """Return the input of the network that is the number of a column; -1 if the column was left out as constant."""
    name = encoder.names[column]
    for one, group in zip(encoder.inputs, encoder.groups, strict=True):
        if one.name == name:
            return group[0] if one.has_value else -1
    return -1


def _interactions(encoder: InputEncoder, given: object, alone: set[int]) -> tuple[Pair, ...]:
    """Return the pairs of inputs that may act together: those of the columns given. Raises InputError."""
    wanted = "interactions must be a list of pairs of different columns"
    if not is_list(given):
        raise InputError(f"{wanted}, got {given!r}")
    # Every input that one column gives with every input of the other.
    groups = dict(zip(encoder.columns, encoder.groups, strict=True))
    pairs: list[Pair] = []
    for pair in given:
        if not is_list(pair) or len(pair) != 2:
            raise InputError(f"{wanted}, got {pair!r}")
        first, second = (place_of_column(encoder.names, "interactions", key) for key in pair)
        if first == second:
            raise InputError(f"{wanted}, got {pair!r}")
        for column in (first, second):
            if column in alone:
                raise InputError(
                    f"interactions must not hold a column of monotone, shape or linear, which act on their own, "
                    f"got {encoder.names[column]!r}"
                )
        members = [groups.get(encoder.names[column], ()) for column in (first, second)]
        pairs += [(one, other) for one in members[0] for other in members[1]]
    return tuple(pairs)
