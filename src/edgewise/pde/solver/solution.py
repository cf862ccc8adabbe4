"""What `solve` gives: the fields and their derivatives anywhere, errors, and an account of how it came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.prediction import predict_in_batches
from edgewise.pde.problem.equation import PDE
from edgewise.pde.problem.fields import Field, function_jet, stencil

CHUNK = 8192


@dataclass(frozen=True)
class Stage:
    """What one grid reached.

    grid_size: of every layer. parameters: trainable numbers. points: of all blocks. loss: on these.
    residual: root mean square of the equation's residual on fresh points, in units of an error (see `PDE`).
    change: root mean square of the difference from the stage before, relative to the solution; nan for the first.
    seconds: since the beginning.
    """

    grid_size: tuple[int, ...]
    parameters: int
    points: int
    loss: float
    residual: float
    change: float
    seconds: float


@dataclass(frozen=True)
class Errors:
    """Errors against a known solution, by quadrature over the domain, of one field or of all together.

    l2: square root of the mean squared error; h1: that with the mean squared error of the gradient added; largest: at
    the points of the quadrature; relative_l2, relative_h1: divided by the same of the solution.
    """

    l2: float
    h1: float
    largest: float
    relative_l2: float
    relative_h1: float


@dataclass(frozen=True, eq=False)
class Solution:
    """The solution of a `PDE`.

    model: the network. problem: with the points it was trained on last; hard conditions are part of it, so call the
    solution rather than the model. stages: one for each grid. unknowns: the coefficients found.
    error_estimate: of the relative L2 error, from the last two grids; nan where there were fewer.
    stopped: "converged", "no_progress", "budget", "time" or "interrupted"; message: a sentence on it.
    standard_errors: of coefficients that were found from measured values, by the scatter of these.
    """

    model: nn.Module
    problem: PDE
    stages: tuple[Stage, ...]
    unknowns: dict[str, float]
    error_estimate: float
    stopped: str
    message: str
    standard_errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Trainable numbers, unknown coefficients included."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad) + len(self.unknowns)

    @property
    def residual(self) -> float:
        """Root mean square of the equation's residual on fresh points, in units of an error."""
        return self.stages[-1].residual

    def __call__(self, x: Tensor) -> Tensor:
        """The fields at x (b, n): (b, fields), without gradients."""
        return field_values(self.model, self.problem, x)

    def fields(self, x: Tensor, *derivatives: str) -> list[Field]:
        """The fields at x (b, n) with these derivatives, as `solution.fields(x, "x", "xx")[0].xx`."""
        names = self.problem.domain.coordinates
        seen = set()

        def note(index):
            seen.add(index)
            return x.new_zeros(())

        for name in derivatives:
            getattr(Field(note, names), name)
        plan = stencil({*seen, (0,) * len(names)}, len(names))
        jet = predict_in_batches(
            lambda part: field_jet_at(self.model, self.problem, part, plan.directions, plan.order), x
        )
        return plan.fields(jet, names)

    def errors(self, fields: Sequence[str] | None = None) -> Errors:
        """Errors of these fields (all if left out) against the problem's known solution."""
        return errors_of(self.model, self.problem, fields)


@torch.no_grad()
def field_values(network: nn.Module, problem: PDE, x: Tensor) -> Tensor:
    """The fields at x (b, n): (b, fields)."""
    return predict_in_batches(lambda part: problem.field_jet(network(part)[None], part, None, 0)[0], x)


@torch.no_grad()
def field_jet_at(network: nn.Module, problem: PDE, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """The jet of the fields at x (b, n): (C, b, fields)."""
    return problem.field_jet(network.jet(x, directions, order), x, directions, order)


def errors_of(network: nn.Module, problem: PDE, fields: Sequence[str] | None = None) -> Errors:
    """`Errors` of a network that was trained on a problem whose solution is known."""
    names = problem.fields if fields is None else tuple(fields)
    unknown = [name for name in names if name not in problem.fields]
    if unknown or not names:
        raise InputError(f"fields must be among {', '.join(problem.fields)}, got {list(names)}")
    slots = [problem.fields.index(name) for name in names]
    points, weights = problem.domain.quadrature()
    axes = torch.eye(problem.domain.dimension, dtype=torch.float64)
    sums, largest = torch.zeros(4, dtype=torch.float64), 0.0
    for x, weight in zip(points.split(CHUNK), weights.split(CHUNK), strict=True):
        exact = function_jet(problem.exact, x, axes, 1)[..., slots]
        difference = field_jet_at(network, problem, x, axes, 1)[..., slots] - exact
        for number, jet in enumerate((difference, exact)):
            squares = (jet.square().sum(2) * weight).sum(1)
            sums[2 * number] += squares[0]
            sums[2 * number + 1] += squares.sum()
        largest = max(largest, float(difference[0].abs().max()))
    l2, h1, whole_l2, whole_h1 = (sums / weights.sum()).sqrt().tolist()
    return Errors(l2, h1, largest, l2 / whole_l2 if whole_l2 else l2, h1 / whole_h1 if whole_h1 else h1)
