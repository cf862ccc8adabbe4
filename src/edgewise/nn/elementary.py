"""The elementary functions that an edge can be snapped to: one row each, with domain, complexity and derivatives."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.bessel import bessel_j0

Function = Callable[[Tensor], Tensor]
Derivatives = Callable[[Tensor, int], list[Tensor]]


@dataclass(frozen=True)
class Elementary:
    """One function of one variable.

    name: short and unique in its table.
    function: x -> f(x), element by element, differentiable by autograd.
    text: f in terms of x as `interpret.expression.parse` reads it: "exp(-x**2)".
    complexity: what it adds to a formula: 1 for a function or a power people write without thinking, 2 for others.
    low, high: the ends of the interval where it is real; they belong to it unless `open_ends`.
    pole: a point within that interval where it is infinite or jumps, or None.
    period: the poles repeat with it; 0 for a single one.
    derivatives: (x, order) -> [f, f', ... f^(order)]; None leaves them to autograd.
    """

    name: str
    function: Function
    text: str
    complexity: int = 1
    low: float = -math.inf
    high: float = math.inf
    open_ends: bool = False
    pole: float | None = None
    period: float = 0.0
    derivatives: Derivatives | None = None

    def allows(self, low: float, high: float) -> bool:
        """Whether it is defined and smooth on all of [low, high]: within its domain, without a pole."""
        if self.open_ends and not (self.low < low and high < self.high):
            return False
        if not (self.low <= low and high <= self.high):
            return False
        if self.pole is None:
            return True
        if self.period:  # the first pole at or after low
            return self.pole + self.period * math.ceil((low - self.pole) / self.period) > high
        return not low <= self.pole <= high

    @property
    def domain(self) -> str:
        """Where it is defined, in words: "x > 0"."""
        less = "<" if self.open_ends else "<="
        if self.low > -math.inf and self.high < math.inf:
            return f"{self.low:g} {less} x {less} {self.high:g}"
        if self.low > -math.inf:
            return f"x {less.replace('<', '>')} {self.low:g}"
        if self.pole is None:
            return "every x"
        return f"x not at {self.pole:g}" + (f" + k * {self.period:g}" if self.period else "")

    def jet_derivatives(self, x: Tensor, order: int) -> list[Tensor]:
        """f, f', ... f^(order) at x, each in its shape; differentiable."""
        if self.derivatives is not None:
            return self.derivatives(x, order)
        found = [self.function(x)]
        if order:
            with torch.enable_grad():
                point = x if x.requires_grad else x.detach().requires_grad_()
                value = self.function(point)
                for _ in range(order):
                    (value,) = torch.autograd.grad(value.sum(), point, create_graph=True)
                    found.append(value if x.requires_grad else value.detach())
        return found


def table(rows: Iterable[Elementary]) -> Mapping[str, Elementary]:
    """Rows by their names; `{**ELEMENTARY, **table([mine])}` adds one's own.

    Raises:
        InputError: a name comes twice.
    """
    found: dict[str, Elementary] = {}
    for row in rows:
        if row.name in found:
            raise InputError(f"rows must have names of their own, got {row.name!r} twice")
        found[row.name] = row
    return MappingProxyType(found)


def _power(x: Tensor, *, exponent: float) -> Tensor:
    if exponent == 0.5:
        return x.sqrt()
    if exponent == -0.5:
        return x.rsqrt()
    return x**exponent if exponent >= 0 or exponent % 1 else 1 / x**-exponent


def _power_derivatives(x: Tensor, order: int, *, exponent: float) -> list[Tensor]:
    found, factor = [_power(x, exponent=exponent)], 1.0
    for k in range(order):
        factor *= exponent - k
        if factor == 0:
            return found + [torch.zeros_like(x)] * (order - k)
        found.append(factor * _power(x, exponent=exponent - k - 1))
    return found


def _exp(x: Tensor, order: int) -> list[Tensor]:
    return [x.exp()] * (order + 1)


def _log(x: Tensor, order: int) -> list[Tensor]:
    return [x.log(), *(-math.factorial(k - 1) * _power(-x, exponent=-k) for k in range(1, order + 1))]


def _cycle(x: Tensor, order: int, *, values: tuple[tuple[float, Function], ...]) -> list[Tensor]:
    """Functions whose derivatives repeat."""
    return [values[k % len(values)][0] * values[k % len(values)][1](x) for k in range(order + 1)]


def _kinked(x: Tensor, order: int, *, sign: bool) -> list[Tensor]:
    zeros = [torch.zeros_like(x)] * order
    return [x.sign(), *zeros] if sign else [x.abs(), x.sign(), *zeros][: order + 1]


def _of_slope(value: Tensor, order: int, *, square: float) -> list[Tensor]:
    """f, f', ... where f' = 1 + square * f^2: tan for 1, tanh for -1. Each is a polynomial in f."""
    found, polynomial = [value], [0.0, 1.0]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(polynomial)][1:]
        polynomial = [
            (slope[k] if k < len(slope) else 0.0) + (square * slope[k - 2] if k >= 2 else 0.0)
            for k in range(len(slope) + 2)
        ]
        found.append(sum(c * value**k for k, c in enumerate(polynomial)) + torch.zeros_like(value))
    return found


def _tan(x: Tensor, order: int) -> list[Tensor]:
    return _of_slope(x.tan(), order, square=1.0)


def _tanh(x: Tensor, order: int) -> list[Tensor]:
    return _of_slope(x.tanh(), order, square=-1.0)


def _of_rational_slope(x: Tensor, order: int, *, function: Function, square: float) -> list[Tensor]:
    """f with f' = 1/q, q = 1 + square * x^2, by Leibniz' rule for q f' = 1: arctan for 1, artanh for -1."""
    found = [function(x)]
    quadratic = 1 + square * x.square()
    slopes: list[Tensor] = []
    for n in range(order):
        if n == 0:
            slopes.append(1 / quadratic)
            continue
        rest = 2 * square * x * n * slopes[n - 1]
        if n > 1:
            rest = rest + n * (n - 1) * square * slopes[n - 2]
        slopes.append(-rest / quadratic)
    return found + slopes


def _arc(x: Tensor, order: int, *, function: Function, sign: float) -> list[Tensor]:
    """arcsin and arccos: (1 - x^2) f^(n+2) = (2n + 1) x f^(n+1) + n^2 f^(n), from (1 - x^2) f'' = x f'."""
    found = [function(x)]
    rest = 1 - x.square()
    if order:
        found.append(sign * rest.rsqrt())
    for n in range(order - 1):
        found.append(((2 * n + 1) * x * found[n + 1] + (n * n * found[n] if n else 0.0)) / rest)
    return found


def _gaussian_function(x: Tensor) -> Tensor:
    return (-x.square()).exp()


def _gaussian(x: Tensor, order: int) -> list[Tensor]:
    """f^(n+1) = -2 x f^(n) - 2 n f^(n-1)."""
    found = [_gaussian_function(x)]
    for n in range(order):
        found.append(-2 * x * found[n] - (2 * n * found[n - 1] if n else 0.0))
    return found


def _sech_function(x: Tensor) -> Tensor:
    return 1 / x.cosh()


def _sech(x: Tensor, order: int) -> list[Tensor]:
    """By Leibniz' rule for cosh * f = 1."""
    found = [_sech_function(x)]
    hyperbolic = (x.cosh(), x.sinh())
    for n in range(1, order + 1):
        rest = sum(math.comb(n, k) * hyperbolic[k % 2] * found[n - k] for k in range(1, n + 1))
        found.append(-rest * found[0])
    return found


def _j0(x: Tensor, order: int) -> list[Tensor]:
    return [bessel_j0(x, k) for k in range(order + 1)]


def _zero(x: Tensor, order: int) -> list[Tensor]:
    return [torch.zeros_like(x)] * (order + 1)


def _power_row(name: str, exponent: float, text: str, complexity: int = 1) -> Elementary:
    whole, negative = exponent % 1 == 0, exponent < 0
    return Elementary(
        name,
        partial(_power, exponent=exponent),
        text,
        complexity,
        low=-math.inf if whole else 0.0,
        open_ends=negative and not whole,
        pole=0.0 if negative and whole else None,
        derivatives=partial(_power_derivatives, exponent=exponent),
    )


def _rows() -> Iterable[Elementary]:
    yield Elementary("0", torch.zeros_like, "0", 0, derivatives=_zero)
    yield _power_row("x", 1, "x", 0)
    for n in range(2, 6):
        yield _power_row(f"x^{n}", n, f"x**{n}", 1 if n < 4 else 2)
    yield _power_row("1/x", -1, "1/x")
    for n in range(2, 6):
        yield _power_row(f"1/x^{n}", -n, f"x**-{n}", 1 if n < 3 else 2)
    yield _power_row("sqrt", 0.5, "sqrt(x)")
    yield _power_row("x^1.5", 1.5, "x**1.5", 2)
    yield _power_row("1/sqrt", -0.5, "1/sqrt(x)", 2)
    yield _power_row("1/x^1.5", -1.5, "x**-1.5", 2)
    yield Elementary("exp", torch.exp, "exp(x)", derivatives=_exp)
    yield Elementary("log", torch.log, "log(x)", low=0.0, open_ends=True, derivatives=_log)
    yield Elementary("abs", torch.abs, "abs(x)", derivatives=partial(_kinked, sign=False))
    yield Elementary("sgn", torch.sign, "sign(x)", 2, derivatives=partial(_kinked, sign=True))
    sin, cos = (1.0, torch.sin), (1.0, torch.cos)
    minus_sin, minus_cos = (-1.0, torch.sin), (-1.0, torch.cos)
    yield Elementary("sin", torch.sin, "sin(x)", derivatives=partial(_cycle, values=(sin, cos, minus_sin, minus_cos)))
    yield Elementary("cos", torch.cos, "cos(x)", derivatives=partial(_cycle, values=(cos, minus_sin, minus_cos, sin)))
    yield Elementary("tan", torch.tan, "tan(x)", 2, pole=math.pi / 2, period=math.pi, derivatives=_tan)
    yield Elementary("tanh", torch.tanh, "tanh(x)", derivatives=_tanh)
    sinh, cosh = (1.0, torch.sinh), (1.0, torch.cosh)
    yield Elementary("sinh", torch.sinh, "sinh(x)", 2, derivatives=partial(_cycle, values=(sinh, cosh)))
    yield Elementary("cosh", torch.cosh, "cosh(x)", 2, derivatives=partial(_cycle, values=(cosh, sinh)))
    yield Elementary("1/cosh", _sech_function, "1/cosh(x)", 2, derivatives=_sech)
    for name, function, sign in (("arcsin", torch.asin, 1.0), ("arccos", torch.acos, -1.0)):
        text = {"arcsin": "asin(x)", "arccos": "acos(x)"}[name]
        arc = partial(_arc, function=function, sign=sign)
        yield Elementary(name, function, text, 2, low=-1.0, high=1.0, derivatives=arc)
    arctan = partial(_of_rational_slope, function=torch.atan, square=1.0)
    yield Elementary("arctan", torch.atan, "atan(x)", 2, derivatives=arctan)
    artanh = partial(_of_rational_slope, function=torch.atanh, square=-1.0)
    yield Elementary("arctanh", torch.atanh, "atanh(x)", 2, low=-1.0, high=1.0, open_ends=True, derivatives=artanh)
    yield Elementary("gaussian", _gaussian_function, "exp(-x**2)", 2, derivatives=_gaussian)
    yield Elementary("J0", bessel_j0, "besselj0(x)", 2, derivatives=_j0)


ELEMENTARY: Mapping[str, Elementary] = table(_rows())
