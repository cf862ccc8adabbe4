"""A network as a list of simple steps in numbers, which the modules for Python and C turn into source."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.checks import check_labels
from edgewise.errors import InputError
from edgewise.formulas.expression import Expression
from edgewise.interpret.symbolic.extraction import node_expressions
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.activation import Function


@dataclass(frozen=True, eq=False)
class Units:
    """Affine scaling between a table and a network; with it, files take and return the user's units.

    Parameters
    ----------
    shift, scale : ndarray, (in,)
        The network's input is (x - shift) / scale.
    limit : float or ndarray, (in, 2)
        The network's input is clipped to the interval from -limit to limit, or to one of its own for each input.
    out_shift, out_scale : ndarray, (out,), optional
        The result is out_shift + out_scale * output; None for the output itself.
    probabilities : bool
        Whether the result is the softmax of the output.
    exponent : (float, float), optional
        The result is the exponential of what it would be otherwise, clipped to this interval before.
    out_limits : ndarray, (out, 2), optional
        Interval to which each of the network's outputs is clipped before it is scaled.
    exposure : bool
        Whether x has one more column, the last one, that multiplies the result.

    Examples
    --------
    >>> import numpy as np
    >>> Units(shift=np.array([10.0]), scale=np.array([2.0]), limit=4.0).limit
    4.0
    """

    shift: np.ndarray
    scale: np.ndarray
    limit: float | np.ndarray = math.inf
    out_shift: np.ndarray | None = None
    out_scale: np.ndarray | None = None
    probabilities: bool = False
    exponent: tuple[float, float] | None = None
    out_limits: np.ndarray | None = None
    exposure: bool = False

    @property
    def limits(self) -> np.ndarray | None:
        """Interval of each input, (in, 2); None where nothing is clipped."""
        if isinstance(self.limit, np.ndarray):
            return self.limit
        if math.isinf(self.limit):
            return None
        return np.tile([-self.limit, self.limit], (len(self.shift), 1))


class InUnits(nn.Module):
    """Module that takes and returns the user's units of a network."""

    shift: Tensor
    scale: Tensor
    out_shift: Tensor | None
    out_scale: Tensor | None
    low: Tensor | None
    high: Tensor | None
    out_low: Tensor | None
    out_high: Tensor | None

    def __init__(self, model: nn.Module, units: Units) -> None:
        super().__init__()
        self.model = model
        self.probabilities = units.probabilities
        self.exponent = units.exponent
        self.exposure = units.exposure
        # Units are buffers in the dtype of the weights, None where there are none.
        weight = next(model.parameters())
        arrays = {name: getattr(units, name) for name in ("shift", "scale", "out_shift", "out_scale")}
        for prefix, intervals in (("", units.limits), ("out_", units.out_limits)):
            arrays |= dict.fromkeys((f"{prefix}low", f"{prefix}high"))
            if intervals is not None:
                arrays[f"{prefix}low"] = intervals[:, 0]
                arrays[f"{prefix}high"] = intervals[:, 1]
        for name, values in arrays.items():
            if values is not None:
                values = torch.as_tensor(values, dtype=weight.dtype, device=weight.device)
            self.register_buffer(name, values)

    def forward(self, x: Tensor) -> Tensor:
        """Return the result (batch, out) for x (batch, in)."""
        # Inputs in the units of the network, within the training range.
        exposure = x[:, -1:]
        x = ((x[:, :-1] if self.exposure else x) - self.shift) / self.scale
        if self.low is not None and self.high is not None:
            x = torch.minimum(torch.maximum(x, self.low), self.high)
        # Outputs in the units of the table.
        y = self.model(x)
        if self.out_low is not None and self.out_high is not None:
            y = torch.minimum(torch.maximum(y, self.out_low), self.out_high)
        if self.out_shift is not None and self.out_scale is not None:
            y = self.out_shift + self.out_scale * y
        # Inverse link, exposure and probabilities.
        if self.exponent is not None:
            y = y.clamp(*self.exponent).exp()
        if self.exposure:
            y = exposure * y
        return torch.softmax(y, 1) if self.probabilities else y


@dataclass(frozen=True, eq=False)
class Splines:
    """The step y_o = sum_i (spline_io(x_i) + base_io b(x_i)); masked edges are zero."""

    knots: np.ndarray  # (in, n + degree + 1)
    coef: np.ndarray  # (in, n, out)
    degree: int
    base: np.ndarray | None  # (in, out)
    function: str | Function  # name of b


@dataclass(frozen=True, eq=False)
class Dense:
    """The step y = a(x) weight + bias, with `function` the name of a; weight (in, out), bias (out,)."""

    weight: np.ndarray
    bias: np.ndarray
    function: str


@dataclass(frozen=True, eq=False)
class Formulas:
    """The step in which each y_o is a formula of the inputs."""

    nodes: tuple[Expression, ...]
    inputs: int


@dataclass(frozen=True, eq=False)
class Products:
    """The step in which y_o is the product of the inputs of group o."""

    groups: tuple[tuple[int, ...], ...]


Step = Splines | Dense | Formulas | Products


def steps_of(model: KAN | MLP) -> list[list[Step]]:
    """Return for each layer the steps whose sum it is, in float64."""
    check_model(model)
    if isinstance(model, MLP):
        return [[Dense(_numbers(one.weight), _numbers(one.bias), one.activation)] for one in model.layers]
    layers: list[list[Step]] = []
    for layer in model.layers:
        if layer.groups is None:
            layers.append(_edge_steps(layer))
        else:
            layers.append([Products(layer.groups)])
    return layers


def functions_of(layers: list[list[Step]], known: Collection[str]) -> list[str]:
    """Return the names of the activations and base functions that the steps call."""
    flat = [step for steps in layers for step in steps]
    called = [step for step in flat if isinstance(step, Dense) or (isinstance(step, Splines) and step.base is not None)]
    for step in called:
        if step.function not in known:
            raise InputError(f"model must have a base function of {', '.join(known)} here, got {step.function!r:.80}")
    return sorted({str(step.function) for step in called})


def check_model(model: nn.Module) -> None:
    """Raise InputError unless the model is a network of the library."""
    if not isinstance(model, KAN | MLP):
        raise InputError(f"model must be a KAN or MLP, got {type(model).__module__}.{type(model).__qualname__}")


def check_units(units: Units | None, inputs: int, outputs: int) -> None:
    """Raise InputError unless units fit a network with this number of inputs and of outputs."""
    if units is None:
        return
    if np.shape(units.shift) != (inputs,) or np.shape(units.scale) != (inputs,):
        raise InputError(f"units must have shift and scale of {inputs} numbers, got {np.shape(units.shift)}")
    shapes = [None if values is None else np.shape(values) for values in (units.out_shift, units.out_scale)]
    if shapes not in ([None, None], [(outputs,), (outputs,)]):
        raise InputError(f"units must have out_shift and out_scale of {outputs} numbers, got shapes {shapes}")
    if units.out_limits is not None and np.shape(units.out_limits) != (outputs, 2):
        raise InputError(f"units must have out_limits of shape ({outputs}, 2), got {np.shape(units.out_limits)}")
    if units.limits is not None and units.limits.shape != (inputs, 2):
        raise InputError(f"units must have a limit, or one interval for each of {inputs} inputs, got {units.limit!r}")


def labels_of(names: Sequence[str] | None, count: int, letter: str, argument: str) -> tuple[str, ...]:
    """Return names for comments, each in one line: those given, or letter1, letter2, ..."""
    given = check_labels(names, [f"{letter}{k + 1}" for k in range(count)], argument)
    return tuple(" ".join(name.split()) for name in given)


def _edge_steps(layer: KANLayer) -> list[Step]:
    """Return the steps of a layer of edges."""
    steps: list[Step] = []
    if layer.has_splines:
        mask = _numbers(layer.spline_mask)
        base = None
        if layer.base is not None:
            base = _numbers(layer.base) * mask
        coef = _numbers(layer.coef) * mask[:, None, :]
        steps.append(Splines(_numbers(layer.knots), coef, layer.degree, base, layer.base_function))
    if layer.has_functions:
        steps.append(Formulas(tuple(node_expressions(layer)), layer.in_features))
    return steps


def _numbers(values: Tensor) -> np.ndarray:
    numbers = values.detach().cpu().double().numpy()
    if not np.isfinite(numbers).all():
        raise InputError("model must hold finite numbers to be written as a program, got NaN or infinite parameters")
    return numbers
