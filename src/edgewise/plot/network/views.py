"""Contents of a figure of a model: the network with its trace and units, or the prediction as a function of columns.

An estimator gives both by its methods `_network_view` and `_prediction_view`; a bare network or function becomes a view
here, so that every figure takes either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import InputKind, evaluation_points, mean_contributions
from edgewise.interpret.attribution.scores import input_scores
from edgewise.interpret.black_box import BlackBox, array_function
from edgewise.nn.layers.base import Chain
from edgewise.nn.trace import Trace
from edgewise.plot.style import as_numpy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_RANKED = 100  # inputs up to which their contributions are computed (the time grows with their square)


@dataclass(frozen=True, eq=False)
class NetworkColumn:
    """A column of a table that gives several inputs of a network, such as the levels of a category."""

    name: str  # the column
    inputs: tuple[int, ...]  # numbers of its inputs of the network
    values: np.ndarray  # (n,), the data: numbers, or positions of levels; NaN is a missing value
    # from values (p,) to the inputs of the network (p, len(inputs)), in its units
    encode: Callable[[np.ndarray], np.ndarray]
    kind: InputKind | None  # how its values are written: the levels of a category, dates; None for plain numbers

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels of a category; () for numbers."""
        if self.kind is None:
            return ()
        return tuple(self.kind.level_names)

    def points(self) -> tuple[np.ndarray, bool]:
        """Return values for a curve of this column, (p,), and whether there is nothing between them."""
        if not self.levels:
            known = self.values[np.isfinite(self.values)]
            if not len(known):
                known = np.zeros(1)
            return evaluation_points(known)
        codes = np.arange(len(self.levels), dtype=float)
        if np.isnan(self.values).any():
            codes = np.append(codes, np.nan)
        return codes, True

    def level_texts(self) -> list[str]:
        """Return the names of the points of a category."""
        codes, _ = self.points()
        return [*self.levels, "missing"][: len(codes)]

    def grid(self, points: np.ndarray, inputs: int) -> np.ndarray:
        """Return rows of the network's inputs, (p, inputs), where this column has these values and all others are 0."""
        rows = np.zeros((len(points), inputs))
        rows[:, self.inputs] = self.encode(points)
        return rows


@dataclass(frozen=True, eq=False)
class NetworkView:
    """A network with the data that decide ranges and order, and the units of both ends."""

    model: Chain
    trace: Trace  # `model.trace(x)` of the data
    names: Sequence[str] | None = None  # names of the inputs and outputs of the network
    outputs: Sequence[str] | None = None
    scaling: tuple[Sequence[float], Sequence[float]] | None = None  # (shift, scale): x_user = shift + scale * x_model
    # units of the target in one unit of each output of the network; None where outputs have no unit (logits)
    output_scale: Sequence[float] | None = None
    output_kind: str = ""  # what the outputs of the network are, for an axis: "" for the target itself
    # from points (p, in) of the first layer's inputs to the standard deviation (p, in, out) of each function
    std: Callable[[np.ndarray], ArrayLike] | None = None
    # from points (p, in) and numbers of inputs to the standard deviation (p, out) of the sum of their functions
    group_std: Callable[[np.ndarray, Sequence[int]], np.ndarray] | None = None
    # the columns of the table behind the inputs, where each is drawn as one input; None where inputs are columns
    columns: tuple[NetworkColumn, ...] | None = None
    # (columns,) or, without columns, (d,), mean absolute contribution of each to the prediction
    importance: np.ndarray | None = None

    def ranking(self) -> np.ndarray:
        """Return a score for each input without columns, (d,), by what the prediction does; see `mean_contributions`.

        Networks with more than 100 inputs are ranked by the scores of `input_scores`, which one trace gives.
        """
        if self.importance is not None:
            return self.importance
        inputs = self.trace.inputs[0].detach()
        if inputs.shape[1] > MOST_RANKED or not bool(torch.isfinite(self.trace.output).all()):
            return as_numpy(input_scores(self.trace), "scores")
        x = inputs.double().cpu().numpy()
        if len(x) < 2 or not np.ptp(x, axis=0).any():
            return np.zeros(inputs.shape[1])
        return mean_contributions(self.model, x)


@dataclass(frozen=True, eq=False)
class PredictionView:
    """A prediction as a function of a table's columns, where a category is one column."""

    function: Callable[[np.ndarray], np.ndarray]  # from an array (n, d) to (n, outputs) predictions
    X: np.ndarray  # (n, d), the data: numbers, and for a category the position of the level
    names: Sequence[str] | None = None  # names of the columns and outputs
    outputs: Sequence[str] | None = None
    target: str = "prediction"  # predicted quantity, with its unit if known
    # for each column how its values are written: levels of a category, dates; () for numbers
    kinds: Sequence[InputKind] = ()
    # from a column and points (p,) to the half width (p, outputs) of the band around the curve
    band: Callable[[int, np.ndarray], np.ndarray] | None = None
    band_text: str = ""  # what the bands are
    color: int = 0  # number of the colour of the first output, so that a class keeps its colour where it is drawn alone
    # least and largest possible prediction, where bands end: 0 and 1 for a probability, also the ends of the axis; 0
    # and infinity for a target that is positive
    limits: tuple[float, float] | None = None
    # for each column the rows of each level, then those with a missing value, where `X` has only the distribution of
    # each column: its rows are then none of the data. () counts the rows of `X`
    counts: Sequence[Sequence[int]] = ()

    def kind(self, column: int) -> InputKind | None:
        """Return how the values of a column are written, None for plain numbers."""
        if self.kinds:
            return self.kinds[column]
        return None


@runtime_checkable
class Viewable(Protocol):
    """An estimator, which knows the names and units of its network."""

    def _network_view(self, X: Any = None) -> NetworkView:
        """Return the network with its trace on rows X."""

    def _prediction_view(self, X: Any = None) -> PredictionView:
        """Return the prediction with rows X."""


def as_network_view(
    model: object, data: object, names: Sequence[str] | None = None, outputs: Sequence[str] | None = None
) -> NetworkView:
    """Return a view of a network or an estimator with a trace or rows of data; given names replace its own."""
    match model, data:
        case NetworkView(), _:
            view = model
        case Viewable(), Trace():
            view = replace(model._network_view(None), trace=data, importance=None, columns=None)
        case Viewable(), _:
            view = model._network_view(data)
        case Chain(), Trace():
            view = NetworkView(model, data)
        case Chain(), _:
            view = NetworkView(model, _traced(model, data))
        case _:
            raise InputError(f"model must be a KAN, an MLP or a fitted estimator, got {type(model).__name__}")
    check_trace(view.model, view.trace)
    if names is not None:  # of the inputs, which are drawn one by one
        if view.columns is not None:
            view = replace(view, columns=None, importance=None)
        view = replace(view, names=names)
    if outputs is not None:
        view = replace(view, outputs=outputs)
    return view


def _traced(model: Chain, data: object) -> Trace:
    """Return the trace of rows that are in the units of the network."""
    if data is None:
        raise InputError("trace must be model.trace(x) or rows x of data, got None")
    rows = as_numpy(data, "trace")  # type: ignore[arg-type]
    inputs = model.layers[0].in_features
    if rows.ndim != 2 or rows.shape[1] != inputs or not len(rows):
        raise InputError(f"trace must be model.trace(x) or rows x of shape (rows, {inputs}), got shape {rows.shape}")
    if not rows.flags.writeable:  # torch warns about the read-only columns of a frame
        rows = rows.copy()
    first = model.layers[0]
    weight = next(first.parameters(), torch.zeros(1, dtype=torch.float64))
    network: Any = model
    with torch.no_grad():
        return network.trace(torch.as_tensor(rows, dtype=weight.dtype, device=weight.device))


def check_trace(model: Chain, trace: Trace) -> None:
    """Raise InputError unless the shapes of `trace` are those of `model`."""
    expected = [(layer.in_features, layer.out_features) for layer in model.layers]
    given = [tuple(edges.shape[1:]) for edges in trace.edges]
    if expected != given:
        raise InputError(f"trace must come from this model, with layers {expected}, got {given}")


def as_prediction_view(
    model: BlackBox | Viewable | PredictionView,
    X: object,
    names: Sequence[str] | None,
    outputs: Sequence[str] | None,
    target: str | None,
) -> PredictionView:
    """Return a view of an estimator or of any function with rows X; given names replace its own."""
    match model:
        case PredictionView():
            view = model
        case Viewable():
            view = model._prediction_view(X)
        case _:
            if X is None:
                raise InputError("X must be rows of data, got None")
            columns = getattr(X, "columns", None)
            rows = as_numpy(X, "X")  # type: ignore[arg-type]
            if rows.ndim != 2 or 0 in rows.shape:
                raise InputError(f"X must have shape (rows, inputs) with at least one of each, got {rows.shape}")
            view = PredictionView(array_function(model), rows)
            if columns is not None:
                view = replace(view, names=[str(name) for name in columns])
    if names is not None:
        view = replace(view, names=names)
    if outputs is not None:
        view = replace(view, outputs=outputs)
    if target is not None:
        view = replace(view, target=target)
    return view
