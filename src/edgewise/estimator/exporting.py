"""Fitted models as files that need no Edgewise, with the encoder of their table as Python and C source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.checks import numbered
from edgewise.errors import InputError
from edgewise.escaping import c_comment
from edgewise.export import Units
from edgewise.export.c_code import c_source
from edgewise.export.numpy_code import python_source
from edgewise.export.writers import WRITERS, writer_of
from edgewise.files.whole import write_bytes
from edgewise.tables import InputEncoder

if TYPE_CHECKING:
    from edgewise.estimator.base import KANEstimator

_PYTHON = '''

# Columns of the table: for a number (median, is an input, its absence is an input, first day of a date or ""); for a
# category (number of each level, how many there are, the usual one, the one of other texts, the one of None).
FIELDS = {fields}


def inputs(row):
    """Inputs of `predict` for a row of the table, {{column: value}}; None and NaN are missing values.

    A number, a date or its text as "2024-05-31", or the text of a category. A missing value that training did not
    have counts as the median, a text that it did not have as the usual level.
    """
    x = []
    for name, field in FIELDS.items():
        value = row.get(name)
        if value is not None and value != value:
            value = None
        if len(field) == 5:
            levels, count, usual, other, missing = field
            text = str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
            place = missing if value is None else levels.get(text, other)
            place = usual if place is None else place
            x += [float(place == k) for k in range(count == 2, count)]
            continue
        median, is_input, has_flag, first_day = field
        if first_day and value is not None:
            day = value if isinstance(value, datetime.date) else datetime.datetime.fromisoformat(str(value))
            start = datetime.datetime.fromisoformat(first_day)
            if not isinstance(day, datetime.datetime):
                day = datetime.datetime(day.year, day.month, day.day)
            value = (day - start) / datetime.timedelta(days=1)
        if is_input:
            x.append(median if value is None else float(value))
        if has_flag:
            x.append(float(value is None))
    return x


def predict_rows(rows):
    """Outputs for rows of the table, each {{column: value}}."""
    return predict([inputs(row) for row in rows])
'''


def write_program(
    estimator: KANEstimator,
    path: str | os.PathLike[str],
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> None:
    """Write a fitted estimator in the form that the ending of the path names."""
    ending = Path(path).suffix.lower()
    if ending not in WRITERS:
        raise InputError(f"path must end in {', '.join(WRITERS)}, got {os.fspath(path)!r}")
    # The scalings on both sides, which the file applies itself.
    task = estimator._task
    units = Units(
        estimator.input_scaling_.shift,
        estimator.input_scaling_.scale,
        estimator.input_limits_,
        None if task.scaling is None else task.scaling.shift,
        None if task.scaling is None else task.scaling.scale,
        probabilities=len(task.classes) > 0,
        exponent=task.exponent,
        out_limits=estimator._output_limits,
        exposure=bool(estimator._exposure_name),
    )
    # Names of inputs and outputs, for the comments of source code.
    labels: dict[str, Any] = {}
    if ending in (".py", ".c"):
        if outputs is None and len(task.classes):
            outputs = [f"probability of {label}" for label in task.classes]
        names = estimator._network_names(names)
        if estimator._exposure_name:
            inputs = numbered("x", len(units.shift)) if names is None else names
            names = [*inputs, estimator._exposure_name]
        labels = {"names": names, "outputs": outputs}
    if estimator.encoder_.is_plain or ending not in (".py", ".c"):
        writer_of(ending)(estimator.model_, path, units=units, **labels)
        return
    # Source of the network, then of the encoder of its columns.
    source, encoder = (python_source, python_encoder) if ending == ".py" else (c_source, c_encoder)
    text = source(estimator.model_, units=units, **labels)
    if ending == ".py":
        columns = ", ".join(f"{name!a}: ..." for name in estimator._columns_of_rows)
        text = (
            f"# For rows of the table, as dictionaries (frame.to_dict('records') of pandas):\n"
            f"#     predict_rows([{{{columns}}}])\n"
            "# `predict` below takes the inputs of the network instead, which `inputs(row)` makes.\n"
        ) + text
    text += encoder(estimator.encoder_, estimator._exposure_name)
    write_bytes(path, text.encode())


def python_encoder(encoder: InputEncoder, exposure: str = "") -> str:
    """Return Python source that follows that of `predict`: `inputs(row)` and `predict_rows(rows)`."""
    lines = [f"    {one.name!a}: {one.python_rule()!a},\n" for one in encoder.inputs]
    if exposure:  # a number without a median: where it is missing, so is the prediction
        lines.append(f'    {exposure!a}: (float("nan"), True, False, ""),\n')
    body = _PYTHON.format(fields="{\n" + "".join(lines) + "}")
    return "\n\nimport datetime" + body


def c_encoder(encoder: InputEncoder, exposure: str = "") -> str:
    """Return C source that follows that of `predict`: `inputs(number, text, x)` fills the x of one row."""
    # For each column a line of the comment and statements that fill its inputs.
    about = []
    body = ""
    place = 0
    for number, one in enumerate(encoder.inputs):
        line, statements = one.c_source(number, place)
        about.append(line)
        body += statements
        place += len(one.feature_names)
    if exposure:
        about.append(f"   number[{len(about)}]: {c_comment(exposure)}, the exposure")
        body += f"    x[{place}] = number[{len(about) - 1}];\n"
    declared = "    int level;\n" if any(one.level_names for one in encoder.inputs) else ""
    head = "\n/* Fills the x of predict for one row of the table; entries of the other kind are not read.\n"
    return (
        "\n#include <string.h>\n" + head + "\n".join(about) + " */\n"
        f"void inputs(const double *number, const char *const *text, double *x)\n{{\n{declared}{body}}}\n"
    )
