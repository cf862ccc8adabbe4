"""Named equations on which solvers are compared, with domain, conditions, and the solution where it is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from edgewise.checks import unknown_name
from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Domain,
    Field,
    Initial,
    Interval,
    LShape,
    Observations,
    Periodic,
    Time,
    laplacian,
)
from edgewise.settings import ABOVE_ZERO

PI = math.pi
SQUARE = Box(x=(-1, 1), y=(-1, 1))
LINE = Interval(0, 1) * Time(0, 1)


@dataclass(frozen=True)
class Equation:
    """An equation, with a sentence that states it and a function that makes a new problem."""

    name: str
    statement: str
    make: Callable[[], PDE]


def known(equation: Callable, domain: Domain, solution: Callable | dict[str, Callable]) -> PDE:
    """An equation whose solution is known, and given at the boundary."""
    return PDE(equation, domain, [Dirichlet(solution)], solution=solution)


def named_equation(name: str) -> Equation:
    """Find an equation of the library."""
    equations = {equation.name: equation for equation in EQUATIONS}
    if name not in equations:
        raise InputError(f"there is no equation named {name!r:.60}; {unknown_name(str(name), equations)}")
    return equations[name]


def poisson_source(x: Tensor, y: Tensor) -> Tensor:
    """Right-hand side f of the Poisson problem of the KAN paper (Liu et al., arXiv 2404.19756, section 3.3).

    Its solution is sin(pi x) sin(pi y^2): the paper prints sin(pi x) sin(pi y), whose Laplacian is another.
    """
    wave = torch.sin(PI * x) * torch.sin(PI * y**2)
    return -(PI**2) * (1 + 4 * y**2) * wave + 2 * PI * torch.sin(PI * x) * torch.cos(PI * y**2)


def poisson_solution(x: Tensor, y: Tensor) -> Tensor:
    """Solution of the Poisson problem with the right-hand side `poisson_source`."""
    return torch.sin(PI * x) * torch.sin(PI * y**2)


def poisson(domain: Domain = SQUARE) -> PDE:
    """Poisson problem of the KAN paper on any domain."""
    return known(lambda u, x, y: u.xx + u.yy - poisson_source(x, y), domain, poisson_solution)


def corner(x: Tensor, y: Tensor) -> Tensor:
    """r^(2/3) sin(2 angle / 3), harmonic, zero on both sides of the reentrant corner at 0."""
    radius = (x**2 + y**2).clamp(min=ABOVE_ZERO)
    angle = torch.atan2(y, x) % (2 * PI)
    return radius ** (1 / 3) * torch.sin(2 / 3 * angle)


def helmholtz() -> PDE:
    """Helmholtz equation on a square."""

    def wave(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(PI * x) * torch.sin(4 * PI * y)

    return PDE(lambda u, x, y: u.xx + u.yy + u - (1 - 17 * PI**2) * wave(x, y), SQUARE, [Dirichlet(0.0)], solution=wave)


def heat() -> PDE:
    """Heat equation on a rod."""
    return PDE(
        lambda u: u.t - 0.1 * u.xx,
        LINE,
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-0.1 * PI**2 * t) * torch.sin(PI * x),
    )


def wave(periods: float = 0.5) -> PDE:
    """Wave equation on a string, a standing wave over so many periods."""
    return PDE(
        lambda u: u.tt - u.xx,
        Interval(0, 1) * Time(0, 2 * periods),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x), rate=0.0)],
        solution=lambda x, t: torch.sin(PI * x) * torch.cos(PI * t),
    )


def advection() -> PDE:
    """Advection of a wave."""
    return PDE(
        lambda u: u.t + u.x,
        LINE,
        [Dirichlet(lambda t: torch.sin(-2 * PI * t), on="x=0"), Initial(lambda x: torch.sin(2 * PI * x))],
        solution=lambda x, t: torch.sin(2 * PI * (x - t)),
    )


def burgers_solution(x: Tensor, t: Tensor, viscosity: float = 0.01 / PI) -> Tensor:
    """Solution of Burgers' equation with u = -sin(pi x) at the start, by Cole and Hopf's transformation.

    The equation is u_t + u u_x = viscosity u_xx with u = 0 at x = -1 and x = 1 [1]_; the integrals of [2]_, eq. (2),
    are computed by the trapezoidal rule.

    References
    ----------
    .. [1] E. Hopf, "The partial differential equation u_t + u u_x = mu u_xx", Comm. Pure Appl. Math. 3 (1950) 201.
    .. [2] C. Basdevant et al., "Spectral and finite difference solutions of the Burgers equation", Computers and Fluids
       14 (1986) 23.
    """
    # The integrand is exp(-s^2 + at most 100), below rounding beyond 12; the trapezoidal rule converges exponentially.
    nodes = torch.linspace(-12, 12, 481, dtype=x.dtype)
    place = x[..., None] - nodes * (4 * viscosity * t.clamp(min=0))[..., None].sqrt()
    exponent = -torch.cos(PI * place) / (2 * PI * viscosity) - nodes**2
    kernel = torch.exp(exponent - exponent.detach().amax(-1, keepdim=True))
    return -(kernel * torch.sin(PI * place)).sum(-1) / kernel.sum(-1)


def burgers() -> PDE:
    """Burgers' equation of viscosity 0.01 / pi, with its solution."""
    return PDE(
        lambda u: u.t + u * u.x - 0.01 / PI * u.xx,
        Interval(-1, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: -torch.sin(PI * x))],
        solution=burgers_solution,
    )


def allen_cahn(diffusion: float = 1e-4) -> PDE:
    """Allen-Cahn equation with a periodic coordinate; the solution is not known in closed form."""
    return PDE(
        lambda u: u.t - diffusion * u.xx - 5 * (u - u**3),
        Interval(-1, 1) * Time(0, 1),
        [Periodic("x"), Initial(lambda x: x**2 * torch.cos(PI * x))],
    )


def solitons(x: Tensor, t: Tensor) -> Tensor:
    """Two solitons of the Korteweg-de Vries equation u_t + 6 u u_x + u_xxx = 0, with k = 1 and l = 1.5.

    By R. Hirota, Phys. Rev. Lett. 27 (1971) 1192: u = 2 (log F)_xx with
    F = 1 + e^a + e^b + ((k - l) / (k + l))^2 e^(a + b), a = k (x + 2) - k^3 t, b = l (x + 6) - l^3 t.
    """
    k = 1.0
    l = 1.5
    a = k * (x + 2) - k**3 * t
    b = l * (x + 6) - l**3 * t
    shared = ((k - l) / (k + l)) ** 2
    one = torch.exp(a)
    two = torch.exp(b)
    both = shared * torch.exp(a + b)
    total = 1 + one + two + both
    slope = k * one + l * two + (k + l) * both
    curvature = k**2 * one + l**2 * two + (k + l) ** 2 * both
    return 2 * (curvature * total - slope**2) / total**2


def _soliton_slope(x: Tensor, t: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(solitons(x, t).sum(), x)[0]


def kdv() -> PDE:
    """Korteweg-de Vries equation with two solitons, its solution."""
    return PDE(
        lambda u: u.t + 6 * u * u.x + u.xxx,
        Interval(-12, 12) * Time(0, 4),
        [
            Dirichlet(solitons),
            Condition(lambda u, x, t: u.x - _soliton_slope(x, t), on="x=12"),
            Initial(lambda x: solitons(x, torch.zeros_like(x))),
        ],
        solution=solitons,
    )


def sine_gordon() -> PDE:
    """Sine-Gordon equation with a breather, its solution."""

    def breather(x: Tensor, t: Tensor) -> Tensor:
        """4 arctan(tan(a) sin(t cos a) / cosh(x sin a)), a = pi / 4."""
        a = PI / 4
        return 4 * torch.atan(math.tan(a) * torch.sin(math.cos(a) * t) / torch.cosh(math.sin(a) * x))

    def rate(x: Tensor) -> Tensor:
        a = PI / 4
        return 4 * math.tan(a) * math.cos(a) / torch.cosh(math.sin(a) * x)

    return PDE(
        lambda u: u.tt - u.xx + torch.sin(u),
        Interval(-5, 5) * Time(0, 5),
        [Dirichlet(breather), Initial(0.0, rate=rate)],
        solution=breather,
    )


def nonlinear_poisson() -> PDE:
    """Nonlinear Poisson equation on a square, with its solution."""

    def bump(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(PI * x) * torch.cos(PI * y / 2) * torch.exp(x * y / 2)

    def source(x: Tensor, y: Tensor) -> Tensor:
        s = torch.sin(PI * x)
        c = torch.cos(PI * y / 2)
        e = torch.exp(x * y / 2)
        xx = (-(PI**2) * s + PI * y * torch.cos(PI * x) + y**2 / 4 * s) * c * e
        yy = (-(PI**2) / 4 * c - PI / 2 * x * torch.sin(PI * y / 2) + x**2 / 4 * c) * s * e
        return xx + yy - torch.exp(bump(x, y))

    return known(lambda u, x, y: u.xx + u.yy - torch.exp(u) - source(x, y), SQUARE, bump)


def biharmonic() -> PDE:
    """Biharmonic equation of a supported plate, with its solution."""

    def plate(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(PI * x) * torch.sin(PI * y)

    return PDE(
        lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - 4 * PI**4 * plate(x, y),
        Box(x=(0, 1), y=(0, 1)),
        [Dirichlet(0.0), Condition(laplacian)],
        solution=plate,
    )


def cavity() -> PDE:
    """Lid-driven flow; the velocity of the lid is u = 16 x^2 (1 - x)^2, so that there is no jump at the corners."""
    reynolds = 100.0

    def flow(u: Field, v: Field, p: Field) -> tuple[Tensor, ...]:
        return (
            u * u.x + v * u.y + p.x - laplacian(u) / reynolds,
            u * v.x + v * v.y + p.y - laplacian(v) / reynolds,
            u.x + v.y,
        )

    origin = Observations(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.float64), "p")
    return PDE(
        flow,
        Box(x=(0, 1), y=(0, 1)),
        [
            Dirichlet({"u": 0.0, "v": 0.0}, on=["x=0", "x=1", "y=0"]),
            Dirichlet({"u": lambda x: 16 * x**2 * (1 - x) ** 2, "v": 0.0}, on="y=1"),
            origin,
        ],
    )


def poisson_sum(dimension: int) -> PDE:
    """Poisson equation on the cube [0, 1]^n whose solution is a sum of functions of one coordinate."""

    def waves(points: Tensor) -> Tensor:
        return torch.sin(PI / 2 * points).sum(1)

    return known(lambda u, points: laplacian(u) + PI**2 / 4 * waves(points), Box.cube(dimension), waves)


def poisson_product(dimension: int) -> PDE:
    """Poisson equation on the cube [-1, 1]^n whose solution is a product of functions of one coordinate."""

    def waves(points: Tensor) -> Tensor:
        return torch.cos(PI / 4 * points).prod(1)

    curvature = dimension * PI**2 / 16
    return known(lambda u, points: laplacian(u) + curvature * waves(points), Box.cube(dimension, -1, 1), waves)


ROBERTSON_SCALE = 1e4  # factor of the second field, which would be much smaller than the others


def robertson() -> PDE:
    """H. Robertson, "The solution of a set of reaction rate equations" (1966), in fields of size 1."""

    def reaction(u: Field, v: Field, w: Field) -> tuple[Tensor, ...]:
        slow = 0.04 * u
        both = v * w
        fast = 3e7 / ROBERTSON_SCALE**2 * v**2
        return u.t + slow - both, v.t / ROBERTSON_SCALE - slow + both + fast, w.t - fast

    return PDE(reaction, Time(0, 40), [Initial({"u": 1.0, "v": 0.0, "w": 0.0})])


def lotka_volterra() -> PDE:
    """Lotka-Volterra system of predator and prey."""
    return PDE(lambda u, v: (u.t - 1.5 * u + u * v, v.t - u * v + 3 * v), Time(0, 4), [Initial({"u": 1.0, "v": 1.0})])


def pendulum() -> PDE:
    """Pendulum of large amplitude."""
    return PDE(lambda u: u.tt + torch.sin(u), Time(0, 10), [Initial(2.0, rate=0.0)])


# coefficient, and standard deviation of the noise, of the inverse problem
TRUE_DIFFUSION = 0.3
NOISE = 0.01


def diffusion_data(seed: int = 0, count: int = 200) -> Observations:
    """Noisy values of exp(-k pi^2 t) sin(pi x), k = 0.3, at scattered points of [0, 1] x [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    values = torch.exp(-TRUE_DIFFUSION * PI**2 * x[:, 1]) * torch.sin(PI * x[:, 0])
    return Observations(x, values + NOISE * torch.randn(count, generator=generator, dtype=torch.float64))


def inverse_diffusion(seed: int = 0) -> PDE:
    """Diffusion coefficient from noisy values of the solution of the heat equation."""
    return PDE(
        lambda u, k: u.t - k * u.xx,
        LINE,
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x)), diffusion_data(seed)],
        coefficients={"k": 1.0},
        solution=lambda x, t: torch.exp(-TRUE_DIFFUSION * PI**2 * t) * torch.sin(PI * x),
    )


EQUATIONS = (
    Equation("poisson", "u_xx + u_yy = f on [-1, 1]^2, u = sin(pi x) sin(pi y^2) (the KAN paper's)", poisson),
    Equation("poisson-disk", "the same on the unit disk", lambda: poisson(Disk())),
    Equation("poisson-annulus", "the same between radii 0.5 and 1", lambda: poisson(Annulus(0.5, 1))),
    Equation(
        "poisson-corner",
        "u_xx + u_yy = 0 on an L-shape, u = r^(2/3) sin(2 angle / 3)",
        lambda: known(lambda u: u.xx + u.yy, LShape(), corner),
    ),
    Equation("helmholtz", "u_xx + u_yy + u = f on [-1, 1]^2, u = sin(pi x) sin(4 pi y)", helmholtz),
    Equation("heat", "u_t = 0.1 u_xx on [0, 1], t to 1, sin(pi x) at the start", heat),
    Equation("wave", "u_tt = u_xx on [0, 1], t to 1, sin(pi x) at rest at the start", wave),
    Equation("advection", "u_t + u_x = 0 on [0, 1], t to 1, u = sin(2 pi (x - t))", advection),
    Equation("burgers", "u_t + u u_x = 0.01/pi u_xx on [-1, 1], t to 1, -sin(pi x) at the start", burgers),
    Equation("allen-cahn", "u_t = 1e-4 u_xx + 5 (u - u^3), periodic on [-1, 1], t to 1, x^2 cos(pi x)", allen_cahn),
    Equation("kdv", "u_t + 6 u u_x + u_xxx = 0 on [-12, 12], t to 4, two solitons", kdv),
    Equation("sine-gordon", "u_tt - u_xx + sin u = 0 on [-5, 5], t to 5, a breather", sine_gordon),
    Equation("nonlinear-poisson", "u_xx + u_yy - exp(u) = f on [-1, 1]^2", nonlinear_poisson),
    Equation("biharmonic", "u_xxxx + 2 u_xxyy + u_yyyy = f on [0, 1]^2, a supported plate", biharmonic),
    Equation("cavity", "Navier-Stokes, Re 100, on [0, 1]^2 under a lid 16 x^2 (1 - x)^2", cavity),
    Equation("poisson-5d", "laplacian u = f on [-1, 1]^5, u = product of cos(pi x_i / 4)", partial(poisson_product, 5)),
    Equation("poisson-5d-sum", "laplacian u = f on [0, 1]^5, u = sum of sin(pi x_i / 2)", partial(poisson_sum, 5)),
    Equation("poisson-10d", "laplacian u = f on [0, 1]^10, u = sum of sin(pi x_i / 2)", partial(poisson_sum, 10)),
    Equation(
        "poisson-10d-product",
        "laplacian u = f on [-1, 1]^10, u = product of cos(pi x_i / 4)",
        partial(poisson_product, 10),
    ),
    Equation("robertson", "Robertson's stiff reaction, second field times 10^4, t to 40", robertson),
    Equation("lotka-volterra", "u' = 1.5 u - u v, v' = u v - 3 v, both 1 at the start, t to 4", lotka_volterra),
    Equation("pendulum", "u'' + sin u = 0, u = 2 at rest at the start, t to 10", pendulum),
    Equation("inverse-diffusion", "k of u_t = k u_xx from 200 values with noise 0.01 (truth 0.3)", inverse_diffusion),
)
