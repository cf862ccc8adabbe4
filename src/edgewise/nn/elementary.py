"""The elementary functions that an edge can be replaced by: one row each, with domain, complexity and derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.bessel import bessel_j0

Function = Callable[[Tensor], Tensor]
Derivatives = Callable[[Tensor, int], list[Tensor]]


@dataclass(frozen=True)
class Elementary:
    """One function f of one variable, with all that a formula search needs to know about it.

    Parameters
    ----------
    name : str
        Short name, unique in its table.
    function : callable
        Maps a tensor x to f(x), element by element; differentiable by autograd.
    text : str
        f in terms of x, in the syntax of formulas, for example "exp(-x**2)".
    complexity : int
        Complexity that f adds to a formula: 0 for constants and x, 1 for the most common functions and powers, 2 for
        the others.
    low, high : float
        Ends of the interval on which f is real. They belong to the interval unless `open_ends` is true.
    open_ends : bool
        Whether f is undefined at `low` and `high`.
    pole : float, optional
        A point inside the interval where f is infinite or jumps.
    period : float
        Distance at which the pole repeats; 0 for a single pole.
    derivatives : callable, optional
        Maps (x, order) to the list [f(x), f'(x), ..., f^(order)(x)]. Without it, autograd computes the derivatives.

    Examples
    --------
    >>> ELEMENTARY["log"].domain
    'x > 0'
    >>> ELEMENTARY["1/x"].allows(-1.0, 1.0)
    False
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
        """Return whether f is defined and smooth on all of [low, high]: inside its domain and without a pole."""
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
        """The set on which f is defined, as text: "x > 0"."""
        less = "<" if self.open_ends else "<="
        if self.low > -math.inf and self.high < math.inf:
            return f"{self.low:g} {less} x {less} {self.high:g}"
        if self.low > -math.inf:
            return f"x {less.replace('<', '>')} {self.low:g}"
        if self.pole is None:
            return "every x"
        if self.period:
            return f"x not at {self.pole:g} + k * {self.period:g}"
        return f"x not at {self.pole:g}"

    def jet_derivatives(self, x: Tensor, order: int) -> list[Tensor]:
        """Compute f, f', ..., f^(order) at x; each has the shape of x and is differentiable."""
        # The function's own derivatives, else repeated automatic differentiation.
        if self.derivatives is not None:
            return self.derivatives(x, order)
        results = [self.function(x)]
        if order:
            with torch.enable_grad():
                if x.requires_grad:
                    point = x
                else:
                    point = x.detach().requires_grad_()
                value = self.function(point)
                for _ in range(order):
                    (value,) = torch.autograd.grad(value.sum(), point, create_graph=True)
                    results.append(value if x.requires_grad else value.detach())
        return results


class FunctionTable(Mapping[str, Elementary]):
    """Read-only table of elementary functions by name.

    Parameters
    ----------
    rows : iterable of Elementary
        The functions, in the order in which searches try them.
    name : str
        Text that `repr` shows instead of the list of function names.

    Raises
    ------
    InputError
        If two rows have the same name.

    Examples
    --------
    Add a function to the standard table:

    >>> softplus = Elementary("softplus", torch.nn.functional.softplus, "log(1 + exp(x))", 2)
    >>> table = FunctionTable([*ELEMENTARY.values(), softplus])
    >>> len(table) - len(ELEMENTARY)
    1
    """

    def __init__(self, rows: Iterable[Elementary], name: str = "") -> None:
        self._rows: dict[str, Elementary] = {}
        for row in rows:
            if row.name in self._rows:
                raise InputError(f"rows must have different names, got {row.name!r} twice")
            self._rows[row.name] = row
        self._name = name

    def __getitem__(self, name: str) -> Elementary:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return self._name or f"FunctionTable({', '.join(self._rows)})"


def _power(x: Tensor, *, exponent: float) -> Tensor:
    if exponent == 0.5:
        return x.sqrt()
    if exponent == -0.5:
        return x.rsqrt()
    if exponent < 0 and exponent % 1 == 0:
        return 1 / x**-exponent
    return x**exponent


def _power_derivatives(x: Tensor, order: int, *, exponent: float) -> list[Tensor]:
    results = [_power(x, exponent=exponent)]
    factor = 1.0
    for k in range(order):
        factor *= exponent - k
        if factor == 0:
            return results + [torch.zeros_like(x)] * (order - k)
        results.append(factor * _power(x, exponent=exponent - k - 1))
    return results


def _log(x: Tensor, order: int) -> list[Tensor]:
    results = [x.log()]
    if order:
        results += _power_derivatives(x, order - 1, exponent=-1)
    return results


def _cycle(*values: tuple[float, Function]) -> Derivatives:
    """Return derivatives that repeat in a cycle of (factor, function), as those of the sine and of exp do."""
    return partial(_derivatives_of_cycle, values=values)


def _derivatives_of_cycle(x: Tensor, order: int, *, values: tuple[tuple[float, Function], ...]) -> list[Tensor]:
    return [factor * function(x) for factor, function in islice(cycle(values), order + 1)]


def _kinked(x: Tensor, order: int, *, sign: bool) -> list[Tensor]:
    zeros = [torch.zeros_like(x)] * order
    if sign:
        return [x.sign(), *zeros]
    return [x.abs(), x.sign(), *zeros][: order + 1]


def _of_slope(x: Tensor, order: int, *, function: Function, square: float) -> list[Tensor]:
    """Compute f, f', ... where f' = 1 + square * f^2: tan for 1, tanh for -1. Each is a polynomial in f."""
    value = function(x)
    results = [value]
    polynomial = [0.0, 1.0]
    for _ in range(order):
        # The chain rule: the derivative of the polynomial, times 1 + square * f^2.
        slope = [k * c for k, c in enumerate(polynomial)][1:]
        shifted = [0.0, 0.0, *(square * c for c in slope)]
        polynomial = [a + b for a, b in zip([*slope, 0.0, 0.0], shifted, strict=True)]
        derivative = torch.zeros_like(value)
        for k, c in enumerate(polynomial):
            derivative = derivative + c * value**k
        results.append(derivative)
    return results


def _of_rational_slope(x: Tensor, order: int, *, function: Function, square: float) -> list[Tensor]:
    """Compute f, f', ... where f' = 1/q, q = 1 + square * x^2, by Leibniz' rule for q f' = 1: arctan 1, artanh -1."""
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
    return [function(x), *slopes]


def _arc(x: Tensor, order: int, *, function: Function, sign: float) -> list[Tensor]:
    """Compute arcsin or arccos and derivatives, (1 - x^2) f^(n+2) = (2n + 1) x f^(n+1) + n^2 f^(n)."""
    results = [function(x)]
    rest = 1 - x.square()
    if order:
        results.append(sign * rest.rsqrt())
    for n in range(order - 1):
        results.append(((2 * n + 1) * x * results[n + 1] + (n * n * results[n] if n else 0.0)) / rest)
    return results


def _gaussian_function(x: Tensor) -> Tensor:
    return (-x.square()).exp()


def _gaussian(x: Tensor, order: int) -> list[Tensor]:
    """Compute the Gaussian and its derivatives, f^(n+1) = -2 x f^(n) - 2 n f^(n-1)."""
    results = [_gaussian_function(x)]
    for n in range(order):
        derivative = -2 * x * results[n]
        if n:
            derivative = derivative - 2 * n * results[n - 1]
        results.append(derivative)
    return results


def _sech_function(x: Tensor) -> Tensor:
    return 1 / x.cosh()


def _sech(x: Tensor, order: int) -> list[Tensor]:
    """Compute 1/cosh and its derivatives by Leibniz' rule for cosh * f = 1."""
    results = [_sech_function(x)]
    hyperbolic = (x.cosh(), x.sinh())
    for n in range(1, order + 1):
        rest = torch.zeros_like(x)
        for k in range(1, n + 1):
            rest = rest + math.comb(n, k) * hyperbolic[k % 2] * results[n - k]
        results.append(-rest * results[0])
    return results


def _j0(x: Tensor, order: int) -> list[Tensor]:
    return [bessel_j0(x, k) for k in range(order + 1)]


def _power_row(name: str, exponent: float, text: str, complexity: int = 1) -> Elementary:
    whole = exponent % 1 == 0
    negative = exponent < 0
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


ELEMENTARY = FunctionTable(
    [
        Elementary("0", torch.zeros_like, "0", 0, derivatives=_cycle((1, torch.zeros_like))),
        _power_row("x", 1, "x", 0),
        *(_power_row(f"x^{n}", n, f"x**{n}", 1 if n < 4 else 2) for n in range(2, 6)),
        _power_row("1/x", -1, "1/x"),
        *(_power_row(f"1/x^{n}", -n, f"x**-{n}", 1 if n < 3 else 2) for n in range(2, 6)),
        _power_row("sqrt", 0.5, "sqrt(x)"),
        _power_row("x^1.5", 1.5, "x**1.5", 2),
        _power_row("1/sqrt", -0.5, "1/sqrt(x)", 2),
        _power_row("1/x^1.5", -1.5, "x**-1.5", 2),
        Elementary("exp", torch.exp, "exp(x)", derivatives=_cycle((1, torch.exp))),
        Elementary("log", torch.log, "log(x)", low=0.0, open_ends=True, derivatives=_log),
        Elementary("abs", torch.abs, "abs(x)", derivatives=partial(_kinked, sign=False)),
        Elementary("sgn", torch.sign, "sign(x)", 2, derivatives=partial(_kinked, sign=True)),
        Elementary(
            "sin",
            torch.sin,
            "sin(x)",
            derivatives=_cycle((1, torch.sin), (1, torch.cos), (-1, torch.sin), (-1, torch.cos)),
        ),
        Elementary(
            "cos",
            torch.cos,
            "cos(x)",
            derivatives=_cycle((1, torch.cos), (-1, torch.sin), (-1, torch.cos), (1, torch.sin)),
        ),
        Elementary(
            "tan",
            torch.tan,
            "tan(x)",
            2,
            pole=math.pi / 2,
            period=math.pi,
            derivatives=partial(_of_slope, function=torch.tan, square=1.0),
        ),
        Elementary("tanh", torch.tanh, "tanh(x)", derivatives=partial(_of_slope, function=torch.tanh, square=-1.0)),
        Elementary("sinh", torch.sinh, "sinh(x)", 2, derivatives=_cycle((1, torch.sinh), (1, torch.cosh))),
        Elementary("cosh", torch.cosh, "cosh(x)", 2, derivatives=_cycle((1, torch.cosh), (1, torch.sinh))),
        Elementary("1/cosh", _sech_function, "1/cosh(x)", 2, derivatives=_sech),
        Elementary(
            "arcsin",
            torch.asin,
            "asin(x)",
            2,
            low=-1.0,
            high=1.0,
            derivatives=partial(_arc, function=torch.asin, sign=1.0),
        ),
        Elementary(
            "arccos",
            torch.acos,
            "acos(x)",
            2,
            low=-1.0,
            high=1.0,
            derivatives=partial(_arc, function=torch.acos, sign=-1.0),
        ),
        Elementary(
            "arctan", torch.atan, "atan(x)", 2, derivatives=partial(_of_rational_slope, function=torch.atan, square=1.0)
        ),
        Elementary(
            "arctanh",
            torch.atanh,
            "atanh(x)",
            2,
            low=-1.0,
            high=1.0,
            open_ends=True,
            derivatives=partial(_of_rational_slope, function=torch.atanh, square=-1.0),
        ),
        Elementary("gaussian", _gaussian_function, "exp(-x**2)", 2, derivatives=_gaussian),
        Elementary("J0", bessel_j0, "besselj0(x)", 2, derivatives=_j0),
    ],
    name="ELEMENTARY",
)
