"""Solutions of differential equations as files: the network, how it was computed, and the names of its problem.

The container is that of model files (`container`), with one text beside "format" and "version": "solution", the JSON
form (`codec`) of a `StoredSolution` with references to tensors (`strict_json`). The equation itself is the user's code
and is not in the file; neither are values of hard conditions.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self, cast

from torch import Tensor, nn

from edgewise.checkpoint import codec, container, kinds, strict_json
from edgewise.checkpoint.container import Container, TensorEntry
from edgewise.checkpoint.network import describe, read_description
from edgewise.checks import Shape, Within
from edgewise.errors import CheckpointError, InputError
from edgewise.files.whole import read_bytes, write_bytes
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import MAX_DEGREE, MAX_PRODUCT_DEGREE
from edgewise.ops.splines.knots import breakpoints_of
from edgewise.outcomes import StopReason
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import MAX_INPUTS, TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.folding import Folding
from edgewise.pde.problem.singular import SingularFunctions
from edgewise.pde.solver.solution import Solution, Stage
from edgewise.pde.spaces.low_rank import LowRankNetwork
from edgewise.pde.spaces.networks import (
    EnrichedNetwork,
    FoldedNetwork,
    PeriodicNetwork,
    SeparableNetwork,
    TensorNetwork,
    TimeElementNetwork,
    UncertainNetwork,
)


class StoredNetwork(ABC):
    """A network in a file, whose `kind` distinguishes it from others."""

    @classmethod
    @abstractmethod
    def from_network(cls, network: Any) -> Self:
        """Take a network apart."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The network; an InputError or a CheckpointError where there is none like this."""


@dataclass(frozen=True)
class StoredAxis:
    """Splines of one input."""

    degree: Annotated[int, Within(1, MAX_PRODUCT_DEGREE)]
    is_periodic: bool
    knots: Annotated[Tensor, Shape(1, "knots"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with splines from a file."""
        if sizes["knots"] < 2 * self.degree + 2:
            return "too few knots"
        is_ascending = bool((self.knots.diff() >= 0).all() and (self.breakpoints.diff() > 0).all())
        return "" if is_ascending else "knots that do not ascend"

    @property
    def breakpoints(self) -> Tensor:
        """The knots inside the domain, ends included."""
        return breakpoints_of(self.knots, self.degree)[0]

    @property
    def splines(self) -> int:
        """Number of splines."""
        return len(self.breakpoints) - 1 + (0 if self.is_periodic else self.degree)


@dataclass(frozen=True)
class StoredTensor(StoredNetwork):
    """A `TensorNetwork`; the last input of the products runs fastest."""

    kind: ClassVar[str] = "tensor"
    axes: tuple[StoredAxis, ...]
    coef: Annotated[Tensor, Shape("products", "outputs"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with products of splines from a file."""
        if not 0 < len(self.axes) <= MAX_INPUTS or sizes["outputs"] == 0:
            return "another number of inputs or outputs"
        fits = sizes["products"] == math.prod(axis.splines for axis in self.axes)
        return "" if fits else "another number of coefficients than its knots give"

    @property
    def outputs(self) -> int:
        """Number of fields."""
        return self.coef.shape[1]

    @property
    def inputs(self) -> int:
        """Number of coordinates."""
        return len(self.axes)

    @classmethod
    def from_network(cls, network: TensorNetwork) -> Self:
        """Take the splines of a network."""
        layer = network.tensor_layer
        axes = map(StoredAxis, layer.degrees, layer.periodic, layer.knots)
        return cls(tuple(axes), layer.coef.detach().flatten(0, -2))

    def layer(self) -> TensorLayer:
        """The only layer of the network."""
        degrees = [axis.degree for axis in self.axes]
        periodic = [axis.is_periodic for axis in self.axes]
        breakpoints = [axis.breakpoints for axis in self.axes]
        layer = TensorLayer(breakpoints, self.outputs, degree=degrees, periodic=periodic)
        knots = {f"knots_{number}": axis.knots for number, axis in enumerate(self.axes)}
        layer.load_state_dict({"coef": self.coef.reshape(layer.coef.shape)} | knots)
        return layer

    def network(self) -> TensorNetwork:
        """The network."""
        return TensorNetwork(self.layer())


@dataclass(frozen=True)
class StoredTimeElements(StoredNetwork):
    """A `TimeElementNetwork`: the number of the coordinate that is time, and the moments between time elements."""

    kind: ClassVar[str] = "time elements"
    axis: Annotated[int, Within(0)]
    ends: Annotated[Tensor, Shape("moments"), Within()]
    elements: tuple[StoredTensor, ...]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with time elements from a file."""
        if not 0 < len(self.elements) == sizes["moments"] - 1 or not bool((self.ends.diff() > 0).all()):
            return "time elements that do not follow one another"
        shapes = {(len(element.axes), element.outputs) for element in self.elements}
        return "" if len(shapes) == 1 and self.axis < len(self.elements[0].axes) else "other inputs or outputs"

    @property
    def inputs(self) -> int:
        """Number of coordinates."""
        return self.elements[0].inputs

    @property
    def outputs(self) -> int:
        """Number of fields."""
        return self.elements[0].outputs

    @classmethod
    def from_network(cls, network: TimeElementNetwork) -> Self:
        """Take the time elements of a network."""
        elements = [StoredTensor.from_network(network.element(number)) for number in range(len(network.elements))]
        return cls(network.axis, network.ends, tuple(elements))

    def network(self) -> TimeElementNetwork:
        """The network."""
        return TimeElementNetwork([element.network() for element in self.elements], self.ends, self.axis)


@dataclass(frozen=True)
class StoredFolded(StoredNetwork):
    """A `FoldedNetwork`: the network on the folded box, and how the parts are folded."""

    kind: ClassVar[str] = "folded"
    inner: StoredTensor | StoredTimeElements
    axis: Annotated[int, Within(0)]
    cuts: tuple[float, ...]
    places: tuple[Annotated[int, Within(0)], ...]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with folded parts from a file."""
        if not all(before < after for before, after in pairwise(self.cuts)):
            return "parts that do not follow one another"
        if not sorted(self.places) == list(range(len(self.cuts) - 1)) != []:
            return "other parts than its cuts leave"
        fits = self.axis < self.inner.inputs and self.inner.outputs % len(self.places) == 0
        return "" if fits else "other inputs or outputs"

    @classmethod
    def from_network(cls, network: FoldedNetwork) -> Self:
        """Take the network on the folded box."""
        inner: Any = RECORDS[type(network.inner)].from_network(network.inner)
        folding = network.folding
        return cls(inner, folding.axis, folding.cuts, folding.places)

    def network(self) -> FoldedNetwork:
        """The network."""
        return FoldedNetwork(self.inner.network(), Folding(self.axis, self.cuts, self.places))


@dataclass(frozen=True)
class StoredTrain(StoredNetwork):
    """A `LowRankNetwork`: the splines of each input, with the nodes before them times those behind as outputs."""

    kind: ClassVar[str] = "low rank"
    ranks: tuple[Annotated[int, Within(1)], ...]
    lines: tuple[StoredTensor, ...]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a tensor train from a file."""
        if len(self.lines) == 0 or self.ranks[:1] != (1,) or self.ranks[-1:] != (1,):
            return "other ranks at its ends"
        shapes = [(len(line.axes), line.outputs) for line in self.lines]
        return "" if shapes == [(1, before * after) for before, after in pairwise(self.ranks)] else "other ranks"

    @classmethod
    def from_network(cls, network: LowRankNetwork) -> Self:
        """Take the splines of a network."""
        lines = [StoredTensor.from_network(TensorNetwork(layer)) for layer in network.layers]
        return cls(network.ranks, tuple(lines))

    def network(self) -> LowRankNetwork:
        """The network."""
        return LowRankNetwork([line.layer() for line in self.lines], self.ranks)


@dataclass(frozen=True)
class StoredUncertain(StoredNetwork):
    """An `UncertainNetwork`, with the root of the covariance of its coefficients."""

    kind: ClassVar[str] = "uncertain"
    splines: StoredTensor
    root: Annotated[Tensor, Shape("coefficients", "directions"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a covariance from a file."""
        return "" if sizes["coefficients"] == self.splines.coef.numel() else "a covariance of other coefficients"

    @classmethod
    def from_network(cls, network: UncertainNetwork) -> Self:
        """Take the splines and the root of a network."""
        return cls(StoredTensor.from_network(network), network.root)

    def network(self) -> UncertainNetwork:
        """The network."""
        return UncertainNetwork(self.splines.layer(), self.root)


@dataclass(frozen=True)
class StoredEnriched(StoredNetwork):
    """An `EnrichedNetwork`, with the singular functions beside its splines and the factor of each."""

    kind: ClassVar[str] = "enriched"
    splines: StoredTensor
    functions: tuple[SingularFunctions, ...]
    factors: Annotated[Tensor, Shape("terms"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with singular functions from a file."""
        if len(self.splines.axes) != 2 or self.splines.outputs != 1:
            return "other inputs or outputs"
        terms = sum(len(each.terms) for each in self.functions)
        return "" if 0 < terms == sizes["terms"] else "another number of factors than of functions"

    @classmethod
    def from_network(cls, network: EnrichedNetwork) -> Self:
        """Take the splines and the functions of a network."""
        splines = StoredTensor.from_network(network)
        functions = [each for each in network.functions if isinstance(each, SingularFunctions)]
        return cls(splines, tuple(functions), network.factors.detach())

    def network(self) -> EnrichedNetwork:
        """The network."""
        return EnrichedNetwork(self.splines.layer(), self.functions, self.factors)


@dataclass(frozen=True)
class StoredSeparable(StoredNetwork):
    """A `SeparableNetwork`: one spline of each input in each term of each field."""

    kind: ClassVar[str] = "separable"
    degree: Annotated[int, Within(1, MAX_DEGREE)]
    fields: Annotated[int, Within(1)]
    knots: Annotated[Tensor, Shape("inputs", "knots"), Within()]
    coef: Annotated[Tensor, Shape("inputs", "splines", "terms"), Within()]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with sums of products from a file."""
        if not bool((self.knots.diff() > 0).all()):
            return "knots that do not ascend"
        intervals = sizes["splines"] - self.degree
        if sizes["inputs"] == 0 or not 0 < intervals == sizes["knots"] - 2 * self.degree - 1:
            return "another number of coefficients than its knots give"
        is_divided = sizes["terms"] > 0 and sizes["terms"] % self.fields == 0
        return "" if is_divided else "terms that do not divide into fields"

    @classmethod
    def from_network(cls, network: SeparableNetwork) -> Self:
        """Take the terms of a network."""
        terms = network.separable
        return cls(terms.degree, network.fields, terms.knots, terms.coef.detach())

    def network(self) -> SeparableNetwork:
        """The network."""
        inputs, splines, terms = self.coef.shape
        size = splines - self.degree
        layer = SeparableLayer(
            inputs, terms, grid_size=size, degree=self.degree, domain=(0.0, 1.0), dtype=self.coef.dtype
        )
        layer.load_state_dict({"coef": self.coef, "knots": self.knots, "domain_is_set": layer.domain_is_set})
        return SeparableNetwork(layer, self.fields)


@dataclass(frozen=True)
class StoredKAN(StoredNetwork):
    """A KAN or an MLP, by its description and its tensors by name."""

    kind: ClassVar[str] = "kan"
    description: str
    tensors: dict[str, Tensor]

    @classmethod
    def from_network(cls, network: KAN | MLP) -> Self:
        """Take the tensors of a network."""
        return cls(strict_json.dump(describe(network)), dict(network.state_dict()))

    def network(self) -> KAN | MLP:
        """The network."""
        description = read_description(strict_json.parse(self.description, "description"), len(self.tensors))
        entries = {name: TensorEntry(each.dtype, tuple(each.shape), 0, 0) for name, each in self.tensors.items()}
        description.check_entries(entries)
        return description.build(self.tensors, ELEMENTARY)


@dataclass(frozen=True)
class StoredPeriodic(StoredNetwork):
    """A `PeriodicNetwork`: the number of each periodic input, the start and the length of its period."""

    kind: ClassVar[str] = "periodic"
    inputs: Annotated[int, Within(1, 1 << 16)]  # far above any equation, so that a forged file takes no memory
    periods: tuple[tuple[int, float, float], ...]
    inner: StoredKAN

    @classmethod
    def from_network(cls, network: PeriodicNetwork) -> Self:
        """Take the periods of a network, and the network behind them."""
        first = network.periodic
        periods = [(number, start, period) for number, (start, period) in first.periods.items()]
        return cls(first.in_features, tuple(periods), StoredKAN.from_network(network.kan))

    def network(self) -> PeriodicNetwork:
        """The network."""
        first = PeriodicLayer(self.inputs, {number: (start, period) for number, start, period in self.periods})
        inner = self.inner.network()
        if inner.config.width[0] != first.out_features:
            raise CheckpointError("must have as many inputs as its periods give, got others")
        return PeriodicNetwork(first, cast("KAN", inner))


RECORDS: dict[type[nn.Module], type[StoredNetwork]] = {
    TensorNetwork: StoredTensor,
    TimeElementNetwork: StoredTimeElements,
    FoldedNetwork: StoredFolded,
    LowRankNetwork: StoredTrain,
    UncertainNetwork: StoredUncertain,
    EnrichedNetwork: StoredEnriched,
    SeparableNetwork: StoredSeparable,
    PeriodicNetwork: StoredPeriodic,
    KAN: StoredKAN,
    MLP: StoredKAN,
}
AnyNetwork = (
    StoredTensor
    | StoredTimeElements
    | StoredFolded
    | StoredTrain
    | StoredUncertain
    | StoredEnriched
    | StoredSeparable
    | StoredPeriodic
    | StoredKAN
)
# Fields of a solution that are stored by their names.
ACCOUNT = [field.name for field in fields(Solution) if field.name not in ("model", "problem")]


@dataclass(frozen=True)
class StoredSolution:
    """A solution without its problem; names of fields and coordinates are compared with those of the problem."""

    fields: tuple[str, ...]
    coordinates: tuple[str, ...]
    network: AnyNetwork
    stages: tuple[Stage, ...]
    unknowns: dict[str, float]
    error_estimate: float
    stopped: StopReason
    message: str
    standard_errors: dict[str, float]
    trust: str
    tier: str

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with a solution from a file."""
        return "" if self.stages else "no stages"


def save_solution(solution: Solution, path: str | os.PathLike[str]) -> None:
    """Write a solution, whole or not at all; equal solutions give equal bytes. See `edgewise.save`."""
    record = RECORDS.get(type(solution.model))
    if record is None:
        raise InputError(f"solution must have a network that `solve` makes, got a {type(solution.model).__name__}")
    account: dict[str, Any] = {name: getattr(solution, name) for name in ACCOUNT}
    account["standard_errors"] = dict(solution.standard_errors)
    network: Any = record.from_network(solution.model)
    problem = solution.problem
    stored = StoredSolution(tuple(problem.fields), tuple(problem.domain.coordinates), network, **account)
    tree = codec.plain(stored)
    tensors: dict[str, Tensor] = {}
    text = strict_json.dump(strict_json.encode(tree, "solution", tensors, prefix="solution."))
    write_bytes(path, container.pack(tensors, {"format": "edgewise", "version": "1", "solution": text}))


def load_solution(path: str | os.PathLike[str], problem: Collocation) -> Solution:
    """Read a solution of a problem, equal bit for bit to what was saved. See `edgewise.load`."""
    with container.errors_of_file("solution", path):
        return solution_of(container.unpack(read_bytes(path)), problem)


def solution_of(file: Container, problem: Collocation) -> Solution:
    """Return the solution in an unpacked file, see `load_solution`."""
    if set(file.metadata) != {"format", "version", "solution"}:
        raise CheckpointError("must contain a solution, got something else")
    tensors = file.tensors()
    tree = strict_json.decode(strict_json.parse(file.metadata["solution"], "solution"), "solution", tensors)
    if tensors:
        raise CheckpointError("must use each of its tensors, got an unused one")
    stored = codec.read(StoredSolution, tree, "solution")
    try:
        network = stored.network.network()
    except InputError as error:
        raise CheckpointError(f"must describe a possible network: {ascii(str(error)[:200])[1:-1]}") from error

    # The names of the file must be those of the user's equation.
    if stored.fields != tuple(problem.fields) or stored.coordinates != tuple(problem.domain.coordinates):
        raise InputError(
            f"problem must have fields {_listed(stored.fields)} over {_listed(stored.coordinates)} as the file, "
            f"got {', '.join(problem.fields)} over {', '.join(problem.domain.coordinates)}"
        )
    if set(stored.unknowns) != set(problem.unknowns):
        came = ", ".join(problem.unknowns) or "none"
        raise InputError(f"problem must have the coefficients {_listed(stored.unknowns)}, got {came}")
    account: dict[str, Any] = {name: getattr(stored, name) for name in ACCOUNT}
    return Solution(network, problem.with_unknowns(stored.unknowns), **account)


def _listed(names: Iterable[str]) -> str:
    """Return names of a file for a message: printable, and cut off."""
    return ascii(", ".join(names)[:200])[1:-1] or "none"


def _write(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a solution for `edgewise.save`."""
    if extra is not None or state is not None:
        raise InputError("extra and state must be left out for a solution, got some")
    save_solution(solution, path)


def _read(file: Container, path: str | os.PathLike[str], *, problem: Collocation | None, **_: Any) -> Solution:
    """Return the solution in an unpacked file, for `edgewise.load`."""
    if problem is None:
        raise InputError(f"problem must be the equation of the solution in {os.fspath(path)}, got None")
    with container.errors_of_file("solution", path):
        return solution_of(file, problem)


kinds.register("solution", kinds.FileKind((Solution,), _write, _read))
