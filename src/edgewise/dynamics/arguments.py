"""The arguments of `find_dynamics`: one trajectory or several, of arrays or of a frame, checked and as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from edgewise.checks import check_labels, check_number, is_list, is_one_of, numbered, unknown_name
from edgewise.discovery.reduction.dimensions import Dimension, dimension, times
from edgewise.dynamics.trajectories import Kind
from edgewise.errors import InputError, warn_caller
from edgewise.presentation import counted, number_text
from edgewise.tables.frames import frame_table, is_frame

LEAST_SAMPLES = 10  # of a coordinate along a trajectory: a quintic spline has six coefficients


@dataclass
class Samples:
    """Checked arguments."""

    t: list[np.ndarray]  # (n,) of each trajectory, increasing
    x: list[np.ndarray]  # (n, measured), NaN where a sample is missing
    u: list[np.ndarray]  # (n, inputs)
    names: tuple[str, ...]
    kind: Kind
    input_names: tuple[str, ...] = ()
    dimensions: list[Dimension] | None = None  # of all variables of terms; None without units
    messages: list[str] = field(default_factory=list)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables of terms: states, inputs and delayed coordinates."""
        velocities = [f"{name}'" for name in self.names] if self.kind.order == 2 else []
        delayed = [f"{name}(t - {number_text(delay)})" for delay in self.kind.delays for name in self.names]
        return (*self.names, *velocities, *self.input_names, *delayed)


def read_samples(t: Any, x: Any, inputs: Any, names: Sequence[str] | None, run: str | None) -> Samples:
    """Trajectories as arrays, with the names of coordinates and inputs."""
    states = [x]
    if is_list(x) and not is_frame(x):
        states = list(x)
    if states and all(map(is_frame, states)):
        return _of_frames(t, states, inputs, names, run)
    if run is not None:
        raise InputError("run must be None where x is no frame: give lists of arrays for several trajectories")
    # One trajectory, or lists of several
    times = list(t) if is_list(t) else []
    is_single = not times or np.ndim(times[0]) == 0
    if is_single:
        times = [t]
        states = [x]
    if len(times) != len(states):
        raise InputError(f"x must hold as many trajectories as t, {len(times)}, got {len(states)}")
    if not times:
        raise InputError("t must hold at least one trajectory, got none")
    ts = [_numbers(one, "t") for one in _days(times)]
    xs = [_numbers(one, "x") for one in states]
    xs = [one[:, None] if one.ndim == 1 else one for one in xs]
    for number, (one, state) in enumerate(zip(ts, xs, strict=True), 1):
        if one.ndim != 1 or state.ndim != 2 or len(one) != len(state) or not state.shape[1]:
            where = f" in trajectory {number}" if len(ts) > 1 else ""
            raise InputError(
                f"x must have shape (n,) or (n, d) with a row for each of the {np.size(one)} times, "
                f"got {state.shape}{where}"
            )
    width = xs[0].shape[1]
    if any(state.shape[1] != width for state in xs):
        raise InputError(f"x must have the same {counted(width, 'column')} in all trajectories")
    labels = check_labels(names, numbered("x", width))
    columns, input_names = _input_columns(inputs, ts, is_single=is_single)
    return _checked(ts, xs, columns, labels, input_names)


def _days(times: list[Any]) -> list[Any]:
    """Dates of trajectories as days after the first of all; numbers as they are."""
    dates = [np.asarray(one) for one in times]
    if any(one.dtype.kind != "M" or not one.size for one in dates):
        return times
    first = min(one.min() for one in dates)
    return [(one - first) / np.timedelta64(1, "D") for one in dates]


def _numbers(values: Any, name: str) -> np.ndarray:
    """An array of floats from one of real numbers, also as Python objects."""
    sentence = f"{name} must hold numbers, got {values!r:.60}"
    try:
        array = np.asarray(values)
        if values is None or array.dtype.kind not in "biufO":
            raise InputError(sentence)
        return array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(sentence) from error


def _input_columns(inputs: Any, ts: list[np.ndarray], *, is_single: bool) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Columns (n, inputs) of each trajectory from a mapping of names to arrays, or to lists of them."""
    if inputs is None:
        return [np.zeros((len(t), 0)) for t in ts], ()
    if not isinstance(inputs, Mapping):
        raise InputError(f"inputs must map names to arrays of one number for each time, got {type(inputs).__name__}")
    columns: list[list[np.ndarray]] = [[] for _ in ts]
    for name, values in inputs.items():
        parts = [values] if is_single else list(values)
        if len(parts) != len(ts):
            raise InputError(f"inputs[{name!r}] must hold an array for each trajectory, {len(ts)}, got {len(parts)}")
        for place, (part, t) in enumerate(zip(parts, ts, strict=True)):
            column = _numbers(part, f"inputs[{name!r}]")
            if column.shape != t.shape:
                raise InputError(f"inputs[{name!r}] must hold {len(t)} finite numbers, got shape {column.shape}")
            columns[place].append(column)
    return [np.column_stack(part) for part in columns], tuple(map(str, inputs))


def _of_frames(t: Any, frames: Sequence[Any], inputs: Any, names: Sequence[str] | None, run: str | None) -> Samples:
    """Trajectories of frames, each with a column of times and, where it holds several, one of identities."""
    asked = [] if inputs is None else [str(name) for name in inputs]
    chosen = [str(name) for name in names or ()]
    ts: list[np.ndarray] = []
    xs: list[np.ndarray] = []
    us: list[np.ndarray] = []
    for frame in frames:
        table = frame_table(frame, "x")
        named = [("t", t)]
        if run is not None:
            named.append(("run", run))
        named += [("inputs", name) for name in asked]
        named += [("names", name) for name in chosen]
        for argument, name in named:
            if not is_one_of(name, table.columns):
                raise InputError(
                    f"{argument} must be a column of x, got {name!r}; {unknown_name(str(name), table.columns)}"
                )
        chosen = chosen or [name for name in table.names if name not in {t, run, *asked}]
        for name in (*chosen, *asked):
            if table.columns[name].dtype.kind != "f":
                raise InputError(f"column {name!r} of x must hold numbers; choose the coordinates by names=")
        if not chosen:
            raise InputError("x must have a column beside those of times, runs and inputs, got none")
        labels = np.zeros(len(table.columns[t]))
        if run is not None:
            labels = table.columns[run]
        coordinates = np.column_stack([table.columns[name] for name in chosen])
        known = np.column_stack([np.zeros((len(labels), 0)), *(table.columns[name] for name in asked)])
        for key in dict.fromkeys(labels.tolist()):
            rows = np.flatnonzero(labels == key)
            ts.append(table.columns[t][rows])
            xs.append(coordinates[rows])
            us.append(known[rows])
    ts = _days(ts)
    if any(one.dtype.kind != "f" for one in ts):
        raise InputError(f"t must be a column of numbers or dates, got {t!r}")
    return _checked(ts, xs, us, tuple(chosen), tuple(asked))


def _checked(
    ts: list[np.ndarray], xs: list[np.ndarray], us: list[np.ndarray], names: tuple[str, ...], inputs: tuple[str, ...]
) -> Samples:
    """Trajectories whose times increase, with sentences on jumps."""
    if len({*names, *inputs}) < len(names) + len(inputs):
        raise InputError(f"names must be different texts for coordinates and inputs, got {(*names, *inputs)!r}")
    messages: list[str] = []
    for number, (t, x, u) in enumerate(zip(ts, xs, us, strict=True), 1):
        where = f" of trajectory {number}" if len(ts) > 1 else ""
        if not np.isfinite(u).all():
            row, column = np.argwhere(~np.isfinite(u))[0]
            raise InputError(f"inputs must hold finite numbers, got {u[row, column]} of {inputs[column]!r}{where}")
        if not np.isfinite(t).all():
            raise InputError(f"t must hold finite times, got {t[~np.isfinite(t)][0]}{where}")
        if np.isinf(x).any():
            raise InputError(f"x must hold numbers, or NaN where a sample is missing, got an infinite one{where}")
        counts = np.isfinite(x).sum(axis=0)
        if counts.min() < LEAST_SAMPLES:
            worst = int(np.argmin(counts))
            raise InputError(
                f"x must hold at least {LEAST_SAMPLES} samples of each coordinate along a trajectory, "
                f"got {counted(int(counts[worst]), 'sample')} of {names[worst]!r}{where}"
            )
        steps = np.diff(t)
        if (steps == 0).any():
            twice = number_text(t[1:][steps == 0][0], 6)
            raise InputError(f"t must have each time once in a trajectory, got {twice} twice{where}")
        if (steps < 0).any():
            place = int(np.argmin(steps))
            before = number_text(t[place], 6)
            after = number_text(t[place + 1], 6)
            raise InputError(f"t must increase along a trajectory, got {after} after {before}{where}")
        _check_range(t, "t", where)
        messages += [_jump_sentence(t, x[:, k], names[k], where) for k in range(x.shape[1])]
    for k, name in enumerate(names):
        values = np.concatenate([x[:, k] for x in xs])
        values = values[np.isfinite(values)]
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            raise InputError(f"x must move: the coordinate {name!r} is {number_text(values[0])} at all times")
        _check_range(values, "x", f" of {name!r}")
    messages = [message for message in messages if message]
    for message in messages:
        warn_caller(message)
    return Samples(ts, xs, us, names, Kind(len(names)), inputs, messages=messages)


def _check_range(values: np.ndarray, argument: str, where: str) -> None:
    """Raise InputError where values span more of their unit than constants can be fitted for."""
    # Beyond it constants of x^2 are smaller than the steps of difference quotients, which fit them
    most = 1e9
    if np.ptp(values) > most:
        raise InputError(
            f"{argument} must span at most {number_text(most)} of its unit, "
            f"got {number_text(np.ptp(values), 3)}{where}; choose a larger unit"
        )


def _jump_sentence(t: np.ndarray, x: np.ndarray, name: str, where: str) -> str:
    """A sentence on a step of at least half the range that is ten times its neighbours; "" without one."""
    present = np.isfinite(x)
    values = x[present]
    times = t[present]
    steps = np.abs(np.diff(values))
    place = int(np.argmax(steps))
    beside = np.concatenate([steps[max(place - 3, 0) : place], steps[place + 1 : place + 4]])
    is_inside = 3 <= place < len(steps) - 3
    if not is_inside or steps[place] < 0.5 * np.ptp(values) or steps[place] < 10 * beside.max():
        return ""
    start = number_text(times[place], 6)
    end = number_text(times[place + 1], 6)
    return (
        f"The coordinate {name!r}{where} jumps between t = {start} and t = {end}; "
        f"if it was set anew there, give the parts before and after as two trajectories."
    )


def checked_kind(samples: Samples, order: int, kind: str, delays: Sequence[float]) -> Kind:
    """How the right-hand sides move the states, from the arguments of the same names."""
    if order not in (1, 2) or isinstance(order, bool):
        raise InputError(f"order must be 1 or 2, got {order!r}")
    if not is_one_of(kind, ("flow", "map")):
        raise InputError(f"kind must be 'flow' or 'map', got {kind!r}")
    if not is_list(delays):
        raise InputError(f"delays must be a list of lengths of time, got {delays!r}")
    for delay in delays:
        check_number(delay, "delays", positive=True, of=" of the unit of t")
    if kind == "map" and (order == 2 or len(delays)):
        raise InputError("order must be 1 and delays must be empty where kind is 'map'")
    shortest = min(float(t[-1] - t[0]) for t in samples.t)
    if len(delays) and max(delays) > shortest / 2:
        most = number_text(shortest / 2)
        raise InputError(f"delays must be at most {most}, half of a trajectory, got {number_text(max(delays))}")
    least = min(int((t >= t[0] + max(delays, default=0.0)).sum()) for t in samples.t)
    if least < LEAST_SAMPLES:
        raise InputError(
            f"delays must leave at least {LEAST_SAMPLES} samples of a trajectory after the longest of them, got {least}"
        )
    return Kind(len(samples.names), order, kind == "map", len(samples.input_names), tuple(map(float, delays)))


def dimensions_of(samples: Samples, units: Mapping[str, str] | None) -> list[Dimension] | None:
    """The dimension of each variable of the terms; velocities have that of their coordinate over that of time."""
    if units is None:
        return None
    if not isinstance(units, Mapping):
        raise InputError(f"units must map names to units such as 'm/s', got {type(units).__name__}")
    known = (*samples.names, *samples.input_names, "t")
    for name in units:
        if name not in known:
            raise InputError(
                f"units must name coordinates, inputs or t, got {name!r}; {unknown_name(str(name), known)}"
            )
    own = [dimension(units.get(name, ""), name) for name in samples.names]
    time = dimension(units.get("t", "s"), "t")
    velocities: list[Dimension] = []
    if samples.kind.order == 2:
        velocities = [times(one, time, Fraction(-1)) for one in own]
    inputs = [dimension(units.get(name, ""), name) for name in samples.input_names]
    return [*own, *velocities, *inputs, *(own * len(samples.kind.delays))]
