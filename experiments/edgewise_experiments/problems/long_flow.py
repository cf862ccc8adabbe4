"""PINNacle's NS2d-LT: a channel, twice as long as high, whose inlet pulsates, with a reference by finite elements."""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from edgewise.pde import PDE, Box, Dirichlet, Initial, Neumann, Time, laplacian
from edgewise_experiments.problems.cases import PI, Case
from edgewise_experiments.problems.reference_solutions import grid_points

END = 5.0
MOMENTS = np.array([5.0, 4.1, 3.3, 2.7, 1.9, 1.3, 0.7])
# Coefficients of the backward differentiation formulas of orders 1 and 3, new values first, and of the extrapolation.
FORMULAS = {1: ([1.0, -1.0], [1.0]), 3: ([11 / 6, -3.0, 1.5, -1 / 3], [3.0, -3.0, 1.0])}
STARTING_STEPS = (
    100  # of order 1 for each of the first two steps of order 3, for the flow starts with a jump of its rate
)


def pulse(t: float | Tensor) -> Tensor:
    """Speed in the middle of the inlet."""
    return sum(torch.sin(k * PI * torch.as_tensor(t)) for k in (1, 3, 5))


def long_flow() -> PDE:
    """PINNacle's flow to t = 5 in a channel, Reynolds number about 200; at the outlet it is normal and without stress.

    The initial pressure, which contradicts the inlet, is left out.
    """

    def flow(u, v, p, x, y, t):  # type: ignore[no-untyped-def]  # as a user writes it
        force = -torch.sin(PI * x) * torch.sin(PI * y) * torch.sin(PI * t)
        return (
            u.t + u * u.x + v * u.y + p.x - laplacian(u) / 100,
            v.t + u * v.x + v * v.y + p.y - laplacian(v) / 100 - force,
            u.x + v.y,
        )

    return PDE(
        flow,
        Box(x=(0, 2), y=(0, 1)) * Time(0, END),
        [
            Dirichlet({"u": lambda y, t: torch.sin(PI * y) * pulse(t), "v": 0.0}, on="x=0"),
            Dirichlet({"u": 0.0, "v": 0.0}, on=["y=0", "y=1"]),
            Dirichlet({"v": 0.0, "p": 0.0}, on="x=2"),
            Neumann({"u": 0.0}, on="x=2"),
            Initial({"u": 0.0, "v": 0.0}),
        ],
    )


@cache
def long_flow_elements(cells: int = 16, steps: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """The same by finite elements of degree 3 for velocities and 2 for the pressure (scikit-fem), `cells` a height.

    There are `steps` of the third backward differentiation formula in a unit of time, with one factorisation; what the
    flow carries along is extrapolated. Cells are narrower at walls, and most so at inlet and outlet, where layers are.
    """
    from skfem import Basis, BilinearForm, ElementTriP2, ElementTriP3, ElementVector, LinearForm, MeshTri
    from skfem.helpers import ddot, div, dot, grad, mul

    lines = [
        np.sin(part * PI * np.linspace(-1, 1, count + 1)) / np.sin(part * PI)
        for count, part in ((2 * cells, 0.48), (cells, 0.4))
    ]
    mesh = MeshTri.init_tensor(1 + lines[0], (1 + lines[1]) / 2)
    velocity = Basis(mesh, ElementVector(ElementTriP3()), intorder=8)
    pressure = velocity.with_element(ElementTriP2())
    stiff = BilinearForm(lambda u, v, _: ddot(grad(u), grad(v)) / 100).assemble(velocity)
    mass = BilinearForm(lambda u, v, _: dot(u, v)).assemble(velocity)
    divergence = BilinearForm(lambda u, q, _: -div(u) * q).assemble(velocity, pressure)
    carrying = LinearForm(lambda v, w: dot(mul(grad(w["a"]), w["a"]), v))
    force = LinearForm(lambda v, w: -np.sin(PI * w.x[0]) * np.sin(PI * w.x[1]) * v[1]).assemble(velocity)

    count, at = velocity.N, velocity.doflocs
    is_second = velocity.project(lambda x: np.stack([0 * x[0], 1 + 0 * x[0]])) > 0.5
    outlet = mesh.facets_satisfying(lambda x: np.isclose(x[0], 2), boundaries_only=True)
    walls = velocity.get_dofs(np.setdiff1d(mesh.boundary_facets(), outlet)).flatten()
    ends = velocity.get_dofs(outlet).flatten()
    fixed = np.union1d(walls, ends[is_second[ends]])
    free = np.setdiff1d(np.arange(count + pressure.N), fixed)
    profile = np.where((at[0] == 0) & ~is_second, np.sin(PI * at[1]), 0.0)
    places = grid_points(2 * (np.arange(40) + 0.5) / 40, (np.arange(20) + 0.5) / 20)
    probes = velocity.probes(places.T), pressure.probes(places.T)

    def stepper(order: int, step: float):  # type: ignore[no-untyped-def]
        weights, ahead = FORMULAS[order]
        whole = sparse.bmat([[weights[0] / step * mass + stiff, divergence.T], [divergence, None]]).tocsc()
        factors, known = splu(whole[free][:, free]), whole[free][:, fixed]

        def advance(past: deque[np.ndarray], moment: float) -> np.ndarray:
            speed = sum(w * each[:count] for w, each in zip(ahead, past, strict=False))
            old = sum(w * each[:count] for w, each in zip(weights[1:], past, strict=False))
            rhs = np.zeros(len(past[0]))
            carried = carrying.assemble(velocity, a=velocity.interpolate(speed))
            rhs[:count] = np.sin(PI * moment) * force - carried - mass @ old / step
            new = np.zeros(len(rhs))
            new[:count] = profile * float(pulse(moment))
            new[free] = factors.solve(rhs[free] - known @ new[fixed])
            return new

        return advance

    zero = np.zeros(count + pressure.N)
    past, step = deque([zero], maxlen=3), 1 / steps
    begin = stepper(1, step / STARTING_STEPS)
    slow = deque([zero], maxlen=1)
    for number in range(1, 2 * STARTING_STEPS + 1):
        slow.appendleft(begin(slow, number * step / STARTING_STEPS))
        if number % STARTING_STEPS == 0:
            past.appendleft(slow[0])
    advance, found = stepper(3, step), dict[int, np.ndarray]()
    wanted = {round(moment * steps): number for number, moment in enumerate(MOMENTS)}
    for number in range(3, round(END * steps) + 1):
        past.appendleft(advance(past, number * step))
        if number in wanted:
            speeds = (probes[0] @ past[0][:count]).reshape(2, -1)
            found[wanted[number]] = np.stack([*speeds, probes[1] @ past[0][count:]], 1)
    points = np.concatenate([np.column_stack([places, np.full(len(places), moment)]) for moment in MOMENTS])
    return points, np.concatenate([found[number] for number in range(len(MOMENTS))])


LONG_CASES = (
    Case(
        "pulsating channel (NS2d-LT)",
        "Navier-Stokes, Re about 200, in a channel whose inlet pulsates, t to 5",
        long_flow,
        long_flow_elements,
    ),
)
