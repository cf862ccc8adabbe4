"""Penalties that are added to a loss: sparsity (L1 and entropy), roughness, bending, ridge, a strength per edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from edgewise.checks import check_number, typed
from edgewise.errors import InputError
from edgewise.nn.layers.spline import KANLayer, spline_layers
from edgewise.nn.trace import Trace
from edgewise.ops.splines import lstsq

# Factor of that integral for a domain of length 1: it makes `EdgePenalty` about as stiff as `Roughness` of the same
# strength.
ROUGHNESS_UNIT = 0.01

Magnitudes = Sequence[Tensor]  # |phi|_1 of the edges, (in, out) for each layer; none for penalties without a trace
Grams = Sequence[Mapping[str, Tensor]]
Curves = Mapping[int, tuple[KANLayer, Tensor]]  # layers by number, with a matrix (in, n, n) for their coefficients
Factors = dict[str, tuple[nn.Parameter, Tensor]]  # parameters by name, with 0 for the numbers of masked edges
ALL_PARAMETERS = ""  # name in a `Curvature`: all trainable ones together, in the order of `named_parameters`


class Curvature(NamedTuple):
    """Second derivatives of a penalty by one parameter, or by all of them."""

    name: str  # name of the parameter within the model, or `ALL_PARAMETERS`
    # the diagonal, in the shape of the parameter; or, for a coef (in, n, out), one symmetric block for each edge, (in,
    # out, n, n); or for all parameters the matrix (P, P)
    values: Tensor


@typed
def edge_magnitudes(trace: Trace, weight: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return the mean of |phi(x)| over samples of weights (b,) with mean 1 for every edge phi, (in, out) per layer."""
    # This is |phi|_1 of the KAN paper (Liu et al., arXiv 2404.19756), eq. (2.17).
    if weight is None:
        return tuple(edges.abs().mean(0) for edges in trace.edges)
    rows = len(trace.edges[0])
    if weight.shape != (rows,):
        raise InputError(f"weight must have shape ({rows},), one weight for each sample, got {tuple(weight.shape)}")
    share = weight / rows
    return tuple(torch.einsum("b,bio->io", share, edges.abs()) for edges in trace.edges)


class Penalty:
    """Base of penalties: a term that is added to the loss. Add penalties with `+`.

    A penalty holds settings. `bind(model)` gives the `Term` that computes it for one model, with whatever does not
    change in training (knots) computed once.

    Examples
    --------
    >>> from edgewise import KAN
    >>> from edgewise.train import Ridge, Sparsity
    >>> penalty = Ridge(1e-3) + Sparsity(1e-2)
    >>> isinstance(penalty, Penalty), penalty.needs_trace, Ridge(1e-3).value(KAN([1, 1])).shape
    (True, True, torch.Size([]))
    """

    @property
    def needs_trace(self) -> bool:
        """True if the penalty depends on the values of the edges at the samples."""
        return False

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty of one model.

        Raises
        ------
        InputError
            The penalty makes no sense for this model.
        """
        raise NotImplementedError

    def value(self, model: nn.Module, trace: Trace | None = None) -> Tensor:
        """Penalty of `model`, a differentiable scalar.

        Parameters
        ----------
        model : Module
            Model whose penalty is computed.
        trace : Trace, optional
            Values of the edges at the samples; required if `needs_trace`.
        """
        if not self.needs_trace:
            return self.bind(model).value(())
        if trace is None:
            raise InputError(f"trace must be given for {type(self).__name__}, got None")
        return self.bind(model).value(edge_magnitudes(trace))

    def settings(self) -> dict[str, Any]:
        """Name and numbers of the penalty, as the plan of a fit stores them."""
        return {"name": type(self).__name__, **self.__dict__}

    def __add__(self, other: Penalty) -> Penalty:
        if not isinstance(other, Penalty):
            return NotImplemented
        return Sum((self, other))


@dataclass(frozen=True)
class Term:
    """A penalty that is bound to a model: two functions of the edges' magnitudes, (in, out) for each layer."""

    # the penalty, a differentiable scalar
    value: Callable[[Magnitudes], Tensor]
    # second derivatives, exact for quadratic penalties, otherwise a positive substitute; the second argument are the
    # grams of the edges by the names of parameters, (in, out, n, n) or (in, out), for each layer
    curvature: Callable[[Magnitudes, Grams], list[Curvature]]


@dataclass(frozen=True)
class Sum(Penalty):
    """Sum of several penalties, as `+` makes it."""

    parts: tuple[Penalty, ...]  # penalties that are added

    @property
    def needs_trace(self) -> bool:
        """True if one of the parts needs a trace."""
        return any(part.needs_trace for part in self.parts)

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the sum for one model."""
        terms = [part.bind(model) for part in self.parts]

        def value(magnitudes: Magnitudes) -> Tensor:
            return reduce(torch.add, [term.value(magnitudes) for term in terms])

        def curvature(magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
            return [entry for term in terms for entry in term.curvature(magnitudes, grams)]

        return Term(value, curvature)

    def settings(self) -> dict[str, Any]:
        """Settings of all parts."""
        return {"name": "Sum", "parts": [part.settings() for part in self.parts]}


@dataclass(frozen=True)
class Sparsity(Penalty):
    """Penalty for few edges: weight * sum over layers of (l1 |Phi_l|_1 + entropy S(Phi_l)).

    |Phi|_1 is the sum over the edges of a layer of the mean |phi(x)|, and S = -sum p log p with p = |phi|_1 / |Phi|_1,
    as in the KAN paper [1]_, section 2.5.1. An edge that is zero contributes nothing, and no gradient.

    Parameters
    ----------
    weight : float
        Strength of the whole penalty.
    l1, entropy : float
        Factors of its two parts.

    Raises
    ------
    InputError
        A number is negative or not finite.

    References
    ----------
    .. [1] Z. Liu et al., "KAN: Kolmogorov-Arnold Networks", arXiv 2404.19756 (2024).

    Examples
    --------
    >>> from edgewise.train import Ridge, Sparsity
    >>> penalty = Sparsity(1e-3) + Ridge(1e-6)
    >>> penalty.needs_trace
    True
    """

    weight: float
    l1: float = 1.0
    entropy: float = 1.0

    def __post_init__(self) -> None:
        for name in ("weight", "l1", "entropy"):
            check_number(getattr(self, name), name)

    @property
    def needs_trace(self) -> bool:
        """True: the penalty depends on the values of the edges."""
        return True

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty for one model with a trace, as KAN and MLP have."""
        if not callable(getattr(model, "trace", None)):
            raise InputError(f"Sparsity needs a model with a trace, as KAN and MLP have, got {type(model).__name__}")
        return Term(self._value, self._curvature)

    def _value(self, magnitudes: Magnitudes) -> Tensor:
        layers = []
        for magnitude in magnitudes:
            l1 = self.l1 * magnitude.sum()
            total = magnitude.sum()
            share = magnitude / torch.where(total > 0, total, torch.ones_like(total))
            # 0 log 0 = 0, with derivative 0 where the magnitude is 0
            entropy = -(share * torch.where(share > 0, share, torch.ones_like(share)).log()).sum()
            layers.append(l1 + self.entropy * entropy)
        return self.weight * reduce(torch.add, layers)

    def _curvature(self, magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
        """Second derivatives c / s times the gram of each edge, with c = d penalty / d |phi|_1, and s = |phi|_1.

        c counts where it is positive. The entropy is concave in the magnitudes, so its tangent lies above it; that
        leaves a sum of c |phi|_1, and |z| <= z^2 / (2 s) + s / 2 for every s > 0: iteratively reweighted least squares,
        as in D. Hunter and R. Li, Annals of Statistics 33 (2005) 1617. It is not a strict majoriser, since all samples
        of an edge share one s and layers are taken one by one; a method must still compare values.
        """
        entries = []
        for number, (magnitude, gram) in enumerate(zip(magnitudes, grams, strict=True)):
            magnitude = magnitude.detach().requires_grad_()
            with torch.enable_grad():
                slope = torch.autograd.grad(self._value([magnitude]), magnitude)[0]
            scale = slope.clamp(min=0) / _above_zero(magnitude.detach())
            for name, values in gram.items():
                blocks = scale.reshape(*scale.shape, *[1] * (values.ndim - 2))  # one number for the block of an edge
                entries.append(Curvature(f"layers.{number}.{name}", blocks * values))
        return entries


@dataclass(frozen=True)
class Roughness(Penalty):
    """Penalty for curved splines: weight * sum over edges of the integral of (spline'')^2.

    Each domain is rescaled to length 1. This is the penalty of O'Sullivan [1]_, exact and quadratic in the
    coefficients, see `ops.splines.lstsq.roughness`. It concerns the spline of an edge and not its base function.

    Parameters
    ----------
    weight : float
        Strength of the penalty.

    Raises
    ------
    InputError
        The weight is negative or not finite.

    References
    ----------
    .. [1] F. O'Sullivan, "A statistical perspective on ill-posed inverse problems", Statistical Science 1 (1986) 502.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.train import Roughness
    >>> model = KAN([1, 1], base="zero", dtype=torch.float64)
    >>> _ = torch.nn.init.constant_(model.layers[0].coef, 1.0)  # the splines add up to 1: a constant function
    >>> round(abs(float(Roughness(0.1).value(model).detach())), 6)
    0.0
    """

    weight: float

    def __post_init__(self) -> None:
        check_number(self.weight, "weight")

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty for one model with spline layers."""
        layers = spline_layers(model)
        if not layers:
            raise InputError(f"Roughness needs a model with spline layers, as KAN has, got {type(model).__name__}")
        curves = {}
        for number, layer in layers.items():
            gram = lstsq.roughness(layer.knots.double(), layer.degree).to(layer.coef.dtype)
            curves[number] = layer, gram
        return Term(partial(self._value, curves), partial(self._curvature, curves))

    def _value(self, curves: Curves, magnitudes: Magnitudes) -> Tensor:
        return self.weight * reduce(torch.add, [squares.sum() for squares in _squared_bends(curves)])

    def _curvature(self, curves: Curves, magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
        entries = []
        for number, (layer, gram) in curves.items():
            mask = layer.spline_mask[..., None, None]
            entries.append(Curvature(f"layers.{number}.coef", 2 * self.weight * mask * gram[:, None]))
        return entries


def _squared_bends(curves: Curves) -> Iterator[Tensor]:
    """Yield for each layer the products c Rc of the coefficients of its edges, (in, n, out), whose sum is a square."""
    for layer, gram in curves.values():
        coef = layer.coef * layer.spline_mask[:, None, :]
        yield coef * (gram @ coef)


@dataclass(frozen=True)
class Bending(Roughness):
    """Penalty that makes splines straight: weight * sum over edges of the root of the integral of (spline'')^2.

    As in a group lasso [1]_ an edge pays for its bend itself and not for its square, so the edges that need no bend
    lose it while the others keep theirs; with `base="identity"` or "zero" they are straight lines then, which
    `edgewise.interpret.edit(model, problem, "fix", edge=edge, function="x")` makes exact. pykan has `lamb_coefdiff` for
    it.

    Parameters
    ----------
    weight : float
        Strength of the penalty.

    Raises
    ------
    InputError
        The weight is negative or not finite.

    References
    ----------
    .. [1] M. Yuan, Y. Lin, "Model selection and estimation in regression with grouped variables", JRSS B 68 (2006) 49.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> model = KAN([1, 1], base="zero", dtype=torch.float64)
    >>> bool((Bending(1.0).value(model) ** 2 - Roughness(1.0).value(model)).abs() < 1e-9)
    True
    """

    def _value(self, curves: Curves, magnitudes: Magnitudes) -> Tensor:
        return self.weight * reduce(torch.add, [bend.sum() for bend in bends(curves)])

    def _curvature(self, curves: Curves, magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
        """R / s of each edge with the bend s, as of |z| <= z^2 / (2 s) + s / 2; see `Sparsity`."""
        entries = []
        for (number, (layer, gram)), bend in zip(curves.items(), bends(curves), strict=True):
            scale = layer.spline_mask / _above_zero(bend.detach())
            entries.append(Curvature(f"layers.{number}.coef", self.weight * scale[..., None, None] * gram[:, None]))
        return entries


def _above_zero(sizes: Tensor) -> Tensor:
    """Sizes of the edges of a layer of at least a thousandth of their mean: vanishing edges must not dominate."""
    return sizes.clamp(min=sizes.mean() * 1e-3 + 1e-30)


def bends(curves: Curves) -> Iterator[Tensor]:
    """Yield for each layer the root of the integral of the squared second derivative of each edge, (in, out)."""
    for squares in _squared_bends(curves):
        square = squares.sum(1)
        # 0 has no slope; rounding may leave a negative square.
        yield torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


@dataclass(frozen=True)
class Ridge(Penalty):
    """Penalty for large weights: weight * sum of squares of all trainable parameters but biases.

    Masked edges don't count.

    Parameters
    ----------
    weight : float
        Strength of the penalty.
    base : bool
        Whether the weights of the base functions count too.

    Raises
    ------
    InputError
        The weight is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> from edgewise.train import Ridge
    >>> model = KAN([1, 1], grid_size=5, degree=3, base="zero")
    >>> _ = torch.nn.init.constant_(model.layers[0].coef, 0.5)
    >>> round(float(Ridge(0.1).value(model).detach()), 4)  # 8 coefficients
    0.2
    """

    weight: float
    base: bool = True

    def __post_init__(self) -> None:
        check_number(self.weight, "weight")

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty for one model."""
        factors: Factors = {}
        for prefix, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if name == "bias" or (name == "base" and not self.base) or not parameter.requires_grad:
                    continue
                # A masked edge has a share of 0 of its parameters, every other parameter a share of 1.
                share = torch.ones_like(parameter)
                if isinstance(module, KANLayer):
                    masks = {"coef": "spline_mask", "base": "spline_mask", "affine": "function_mask"}
                    mask = getattr(module, masks[name])
                    if name == "coef":
                        mask = mask[:, None, :]
                    share = mask.expand_as(parameter)
                factors[f"{prefix}.{name}".removeprefix(".")] = (parameter, share)
        return Term(partial(self._value, factors), partial(self._curvature, factors))

    def _value(self, factors: Factors, magnitudes: Magnitudes) -> Tensor:
        squares = [(parameter.square() * share).sum() for parameter, share in factors.values()]
        return self.weight * reduce(torch.add, squares, torch.zeros(()))

    def _curvature(self, factors: Factors, magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
        return [Curvature(name, 2 * self.weight * share) for name, (_, share) in factors.items()]


@dataclass(frozen=True, eq=False)
class EdgePenalty(Penalty):
    """Penalty with strengths of its own for every edge of a KAN, as smoothing by `train.smoothing` finds them.

    It is the sum over edges of roughness * integral of (spline''')^2, with the domain rescaled to length 1 and the
    factor `ROUGHNESS_UNIT`, plus ridge * mean square. The mean square of an edge is |c|^2 / n of its n coefficients
    plus the square of its base weight. Splines of degree d < 3 are penalised in their d-th derivative.
    """

    roughness: tuple[Tensor, ...]  # strengths, (in, out) for each spline layer, in the network's order
    ridge: tuple[Tensor, ...]

    @classmethod
    def uniform(cls, model: nn.Module, roughness: float = 1e-5, ridge: float = 1e-4) -> EdgePenalty:
        """Same strengths for all edges of a KAN."""
        masks = [layer.spline_mask for layer in spline_layers(model).values()]
        return cls(*(tuple(torch.full_like(mask, value) for mask in masks) for value in (roughness, ridge)))

    def scaled(self, factor: float) -> EdgePenalty:
        """All strengths times a factor."""
        return EdgePenalty(*(tuple(each * factor for each in part) for part in (self.roughness, self.ridge)))

    def bind(self, model: nn.Module) -> Term:
        """Term that computes the penalty for one KAN with the layers that the strengths are for."""
        layers = spline_layers(model)
        if [tuple(each.shape) for each in self.roughness] != [
            tuple(layer.spline_mask.shape) for layer in layers.values()
        ]:
            raise InputError("model must have the spline layers that the strengths of EdgePenalty are for")
        curves = {number: (layer, self.gram(layer)) for number, layer in layers.items()}
        return Term(partial(self._value, curves), partial(self._curvature, curves))

    @staticmethod
    def gram(layer: KANLayer) -> Tensor:
        """Integrals of products of the derivatives of a layer's B-splines, (in, n, n)."""
        # Order of the derivative whose square is integrated. Products are differences of squares,
        # ab = ((a+b)^2 - (a-b)^2) / 4, so parabolas should cost nothing. Measured on ten noisy Feynman equations:
        # errors are a twelfth lower than with the second derivative.
        order = min(3, layer.degree)
        length = (layer.domain[:, 1] - layer.domain[:, 0]).double()[:, None, None]
        gram = ROUGHNESS_UNIT * lstsq.gram(layer.knots.double(), layer.degree, order) * length ** (2 * order - 1)
        return gram.to(layer.coef.dtype)

    def settings(self) -> dict[str, Any]:
        """Name and strengths, as the plan of a fit stores them."""
        parts = {"roughness": self.roughness, "ridge": self.ridge}
        return {"name": "EdgePenalty", **{name: [each.tolist() for each in part] for name, part in parts.items()}}

    def _value(self, curves: Curves, magnitudes: Magnitudes) -> Tensor:
        parts = []
        for (layer, gram), roughness, ridge in zip(curves.values(), self.roughness, self.ridge, strict=True):
            rough, square = edge_measures(layer, gram)
            parts.append((rough * roughness.to(rough) + square * ridge.to(rough)).sum())
        return reduce(torch.add, parts)

    def _curvature(self, curves: Curves, magnitudes: Magnitudes, grams: Grams) -> list[Curvature]:
        """Second derivatives by the coefficients, (in, out, n, n), and by the base weights, (in, out); exact."""
        entries = []
        for (number, (layer, gram)), rough, square in zip(curves.items(), self.roughness, self.ridge, strict=True):
            roughness = rough.to(layer.spline_mask) * layer.spline_mask
            ridge = square.to(layer.spline_mask) * layer.spline_mask
            eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device) / gram.shape[-1]
            blocks = roughness[..., None, None] * gram[:, None] + ridge[..., None, None] * eye
            entries.append(Curvature(f"layers.{number}.coef", 2 * blocks))
            if layer.base is not None:
                entries.append(Curvature(f"layers.{number}.base", 2 * ridge))
        return entries


def edge_measures(layer: KANLayer, gram: Tensor) -> tuple[Tensor, Tensor]:
    """Roughness c'Rc and mean square of each edge, (in, out) each, with R (in, n, n) of `EdgePenalty.gram`."""
    coef = layer.coef * layer.spline_mask[:, None, :]
    squares = coef.square().mean(1)
    if layer.base is not None:
        squares = squares + (layer.base * layer.spline_mask).square()
    return (coef * (gram @ coef)).sum(1), squares
