"""Solution of a differential equation: fields and their derivatives anywhere, errors, and the stages of the solve."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from edgewise.checks import is_one_of, typed
from edgewise.errors import InputError
from edgewise.nn.prediction import predict_in_batches
from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import TIME, Domain, checked_points, covers
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.evaluation import Value, call_by_name, coordinate_table, value_at
from edgewise.pde.problem.fields import Field, Index, derivative_names, function_jet, stencil
from edgewise.pde.solver.gridded import crossings, dataset_of, grid_of, lowest, quadrature_of, write_vtk
from edgewise.pde.spaces.networks import fields_of
from edgewise.presentation import html_table, number_text, percent_text, text_with_error
from edgewise.settings import ABOVE_ZERO, chunks


@dataclass(frozen=True)
class Stage:
    """Result of one grid.

    Parameters
    ----------
    grid_size : tuple of int
        Numbers of intervals: of each coordinate, or of each layer; those of the last time element.
    parameters : int
        Number of trainable parameters, unknown coefficients included.
    points : int
        Number of collocation points of all blocks.
    loss : float
        Loss at these points.
    residual : float
        Root mean square of the equation's residual at fresh points, in units of the field (see `PDE`).
    change : float
        Root mean square of the difference from the stage before, relative to the solution; nan for the first stage.
    seconds : float
        Wall seconds since the start.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time, solve
    >>> stage = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-6, grid_size=20).stages[0]
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


@dataclass(frozen=True)
class Extreme:
    """Smallest or largest value of a field.

    Parameters
    ----------
    value : float
        The value.
    place : mapping
        Coordinates of the point by name.

    Examples
    --------
    >>> Extreme(1.0, {"x": 0.5}).place["x"]
    0.5
    """

    value: float
    place: Mapping[str, float]


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
        Estimate of the relative L2 error of all fields together, of which small ones may be less exact: the largest of
        those from the last stages, from the equation of the error on another grid, and from two rules of integration;
        nan where none was possible.
    stopped : StopReason
        Reason for the end: converged, no progress, budget, time limit or interrupted.
    message : str
        The same as a sentence, with the largest residual.
    standard_errors : mapping
        Standard errors of unknown coefficients that were found from measured values.
    trust : str
        What was checked and what speaks against the solution, in words; it begins with "Not to be trusted" where
        something does.
    tier : str
        Name of the method that found it: "collocation" (products of splines on grids), "time elements" (the same in
        time elements), "weak form" (Galerkin's method on even grids in time), "hyperviscosity" (time elements whose
        fronts are smoothed), "cut cells" and "cut cells in time" (Galerkin's method on other domains), "tensor train",
        "least squares" (splines that minimise the residual, with singular functions where there are some), "penalised
        least squares" (unknown fields) or "network" (sums of products, and KANs, that are trained); see `solve`.

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
    tier: str = ""

    def __repr__(self) -> str:
        return f"<Solution for {', '.join(self.problem.fields)}: {self.message}>"

    def _repr_html_(self) -> str:
        # Table of the stages, and notes beneath it.
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
        if self.trust:
            notes = [self.message, self.trust]
        else:
            notes = [self.message]
        for name, value in self.unknowns.items():
            error = self.standard_errors.get(name)
            if error is None:
                text = number_text(value, 6)
            else:
                text = text_with_error(value, error)
            notes.append(f"{name} = {text}")
        notes.append("edgewise.plot.solution_figure(solution) draws it.")
        head = ["grid", "parameters", "residual", "change", "seconds"]
        return html_table(head, rows, caption=f"Solution for {', '.join(self.problem.fields)}", notes=notes)

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, unknown coefficients included."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad) + len(self.unknowns)

    @property
    def residual(self) -> float:
        """Root mean square of the equation's residual at fresh points, in units of the field."""
        return self.stages[-1].residual

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...

    @overload
    def __call__(self, x: ArrayLike) -> np.ndarray: ...

    def __call__(self, x: Tensor | ArrayLike) -> Tensor | np.ndarray:
        """Evaluate the fields, without gradients. Shapes: x (b, n); returns (b, fields)."""
        points = self._points(x)
        return in_kind_of(x, field_values(self.model, self.problem, points))

    def _points(self, x: Tensor | ArrayLike) -> Tensor:
        """Points (b, n) as float64; a warning where some lie outside the box around the domain."""
        beyond = "extrapolated"
        if fields_of(self.model).moments is not None:
            beyond = "extrapolated, after the last moment nan"
        return checked_points(self.problem.domain, x, beyond, stacklevel=4)

    def fields(self, x: Tensor | ArrayLike, *derivatives: str) -> list[Field]:
        """Fields with some of their derivatives, as `solution.fields(x, "x", "xx")[0].xx`.

        Parameters
        ----------
        x : Tensor or array-like
            Points, (b, n), as for a call.
        *derivatives : str
            Derivatives to compute, by the names of coordinates.

        Returns
        -------
        list of Field
            One for each field.

        Raises
        ------
        InputError
            A derivative is by something else than coordinates of the domain.
        """
        names = self.problem.domain.coordinates
        points = self._points(x)
        indices: set[Index] = {(0,) * len(names)}

        def note(index: Index) -> Tensor:
            indices.add(index)
            return points.new_zeros(())

        for name in derivatives:
            Field(note, names).derivative(*derivative_names(name, names))
        plan = stencil(indices, len(names))
        jet = predict_in_batches(
            lambda part: field_jet_at(self.model, self.problem, part, plan.directions, plan.order), points
        )
        return plan.fields(jet, names)

    @typed
    def derivative(self, x: Tensor | ArrayLike, by: str, field: str | None = None) -> Tensor | np.ndarray:
        """A derivative of one field, as `solution.derivative(x, "xx")`.

        Parameters
        ----------
        x : Tensor or array-like
            Points, (b, n), as for a call.
        by : str
            Names of coordinates, as "x" or "xt".
        field : str, optional
            Name of the field, if there are several.

        Returns
        -------
        Tensor or ndarray
            Shape (b,), of the kind of x.
        """
        names = derivative_names(by, self.problem.domain.coordinates)
        return in_kind_of(x, self.fields(x, by)[self._slot(field)].derivative(*names))

    def standard_error(self, x: Tensor | ArrayLike, field: str | None = None) -> Tensor | np.ndarray:
        """Standard errors of a field that was found from measured values with `UnknownField`.

        Parameters
        ----------
        x : Tensor or array-like
            Points, (b, n), as for a call.
        field : str, optional
            Name of the field, if there are several.

        Returns
        -------
        Tensor or ndarray
            Shape (b,), of the kind of x; 1.96 of them on both sides of the field hold 95 % of it, in the mean over the
            domain and many sets of measured values.

        Raises
        ------
        InputError
            The problem has no `UnknownField`.
        """
        errors = fields_of(self.model).standard_errors(self._points(x))
        if errors is None:
            raise InputError("standard errors of fields need a problem with UnknownField, got one without")
        return in_kind_of(x, errors[:, self._slot(field)])

    @typed
    def flux(self, on: str | Sequence[str] | None = None, field: str | None = None, coefficient: Value = 1.0) -> float:
        """Flux of a field out of the domain: the integral over pieces of its boundary of coefficient * du/dn.

        Parameters
        ----------
        on : str or sequence of str, optional
            Names of pieces; the whole boundary without first and last moment if left out.
        field : str, optional
            Name of the field, if there are several.
        coefficient : float or callable
            A number, or a function of coordinates by their names.

        Returns
        -------
        float
            In the units of du/dn times those of the boundary (and of time, for domains over time).

        Notes
        -----
        The midpoint rule along each piece, with 4,096 points.
        """
        domain = self.problem.domain
        slot = self._slot(field)
        total = 0.0
        # Pieces of the boundary.
        if on is None:
            names = domain.boundary_names
        elif isinstance(on, str):
            names = (on,)
        else:
            names = tuple(on)
        # Midpoint rule of the normal derivative on each piece: errors of 1e-7 for a few periods.
        for piece in domain.named(names):
            x, normal = piece.sample(4096, "grid", 0)
            u = self.fields(x, *(name for name in domain.coordinates if name != TIME))[slot]
            along = sum(normal[:, domain.coordinates.index(name)] * u.derivative(name) for name in u.space)
            total += piece.measure * float((value_at(coefficient, domain.coordinates, x, "coefficient") * along).mean())
        return total

    def integral(self, integrand: Callable | None = None, over: Domain | None = None) -> float:
        """Integral over the domain, or a part, of a function of the fields and the coordinates, by their names.

        Parameters
        ----------
        integrand : callable, optional
            As `lambda u, x: u * x`, with tensors (b,); the first field if left out.
        over : Domain, optional
            A domain with the same coordinates within that of the problem, as Disk(0.5); the whole one if left out.

        Returns
        -------
        float
            For the accuracy see `Domain.quadrature`; in a domain with curved interfaces it is about 1e-3.

        Raises
        ------
        InputError
            `over` has other coordinates or leaves the domain, or the integrand takes unknown names.
        """
        domain = self.problem.domain if over is None else over
        if not isinstance(domain, Domain) or domain.coordinates != self.problem.domain.coordinates:
            raise InputError(f"over must be a domain of {', '.join(self.problem.domain.coordinates)}, got {over!r:.60}")
        # Quadrature over the domain, whose points must lie within that of the problem.
        x, weights = quadrature_of(domain, self.problem.form.parts)
        outside = float(weights[~covers(self.problem.domain, x)].sum() / weights.sum())
        if outside > 1e-9:  # a smaller share of the volume is rounding
            raise InputError(
                f"over must lie within the domain of the problem, got {percent_text(outside)} of it outside"
            )
        values = field_values(self.model, self.problem, x)
        if integrand is None:
            return float(weights @ values[:, 0])
        # The integrand by the names of its arguments.
        table = {
            **coordinate_table(self.problem.domain.coordinates, x),
            **dict(zip(self.problem.fields, values.unbind(1), strict=True)),
        }
        return float(
            weights @ torch.as_tensor(call_by_name(integrand, table, "integrand"), dtype=weights.dtype).expand(len(x))
        )

    def extremes(self, field: str | None = None) -> tuple[Extreme, Extreme]:
        """Smallest and largest value of a field, and where.

        Parameters
        ----------
        field : str, optional
            Name of the field, if there are several.

        Returns
        -------
        tuple of Extreme
            The minimum and the maximum, the best of many points inside and on the boundary, then by a pattern search
            whose step is halved until it is 1e-9 of the domain.
        """
        problem, slot, found = self.problem, self._slot(field), []

        def values(x: Tensor) -> Tensor:
            return field_values(self.model, problem, x)[:, slot]

        for sign in (1, -1):
            place, value = lowest(values, problem.domain, sign)
            found.append(Extreme(value, dict(zip(problem.domain.coordinates, place.tolist(), strict=True))))
        return found[0], found[1]

    @typed
    def roots(self, value: float = 0.0, field: str | None = None) -> np.ndarray:
        """Places at which a field takes a value: roots for one coordinate, points of a level set for two or three.

        Parameters
        ----------
        value : float
            The value.
        field : str, optional
            Name of the field, if there are several.

        Returns
        -------
        ndarray
            Shape (m,) in order, or (m, n): changes of sign along the lines of a grid (20,000 places of one coordinate,
            400 x 400, or 60 x 60 x 60), by bisection. Jumps across interfaces are none.

        Raises
        ------
        InputError
            The domain has more than three coordinates.
        """
        problem, domain, slot = self.problem, self.problem.domain, self._slot(field)
        level = float(value)
        places = crossings(lambda x: field_values(self.model, problem, x)[:, slot] - level, domain, problem.form.parts)
        if domain.dimension == 1:
            return places[:, 0].sort().values.numpy()
        return places.numpy()

    @typed
    def on_grid(
        self, counts: int | Sequence[int] | None = None, at: Mapping[str, float] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Fields on a grid of the box around the domain.

        Parameters
        ----------
        counts : int or sequence of int, optional
            Numbers of values of the free coordinates; 1,001 for one, 201 for each of two, 61 for each of three, and
            some 200,000 in all for more.
        at : mapping, optional
            Values of coordinates that do not vary, as {"t": 0.5}, between the ends of the domain.

        Returns
        -------
        coordinates, fields : dict of str to ndarray
            Values (n_i,) of each free coordinate, and of each field, (n_1, ..., n_k), nan outside the domain.

        Raises
        ------
        InputError
            An argument is not as above.
        """
        return grid_of(self, counts, at)

    def to_xarray(self, counts: int | Sequence[int] | None = None, at: Mapping[str, float] | None = None) -> Any:
        """Fields on a grid as a data set of xarray; the arguments are those of `on_grid`.

        Raises
        ------
        MissingExtraError
            The package xarray is not installed.
        """
        return dataset_of(self, counts, at)

    @typed
    def save_vtk(
        self,
        path: str | os.PathLike[str],
        counts: int | Sequence[int] | None = None,
        at: Mapping[str, float] | None = None,
    ) -> None:
        """Write fields on a grid as a file of VTK, for ParaView and others, whole or not at all.

        Parameters
        ----------
        path : path-like
            Name of the file, which usually ends in .vtk.
        counts, at
            As for `on_grid`, which leaves at most three coordinates free; they are the axes of the file, time too.

        Raises
        ------
        InputError
            More than three coordinates are free.
        """
        write_vtk(self, path, counts, at)

    def difference(self, other: Solution | Callable[..., Tensor]) -> float:
        """Relative L2 difference from another solution, or from a function of the coordinates, on this domain.

        Parameters
        ----------
        other : Solution or callable
            A solution with the same coordinates and fields, or a function by the names of coordinates to (b,).

        Returns
        -------
        float
            Root of the integral of the squared difference over that of the squared fields of this solution.

        Raises
        ------
        InputError
            The other solution has other coordinates or fields.
        """
        problem = self.problem
        x, weights = quadrature_of(problem.domain, problem.form.parts)
        own = field_values(self.model, problem, x)
        if isinstance(other, Solution):
            ours, theirs = ((each.domain.coordinates, each.fields) for each in (problem, other.problem))
            if ours != theirs:
                raise InputError(f"other must have the coordinates and fields {ours}, got {theirs}")
            values = field_values(other.model, other.problem, x)
        else:
            values = value_at(other, problem.domain.coordinates, x, "other")[:, None]
        gap = (weights[:, None] * (own - values).square()).sum()
        return float((gap / (weights[:, None] * own.square()).sum().clamp(min=ABOVE_ZERO)).sqrt())

    def _slot(self, field: str | None) -> int:
        names = self.problem.fields
        if field is None and len(names) == 1:
            return 0
        if field is None or not is_one_of(field, names):
            raise InputError(f"field must be one of {', '.join(names)}, got {field!r}")
        return names.index(field)

    @typed
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


def in_kind_of(x: Tensor | ArrayLike, values: Tensor) -> Tensor | np.ndarray:
    """Values as a tensor of the dtype of points that are a tensor, else as an array."""
    if isinstance(x, Tensor):
        return values.to(x.dtype)
    return values.numpy()


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
    # Squares of values and slopes, of the difference and of the solution, by quadrature.
    points, weights = quadrature_of(problem.domain, problem.form.parts)
    axes = torch.eye(problem.domain.dimension, dtype=torch.float64)
    sums = torch.zeros(4, dtype=torch.float64)
    largest = 0.0
    for part in chunks(len(points)):
        x = points[part]
        weight = weights[part]
        exact = function_jet(problem.exact, x, axes, 1)[..., slots]
        difference = field_jet_at(network, problem, x, axes, 1)[..., slots] - exact
        for number, jet in enumerate((difference, exact)):
            squares = (jet.square().sum(2) * weight).sum(1)
            sums[2 * number] += squares[0]
            sums[2 * number + 1] += squares.sum()
        largest = max(largest, float(difference[0].abs().max()))
    l2, h1, exact_l2, exact_h1 = (sums / weights.sum()).sqrt().tolist()
    # Errors relative to the solution, or absolute where it is zero.
    return Errors(l2, h1, largest, l2 / (exact_l2 or 1.0), h1 / (exact_h1 or 1.0))
