"""Solution of a differential equation: fields and their derivatives anywhere, errors, and the stages of the solve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.prediction import BATCH_ROWS, predict_in_batches
from edgewise.outcomes import StopReason
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.fields import Field, Index, function_jet, stencil
from edgewise.presentation import html_table, number_text


@dataclass(frozen=True)
class Stage:
    """Result of one grid.

    Parameters
    ----------
    grid_size : tuple of int
        Numbers of intervals, see `edgewise.pde.solver.network.grid_sizes`.
    parameters : int
        Number of trainable parameters, unknown coefficients included.
    points : int
        Number of collocation points of all blocks.
    loss : float
        Loss at these points.
    residual : float
        Root mean square of the equation's residual at fresh points, in units of an error (see `PDE`).
    change : float
        Root mean square of the difference from the stage before, relative to the solution; nan for the first stage.
    seconds : float
        Wall seconds since the start.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> stage = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-6).stages[0]
    >>> stage.grid_size, stage.parameters
    ((20,), 25)
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
    """Errors against a known solution, by quadrature over the domain, of one field or of several together.

    Parameters
    ----------
    l2 : float
        Root of the mean squared error.
    h1 : float
        Root of the mean squared error plus the mean squared error of the gradient.
    largest : float
        Largest error at the points of the quadrature.
    relative_l2, relative_h1 : float
        `l2` and `h1` divided by the same norm of the known solution.

    Examples
    --------
    >>> Errors(l2=0.1, h1=0.2, largest=0.3, relative_l2=0.01, relative_h1=0.02).relative_l2
    0.01
    """

    l2: float
    h1: float
    largest: float
    relative_l2: float
    relative_h1: float


@dataclass(frozen=True, eq=False)
class Solution:
    """Solution of a `PDE`, made by `solve`.

    Parameters
    ----------
    model : torch.nn.Module
        The network. Hard conditions are part of the problem, so call the solution rather than the model.
    problem : Collocation
        The problem at the points of the last training.
    stages : tuple of Stage
        Results of the grids, one after the other.
    unknowns : dict
        Values of the unknown coefficients.
    error_estimate : float
        Estimate of the relative L2 error: the largest of those from the last two stages, from the equation of the error
        on another grid, and from two rules of integration; nan where none was possible.
    stopped : StopReason
        Reason for the end: converged, no progress, budget, time limit or interrupted.
    message : str
        The same as a sentence, with the largest residual.
    standard_errors : mapping
        Standard errors of unknown coefficients that were found from measured values.
    trust : str
        What was checked and what speaks against the solution, in words; it begins with "Not to be trusted" where
        something does.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> solution = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-6)
    >>> x = torch.tensor([[1.0]], dtype=torch.float64)
    >>> round(solution(x).item(), 6)
    0.367879
    >>> round(solution.fields(x, "t")[0].t.item(), 4)
    -0.3679
    """

    model: nn.Module
    problem: Collocation
    stages: tuple[Stage, ...]
    unknowns: dict[str, float]
    error_estimate: float
    stopped: StopReason
    message: str
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    trust: str = ""

    def __repr__(self) -> str:
        return f"<Solution for {', '.join(self.problem.fields)}: {self.message}>"

    def _repr_html_(self) -> str:
        rows = [
            [
                " x ".join(map(str, stage.grid_size)),
                number_text(stage.parameters),
                number_text(stage.residual, 2),
                number_text(stage.change, 2),
                number_text(stage.seconds, 2),
            ]
            for stage in self.stages
        ]
        notes = [self.message, self.trust] if self.trust else [self.message]
        for name, value in self.unknowns.items():
            error = self.standard_errors.get(name)
            notes.append(f"{name} = {number_text(value, 6)}" + ("" if error is None else f" ± {number_text(error, 2)}"))
        head = ["grid", "parameters", "residual", "change", "seconds"]
        return html_table(head, rows, caption=f"Solution for {', '.join(self.problem.fields)}", notes=notes)

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, unknown coefficients included."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad) + len(self.unknowns)

    @property
    def residual(self) -> float:
        """Root mean square of the equation's residual at fresh points, in units of an error."""
        return self.stages[-1].residual

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the fields, without gradients.

        Parameters
        ----------
        x : Tensor
            Points, (b, n), coordinates in the order of the domain.

        Returns
        -------
        Tensor
            Shape (b, fields).
        """
        return field_values(self.model, self.problem, x)

    def fields(self, x: Tensor, *derivatives: str) -> list[Field]:
        """Fields with some of their derivatives, as `solution.fields(x, "x", "xx")[0].xx`.

        Parameters
        ----------
        x : Tensor
            Points, (b, n).
        *derivatives : str
            Derivatives to compute, by the names of coordinates.

        Returns
        -------
        list of Field
            One for each field.

        Raises
        ------
        AttributeError
            A derivative is by something else than coordinates of the domain.
        """
        names = self.problem.domain.coordinates
        indices: set[Index] = {(0,) * len(names)}

        def note(index: Index) -> Tensor:
            indices.add(index)
            return x.new_zeros(())

        for name in derivatives:
            getattr(Field(note, names), name)
        plan = stencil(indices, len(names))
        jet = predict_in_batches(
            lambda part: field_jet_at(self.model, self.problem, part, plan.directions, plan.order), x
        )
        return plan.fields(jet, names)

    def errors(self, fields: Sequence[str] | None = None) -> Errors:
        """Errors against the known solution of the problem.

        Parameters
        ----------
        fields : sequence of str, optional
            Names of fields, all if left out.

        Raises
        ------
        InputError
            A name is no field, or the problem has no known solution.
        """
        return errors_of(self.model, self.problem, fields)


@torch.no_grad()
def field_values(network: nn.Module, problem: Collocation, x: Tensor) -> Tensor:
    """Values of the fields, hard conditions included, at points x (b, n): (b, fields)."""
    return predict_in_batches(lambda part: problem.field_jet(network(part)[None], part, None, 0)[0], x)


@torch.no_grad()
def field_jet_at(network: nn.Module, problem: Collocation, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """Jet of the fields, hard conditions included, at points x (b, n): (C, b, fields)."""
    jet = network.jet(x, directions, order)  # type: ignore[operator]  # every network that has derivatives has `jet`
    return problem.field_jet(jet, x, directions, order)


def errors_of(network: nn.Module, problem: Collocation, fields: Sequence[str] | None = None) -> Errors:
    """Errors of a network that was trained on a problem whose solution is known, see `Solution.errors`."""
    names = problem.fields if fields is None else tuple(fields)
    unknown = [name for name in names if name not in problem.fields]
    if unknown or not names:
        raise InputError(f"fields must be among {', '.join(problem.fields)}, got {list(names)}")
    slots = [problem.fields.index(name) for name in names]
    points, weights = problem.domain.quadrature()
    axes = torch.eye(problem.domain.dimension, dtype=torch.float64)
    sums, largest = torch.zeros(4, dtype=torch.float64), 0.0
    for x, weight in zip(points.split(BATCH_ROWS), weights.split(BATCH_ROWS), strict=True):
        exact = function_jet(problem.exact, x, axes, 1)[..., slots]
        difference = field_jet_at(network, problem, x, axes, 1)[..., slots] - exact
        for number, jet in enumerate((difference, exact)):
            squares = (jet.square().sum(2) * weight).sum(1)
            sums[2 * number] += squares[0]
            sums[2 * number + 1] += squares.sum()
        largest = max(largest, float(difference[0].abs().max()))
    l2, h1, exact_l2, exact_h1 = (sums / weights.sum()).sqrt().tolist()
    return Errors(l2, h1, largest, l2 / exact_l2 if exact_l2 else l2, h1 / exact_h1 if exact_h1 else h1)
