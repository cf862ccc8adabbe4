"""The columns of a table in model files: encoder, background, and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewise.estimator.columns.reading import BACKGROUND_ROWS, RowReader
from edgewise.tables import AffineScaling, InputEncoder, TableEncoder
from edgewise.tables.columns import CategoryInput, NumberInput


def column_fields(estimator: RowReader) -> dict[str, Any]:
    """Return what an estimator knows of the columns of a table as plain values."""
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "feature_names": None if names is None else names.tolist(),
        "encoder": estimator.encoder_.to_json(),
        # NaN stands for a missing value, which JSON does not have.
        "background": [[None if np.isnan(v) else v for v in row] for row in estimator.background_.tolist()],
        "target_names": list(estimator.target_names_),
        "columns": estimator.n_features_in_,
    }


def read_columns(estimator: RowReader, fields: Mapping[str, Any], extra: Mapping[str, Any], inputs: int) -> None:
    """Set what an estimator with `input_scaling_` and `inputs` inputs of its network knows of the columns of a table.

    Files of earlier versions know less. Fields that do not fit raise ValueError, TypeError, KeyError or
    CheckpointError.
    """
    names: list[str] | None = None
    if fields["feature_names"] is not None:
        names = [_text(n) for n in list(fields["feature_names"])]
    if "encoder" in fields:
        encoder = InputEncoder.from_json(fields["encoder"])
        estimator.n_features_in_ = int(fields["columns"])
        estimator.target_names_ = tuple(map(_text, fields["target_names"]))
    else:
        if isinstance(extra.get("table"), Mapping):  # `edgewise fit` stored its rules beside the estimator
            target = TableEncoder.from_json(extra["table"])
            encoder = InputEncoder(target.inputs, names=target.columns)
            names, estimator.target_names_ = list(target.columns), (target.target.name,)
        else:
            shown = names if names is not None else [f"x{i + 1}" for i in range(inputs)] if inputs > 1 else ["x"]
            columns = zip(shown, estimator.input_scaling_.shift.tolist(), strict=True)
            encoder = InputEncoder(tuple(NumberInput(n, v, False) for n, v in columns), names=tuple(shown))
            estimator.target_names_ = ()
        estimator.n_features_in_ = len(encoder.names)
    _check(len(encoder.names) == estimator.n_features_in_, "another number of columns")
    _check(len(encoder.feature_names) == inputs, "an encoder of another width")
    estimator.encoder_ = encoder
    if names is not None:
        _check(len(names) == len(encoder.names), "another number of feature names")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    if "background" in fields:
        rows = [[np.nan if v is None else v for v in list(row)] for row in fields["background"]]
        background = np.array(rows, dtype=np.float64)
    else:
        background = _spread_rows(encoder, estimator.input_scaling_)
    _check(background.ndim == 2 and background.shape[1] == len(encoder.inputs), "a background of another width")
    _check(len(background) > 0 and not np.isinf(background).any(), "a background without finite rows")
    # Levels are positions in the encoder, and what is unknown is averaged over known values only.
    _check(not encoder.unknown(background).any(), "unknown levels in the background")
    estimator.background_ = background


def _spread_rows(encoder: InputEncoder, scaling: AffineScaling) -> np.ndarray:
    """Return rows for a model without a background: numbers evenly spread over typical ranges, levels in turn."""
    rng, rows = np.random.default_rng(0), np.arange(BACKGROUND_ROWS)
    columns = []
    for one, group in zip(encoder.inputs, encoder.groups, strict=True):
        if isinstance(one, CategoryInput):
            values = (rows % len(one.level_names)).astype(np.float64)
        else:  # typical rows are scaled to [-1, 1]
            values = scaling.shift[group[0]] + scaling.scale[group[0]] * (2 * rows / (BACKGROUND_ROWS - 1) - 1)
            values = values if one.value else np.full(len(rows), one.median)
        columns.append(rng.permutation(values))
    return np.stack(columns, axis=1)


def _text(value: Any) -> str:
    _check(isinstance(value, str), f"{type(value).__name__} as a name")
    return str(value)


def _check(holds: bool, got: str) -> None:
    if not holds:
        raise ValueError(got)
