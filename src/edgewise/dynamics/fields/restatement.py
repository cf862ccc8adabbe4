"""Found equations as a problem of `edgewise.pde`, with initial and boundary values from smoothed data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any

import numpy as np
import torch
from scipy.fft import dctn, idctn
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import minimize_scalar
from torch import Tensor

from edgewise.dynamics.fields.result import FieldComparison, FieldData, FieldEquations
from edgewise.errors import InputError
from edgewise.pde import PDE, Box, Dirichlet, Domain, Initial, Neumann, Periodic, Solution, Time


def restated(found: FieldEquations, periodic: Sequence[str] | None) -> PDE:
    """The problem of the found equations. Raises InputError."""
    data = found.data
    missing = [name for name in data.fields if name not in found.equations]
    if missing:
        raise InputError(f"a problem must have an equation for each field, got none for {', '.join(missing)}")
    axes = list(data.axes)
    if periodic is None:
        periodic = [axis for axis in axes if _is_periodic(data, axis)]
    around = list(periodic)
    strange = [axis for axis in around if axis not in axes]
    if strange:
        raise InputError(f"periodic must name axes among {', '.join(axes)}, got {strange[0]!r}")
    # The domain: a periodic axis ends one step after its last point.
    ends = {}
    for axis, grid in data.axes.items():
        further = grid[1] - grid[0] if axis in around else 0.0
        ends[axis] = (float(grid[0]), float(grid[-1] + further))
    domain = Box(**ends) * Time(float(data.t[0]), float(data.t[-1]))
    # Values of the data between the points of the grid, for the first moment and for walls.
    surfaces = {name: Surface(data, values, around) for name, values in data.fields.items()}
    starts = {name: surface.function(axes, at={"t": data.t[0]}) for name, surface in surfaces.items()}
    rates = None
    if found.order == 2:
        rates = {name: surface.function(axes, at={"t": data.t[0]}, slope="t") for name, surface in surfaces.items()}
    conditions: list[Any] = [Initial(starts, rate=rates)]
    if around:
        conditions.append(Periodic(*around))
    for axis in axes:
        if axis not in around:
            conditions += _at_walls(found, surfaces, axis, domain)
    return PDE(_equation(found), domain, conditions)


def compared(found: FieldEquations, solution: Solution) -> FieldComparison:
    """The solution at the points of the data, and its relative errors."""
    data = found.data
    grids = np.meshgrid(data.t, *data.axes.values(), indexing="ij")
    points = np.stack([*(grid.ravel() for grid in grids[1:]), grids[0].ravel()], axis=1)
    # A solution that ends early is compared up to its last moment.
    last = float(solution.problem.domain.bounds[-1, 1])
    reached = data.t <= last + 1e-9 * np.ptp(data.t)
    inside = np.repeat(reached, len(points) // len(reached))
    values = np.full((len(points), len(data.fields)), np.nan)
    values[inside] = solution(points[inside])
    values = values.reshape(*grids[0].shape, -1)
    fields = {name: values[..., k] for k, name in enumerate(data.fields)}
    errors = {}
    for name, truth in data.fields.items():
        difference = fields[name][reached] - truth[reached]
        errors[name] = float(np.sqrt(np.mean(difference**2)) / np.std(truth))
    return FieldComparison(solution, fields, errors, float(data.t[reached][-1]))


class Surface:
    """A field between the points of its grid: smoothed as far as its noise asks for, then a quintic spline."""

    def __init__(self, data: FieldData, values: np.ndarray, around: Sequence[str]):
        self.names = ["t", *data.axes]
        grids = [data.t, *data.axes.values()]
        smooth = smoothed(values)
        # Along a periodic axis some points are repeated on either side, so that splines see no end.
        for place, name in enumerate(self.names):
            if name in around:
                grid = grids[place]
                step = grid[1] - grid[0]
                margin = np.arange(1, 9) * step
                grids[place] = np.concatenate([grid[0] - margin[::-1], grid, grid[-1] + margin])
                widths = [(8, 8) if k == place else (0, 0) for k in range(smooth.ndim)]
                smooth = np.pad(smooth, widths, mode="wrap")
        self.grids = grids
        self.spline = RegularGridInterpolator(grids, smooth, method="quintic")

    def function(
        self, names: Sequence[str], at: dict[str, float], slope: str | None = None, sign: int = 1
    ) -> Callable[..., Tensor]:
        """The field, or its slope along an axis, as a function of some coordinates, (b,) each, the others fixed."""
        orders = [int(name == slope) for name in self.names]

        def value(**places: Tensor) -> Tensor:
            first = next(iter(places.values()))
            points = np.empty((len(first), len(self.names)))
            for k, (name, grid) in enumerate(zip(self.names, self.grids, strict=True)):
                if name in places:
                    points[:, k] = places[name].detach().double().cpu().numpy().clip(grid[0], grid[-1])
                else:
                    points[:, k] = at[name]
            result = sign * self.spline(points, nu=orders)
            return torch.as_tensor(result, dtype=first.dtype, device=first.device)

        value.__signature__ = _signature(names)  # type: ignore[attr-defined]
        return value


def smoothed(values: np.ndarray) -> np.ndarray:
    """Penalised least squares on an even grid, by cosine transforms, with the strength of least cross-validation error.

    Garcia, "Robust smoothing of gridded data in one and higher dimensions", Comput. Statist. Data Anal. 54 (2010).
    """
    roughness = np.zeros(values.shape)
    for axis, size in enumerate(values.shape):
        each = 2 - 2 * np.cos(np.pi * np.arange(size) / size)
        roughness = roughness + each.reshape([-1 if k == axis else 1 for k in range(values.ndim)])
    spectrum = dctn(values, norm="ortho")

    def score(log_strength: float) -> float:
        kept = 1 / (1 + np.exp(log_strength) * roughness**2)
        return float(np.sum(((1 - kept) * spectrum) ** 2) / (1 - kept.mean() + 1e-12) ** 2)

    best = minimize_scalar(score, bounds=(-25.0, 25.0), method="bounded")
    return idctn(spectrum / (1 + np.exp(best.x) * roughness**2), norm="ortho")


def _is_periodic(data: FieldData, axis: str) -> bool:
    """Whether the second differences across the seam are about as small as within, for every field."""
    place = 1 + list(data.axes).index(axis)
    for values in data.fields.values():
        lines = np.moveaxis(values, place, -1)
        inner = np.sqrt(np.mean(np.diff(lines, 2, axis=-1) ** 2, axis=tuple(range(lines.ndim - 1)))).max()
        seam = np.concatenate([lines[..., -2:], lines[..., :2]], axis=-1)
        across = np.sqrt(np.mean(np.diff(seam, 2, axis=-1) ** 2, axis=tuple(range(lines.ndim - 1)))).max()
        if across > 1.5 * inner:
            return False
    return True


def _at_walls(found: FieldEquations, surfaces: dict[str, Surface], axis: str, domain: Domain) -> list[Any]:
    """As many conditions at the two ends of an axis as the highest derivative of each field asks for."""
    data = found.data
    place = list(data.axes).index(axis)
    grid = data.axes[axis]
    ends = [float(grid[0]), float(grid[-1])]
    others = [name for name in ("t", *data.axes) if name != axis]
    values: list[dict[str, Any]] = [{}, {}]
    slopes: list[dict[str, Any]] = [{}, {}]
    for number, (name, surface) in enumerate(surfaces.items()):
        highest, factor = _leading(found, number, place)
        # Odd orders: one more condition where waves come in, or where the third derivative asks for it.
        sides: tuple[int, ...] = (0, 1)
        if highest == 1:
            sides = (0,) if factor < 0 else (1,)
        if highest > 0:
            for side in sides:
                values[side][name] = surface.function(others, at={axis: ends[side]})
        sloped: tuple[int, ...] = ()
        if highest == 3:
            sloped = (1,) if factor < 0 else (0,)
        if highest == 4:
            sloped = (0, 1)
        for side in sloped:
            outward = 2 * side - 1
            slopes[side][name] = surface.function(others, at={axis: ends[side]}, slope=axis, sign=outward)
    names = domain.boundary_names[2 * place : 2 * place + 2]
    conditions: list[Any] = [Dirichlet(table, on=on) for table, on in zip(values, names, strict=True) if table]
    return conditions + [Neumann(table, on=on) for table, on in zip(slopes, names, strict=True) if table]


def _leading(found: FieldEquations, number: int, place: int) -> tuple[int, float]:
    """The highest order of differentiation of a field along an axis, and the mean factor of that derivative."""
    data = list(found.data.fields.values())
    highest = 0
    factor = 0.0
    for equation in found.equations.values():
        plain = [c / term.factor for c, term in zip(equation.coefficients, equation.library, strict=True)]
        for c, term in zip(plain, equation.library, strict=True):
            order = term.order[place] if term.powers[number] else 0
            size = c * float(term.slope(data, number).mean())
            if order > highest:
                highest = order
                factor = size
            elif order == highest:
                factor += size
    return highest, factor


def _equation(found: FieldEquations) -> Callable[..., tuple[Tensor, ...]]:
    """The residuals as a function of the fields, by their names."""
    axes = list(found.data.axes)
    names = list(found.data.fields)

    def residuals(**fields: Any) -> tuple[Tensor, ...]:
        rows = []
        for name, equation in found.equations.items():
            residual = fields[name].derivative(*["t"] * found.order)
            for c, term in zip(equation.coefficients, equation.library, strict=True):
                residual = residual - float(c) / term.factor * term.at(fields, axes, residual)
            rows.append(residual)
        return tuple(rows)

    residuals.__signature__ = _signature(names)  # type: ignore[attr-defined]
    return residuals


def _signature(names: Sequence[str]) -> Signature:
    return Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in names])
