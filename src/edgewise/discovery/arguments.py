"""The arguments of a formula search: checked, with names of columns and formulas to start from as expressions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from edgewise.checks import check_finite, check_kind
from edgewise.discovery.knowledge.families import checked_groups
from edgewise.discovery.knowledge.templates import read_template
from edgewise.discovery.problem import FormulaOptions
from edgewise.discovery.reduction.dimensions import dimensional_symmetries
from edgewise.errors import InputError
from edgewise.formulas.expression import Expression, parse_expression
from edgewise.formulas.formula import Formula

LEAST_ROWS = 20  # Rows of data, at least: fewer do not determine a curve.


def checked_options(options: FormulaOptions | None, names: tuple[str, ...], rows: int) -> FormulaOptions:
    """Options with guesses as expressions."""
    if options is None:
        return FormulaOptions()
    check_kind(options, FormulaOptions, "options must be FormulaOptions")
    unknown = [name for name in (*options.required, *(set(options.units) - {"y"})) if name not in names]
    if unknown:
        raise InputError(f"options must name inputs among {', '.join(names)}, got {unknown[0]!r}")
    next(iter(dimensional_symmetries(names, options.units)), None)  # raises InputError for units that do not fit
    # Weights of rows become an array.
    if options.weights is not None:
        weights = np.asarray(options.weights, dtype=np.float64)
        if weights.shape != (rows,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
            raise InputError(f"options.weights must be {rows} numbers of at least 0, one for each row")
        options = replace(options, weights=weights)
    # A structure and groups are read once here, so that an error in them is one of the arguments.
    if options.structure:
        read_template(options.structure, names)
        if options.guesses or options.units:
            raise InputError("options must have no guesses and no units where there is a structure")
    if options.groups is not None:
        checked_groups(options.groups, rows)
        if options.structure:
            raise InputError("options must have no structure where there are groups")
    read = [_expression(guess, names) for guess in options.guesses]
    return replace(options, guesses=tuple(read))


def rows_with_weight(
    x: np.ndarray, y: np.ndarray, options: FormulaOptions
) -> tuple[np.ndarray, np.ndarray, FormulaOptions]:
    """Rows of a weight above 0, x (N, d) and y (N,), with the options for them; all rows where there are no weights."""
    weights = options.weights
    if weights is None or np.all(weights):
        return x, y, options
    rows = np.asarray(weights) > 0
    if rows.sum() < LEAST_ROWS:
        raise InputError(f"options.weights must be above 0 in at least {LEAST_ROWS} rows, got {rows.sum()}")
    groups = options.groups
    if groups is not None:
        groups = [group for group, kept in zip(groups, rows, strict=True) if kept]
    return x[rows], y[rows], replace(options, weights=np.asarray(weights)[rows], groups=groups)


def _expression(guess: object, names: tuple[str, ...]) -> Expression:
    match guess:
        case Formula():
            return guess.expression
        case Expression():
            return guess
        case str():
            return parse_expression(guess, names)
    raise InputError(f"options.guesses must be texts or formulas, got {type(guess).__name__}")


def column_names(x: object) -> list[str] | None:
    """Return the names of the columns of a frame of pandas, polars or pyarrow, None for other arrays."""
    columns = getattr(x, "column_names", getattr(x, "columns", None))
    if columns is None:
        return None
    names = [str(name) for name in columns]
    for name, key in zip(names, columns, strict=True):
        # Texts of numbers become numbers; dates would, too, and are refused.
        column = np.asarray(x[key])  # type: ignore[index]
        try:
            if column.dtype.kind in "mM":
                raise TypeError("dates")
            column.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"x must hold numbers in every column, got {column[0]!s:.40} in column {name!r}; leave the column out, "
                "or write a category as columns of 0 and 1"
            ) from error
    return names


def target_name(y: object) -> str:
    """The name of a column; y for arrays."""
    name = getattr(y, "name", None)
    return "y" if name is None else str(name)


def _numbers(values: object, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(values, str | int | float):
            received = repr(values)
        else:
            received = type(values).__name__
        # The text that is no number, as the message of numpy names it.
        text = str(error).partition("could not convert string to float: ")[2]
        if text.startswith("np.str_("):  # numpy's own way to show an element of an array of text
            text = text.removeprefix("np.str_(").removesuffix(")")
        if text and not isinstance(values, str):
            received = f"text such as {text:.40}"
        if name == "y" and received.startswith("text"):
            classes = "; of two classes give booleans, such as y == 'name'"
        else:
            classes = ""
        raise InputError(f"{name} must be an array of numbers, got {received}{classes}") from error


def checked_data(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The inputs (N, inputs) and targets (N,) as finite numbers."""
    x = _numbers(x, "x")
    y = _numbers(y, "y")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"x must have shape (N, inputs), got {x.shape}")
    if y.ndim != 1 or len(y) != len(x) or len(y) < LEAST_ROWS:
        raise InputError(
            f"y must have shape (N,) with a value for each of at least {LEAST_ROWS} rows of x, got {y.shape} "
            f"beside {len(x)} rows"
            f"{'; each of several targets needs a call of its own' if y.ndim == 2 else ''}"
        )
    check_finite(x, "x")
    check_finite(y, "y")
    return x, y
