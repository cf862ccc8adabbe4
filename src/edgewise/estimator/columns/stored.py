"""The columns of a table in model files: encoder, background, and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewise.estimator.columns.constraints import KNOWLEDGE, checked_bounds
from edgewise.estimator.columns.reading import RowReader
from edgewise.tables import InputEncoder


def column_fields(estimator: RowReader) -> dict[str, Any]:
    """Return what an estimator knows of the columns of a table as plain values."""
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "feature_names": None if names is None else names.tolist(),
        "encoder": estimator.encoder_.to_json(),
        # NaN stands for a missing value, which JSON does not have.
        "background": [[None if np.isnan(v) else v for v in row] for row in estimator.background_.tolist()],
        "training_rows": estimator.training_rows_,
        "level_counts": [list(counts) for counts in estimator.level_counts_],
        "target_names": list(estimator.target_names_),
        "columns": estimator.n_features_in_,
    }


def read_columns(estimator: RowReader, fields: Mapping[str, Any], inputs: int) -> None:
    """Set what an estimator with `input_scaling_` and `inputs` inputs of its network knows of the columns of a table.

    Fields that do not fit raise ValueError, TypeError, KeyError or CheckpointError.
    """
    encoder = InputEncoder.from_json(fields["encoder"])
    estimator.n_features_in_ = int(fields["columns"])
    estimator.target_names_ = tuple(map(_text, fields["target_names"]))
    check_stored(len(encoder.names) == estimator.n_features_in_, "another number of columns")
    check_stored(len(encoder.feature_names) == inputs, "an encoder of another width")
    estimator.encoder_ = encoder
    if fields["feature_names"] is not None:
        names = [_text(name) for name in fields["feature_names"]]
        check_stored(len(names) == len(encoder.names), "another number of feature names")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    several = [[np.nan if v is None else v for v in list(row)] for row in fields["background"]]
    background = np.array(several, dtype=np.float64)
    check_stored(background.ndim == 2 and background.shape[1] == len(encoder.inputs), "a background of another width")
    check_stored(len(background) > 0 and not np.isinf(background).any(), "a background without finite rows")
    # Levels are positions in the encoder, and what is unknown is averaged over known values only.
    check_stored(not encoder.unknown(background).any(), "unknown levels in the background")
    estimator.background_ = background
    estimator.training_rows_ = int(fields["training_rows"])
    counts = tuple(tuple(map(int, column)) for column in fields["level_counts"])
    expected = [len(one.level_names) + 1 if one.level_names else 0 for one in encoder.inputs]
    check_stored([len(column) for column in counts] == expected, "another number of counts of levels")
    estimator.level_counts_ = counts


def knowledge_fields(estimator: object) -> dict[str, Any]:
    """Return the parameters of an estimator that state knowledge as lists; a dict as a list of its items."""
    fields: dict[str, Any] = {}
    for name in KNOWLEDGE:
        value = getattr(estimator, name, None)
        if isinstance(value, Mapping):
            fields[name] = plain_value([[key, what] for key, what in value.items()])
        elif value is not None:
            fields[name] = plain_value([list(one) if name == "interactions" else one for one in value])
    return fields


def read_knowledge(estimator: object, fields: Mapping[str, Any]) -> None:
    """Set the parameters of an estimator that state knowledge."""
    stored = fields["knowledge"]
    check_stored(isinstance(stored, Mapping) and set(stored) <= set(KNOWLEDGE), "unknown knowledge about columns")
    for name, values in stored.items():
        items = list(values)
        if name in ("monotone", "shape"):
            check_stored(all(what in (1, -1, "convex", "concave") for _, what in items), "an unknown constraint")
            setattr(estimator, name, {_key(key): what for key, what in items})
        elif name == "interactions":
            setattr(estimator, name, [(_key(first), _key(second)) for first, second in items])
        else:
            setattr(estimator, name, [_key(key) for key in items] if name == "linear" else checked_bounds(items))


def plain_value(value: Any) -> Any:
    """Return numbers of numpy as those of Python, also within lists and tuples."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain_value, value))
    return value.item() if isinstance(value, np.generic) else value


def _key(value: Any) -> Any:
    check_stored(isinstance(value, str | int) and not isinstance(value, bool), f"{type(value).__name__} as a column")
    return value


def _text(value: Any) -> str:
    check_stored(isinstance(value, str), f"{type(value).__name__} as a name")
    return str(value)


def check_stored(holds: bool, got: str) -> None:
    """Raise a ValueError that names the faulty field of a model file, unless all fields are valid."""
    if not holds:
        raise ValueError(got)
