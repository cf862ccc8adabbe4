"""What is asked of a network besides a small loss: sparse edges, smooth splines, small weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.trace import Trace
from edgewise.ops.splines import lstsq


class Curvature(NamedTuple):
    """Second derivatives of a penalty by one parameter: a diagonal in its shape, or, for a coef (in, n, out),
    one symmetric block per edge, (in, out, n, n)."""

    name: str
    values: Tensor


def edge_magnitudes(trace: Trace, weight: Tensor | None = None) -> tuple[Tensor, ...]:
    """|phi|_1 of the KAN paper, eq. (2.17): the (weighted) mean of |phi(x)| over samples, (in, out) per layer."""
    if weight is None:
        return tuple(edges.abs().mean(0) for edges in trace.edges)
    share = weight / len(weight)
    return tuple(torch.einsum("b,bio->io", share, edges.abs()) for edges in trace.edges)


class Penalty:
    """A term added to the loss; add penalties with `+`.

    A penalty holds settings. `bind(model)` gives the term that computes it for one model, with whatever does not
    change while the model is trained (knots) worked out once.
    """

    needs_trace = False

    def bind(self, model: nn.Module) -> Term:
        """Raises InputError where the penalty makes no sense for this model."""
        raise NotImplementedError

    def value(self, model: nn.Module, trace: Trace | None = None) -> Tensor:
        """The penalty of `model`, a differentiable scalar; `trace` is needed where `needs_trace` is true."""
        if self.needs_trace and trace is None:
            raise InputError(f"trace must be given for {type(self).__name__}, got None")
        return self.bind(model).value(edge_magnitudes(trace) if self.needs_trace else ())

    def settings(self) -> dict:
        """Name and numbers, for the plan of a fit."""
        return {"name": type(self).__name__, **self.__dict__}

    def __add__(self, other: Penalty) -> Penalty:
        if not isinstance(other, Penalty):
            return NotImplemented
        return Sum((self, other))


class Term:
    """A penalty bound to a model."""

    def value(self, magnitudes: Sequence[Tensor]) -> Tensor:
        """The scalar; `magnitudes` as from `edge_magnitudes`, () where no trace is needed."""
        raise NotImplementedError

    def curvature(self, magnitudes: Sequence[Tensor], grams: Sequence[dict[str, Tensor]]) -> list[Curvature]:
        """Second derivatives, exact for quadratic penalties, a positive substitute otherwise.

        grams: for each layer and parameter the mean over samples of (d phi / d parameter)^2 of each edge: blocks
            (in, out, n, n) for coef, (in, out) for weights; () where no trace is needed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Sum(Penalty):
    """Several penalties."""

    parts: tuple[Penalty, ...]

    @property
    def needs_trace(self) -> bool:
        return any(part.needs_trace for part in self.parts)

    def bind(self, model: nn.Module) -> Term:
        return _SumTerm([part.bind(model) for part in self.parts])

    def settings(self) -> dict:
        return {"name": "Sum", "parts": [part.settings() for part in self.parts]}


class _SumTerm(Term):
    def __init__(self, terms: list[Term]):
        self._terms = terms

    def value(self, magnitudes):
        return sum(term.value(magnitudes) for term in self._terms)

    def curvature(self, magnitudes, grams):
        return [entry for term in self._terms for entry in term.curvature(magnitudes, grams)]


@dataclass(frozen=True)
class Sparsity(Penalty):
    """weight * sum over layers of (l1 |Phi_l|_1 + entropy S(Phi_l)): few edges, and few that matter.

    Liu et al. (arXiv 2404.19756), section 2.5.1: |Phi|_1 is the sum over edges of the mean |phi(x)| and
    S = -sum p log p with p = |phi|_1 / |Phi|_1. An edge that is zero contributes nothing, and no gradient.
    """

    weight: float
    l1: float = 1.0
    entropy: float = 1.0
    needs_trace = True

    def __post_init__(self):
        for name in ("weight", "l1", "entropy"):
            _check_strength(getattr(self, name), name)

    def bind(self, model: nn.Module) -> Term:
        if not callable(getattr(model, "trace", None)):
            raise InputError(f"Sparsity needs a model with a trace, as KAN and MLP have, got {type(model).__name__}")
        return _SparsityTerm(self)


class _SparsityTerm(Term):
    def __init__(self, settings: Sparsity):
        self._settings = settings

    def value(self, magnitudes):
        settings = self._settings
        return settings.weight * sum(
            settings.l1 * size.sum() + settings.entropy * _entropy(size) for size in magnitudes
        )

    def curvature(self, magnitudes, grams):
        """c / s times the gram of each edge, with c = d penalty / d |phi|_1 where that is positive, and s = |phi|_1.

        The entropy is concave in the magnitudes, so its tangent lies above it; that leaves a sum of c |phi|_1, and
        |z| <= z^2 / (2 s) + s / 2 for every s > 0: iteratively reweighted least squares, as in D. Hunter and R. Li,
        Annals of Statistics 33 (2005). Not a strict majoriser, since all samples of an edge share one s and layers
        are taken one by one; a method must still compare values. The floor under s keeps dying edges from dominating
        the normal equations.
        """
        entries = []
        for number, (size, gram) in enumerate(zip(magnitudes, grams, strict=True)):
            size = size.detach().requires_grad_()
            with torch.enable_grad():
                slope = torch.autograd.grad(self.value([size]), size)[0]
            scale = slope.clamp(min=0) / size.detach().clamp(min=float(size.detach().mean()) * 1e-3 + 1e-30)
            for name, values in gram.items():
                factor = scale[..., None, None] if values.ndim == 4 else scale
                entries.append(Curvature(f"layers.{number}.{name}", factor * values))
        return entries


@dataclass(frozen=True)
class Roughness(Penalty):
    """weight * sum over edges of the integral of (spline'')^2, each domain rescaled to length 1.

    O'Sullivan's penalty (1986), see `ops.lstsq.roughness`; exact and quadratic in the coefficients. Only the spline
    part of an edge is meant, not its base function.
    """

    weight: float

    def __post_init__(self):
        _check_strength(self.weight, "weight")

    def bind(self, model: nn.Module) -> Term:
        layers = list(getattr(model, "layers", ()))
        numbers = [number for number, layer in enumerate(layers) if hasattr(layer, "knots")]
        if not numbers:
            raise InputError(f"Roughness needs a model with spline layers, as KAN has, got {type(model).__name__}")
        grams = [lstsq.roughness(layers[n].knots.double(), layers[n].degree).to(layers[n].coef.dtype) for n in numbers]
        return _RoughnessTerm(self.weight, layers, dict(zip(numbers, grams, strict=True)))


class _RoughnessTerm(Term):
    def __init__(self, weight: float, layers: list[nn.Module], grams: dict[int, Tensor]):
        self._weight, self._layers, self._grams = weight, layers, grams

    def value(self, magnitudes):
        total = 0.0
        for number, gram in self._grams.items():
            coef = self._layers[number].coef * self._layers[number].mask[:, None, :]
            total = total + (coef * (gram @ coef)).sum()
        return self._weight * total

    def curvature(self, magnitudes, grams):
        return [
            Curvature(
                f"layers.{number}.coef",
                2 * self._weight * self._layers[number].mask[..., None, None] * gram[:, None],
            )
            for number, gram in self._grams.items()
        ]


@dataclass(frozen=True)
class Ridge(Penalty):
    """weight * sum of squares of all trainable parameters but biases; masked edges don't count.

    base: count the weights of the base functions too.
    """

    weight: float
    base: bool = True

    def __post_init__(self):
        _check_strength(self.weight, "weight")

    def bind(self, model: nn.Module) -> Term:
        factors = {}
        for prefix, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if name == "bias" or (name == "base" and not self.base) or not parameter.requires_grad:
                    continue
                mask = getattr(module, "mask", None)
                if mask is not None and name == "coef":
                    mask = mask[:, None, :]
                factors[f"{prefix}.{name}" if prefix else name] = (parameter, mask)
        return _RidgeTerm(self.weight, factors)


class _RidgeTerm(Term):
    def __init__(self, weight: float, factors: dict[str, tuple[nn.Parameter, Tensor | None]]):
        self._weight, self._factors = weight, factors

    def value(self, magnitudes):
        return self._weight * sum(
            (parameter.square() if mask is None else parameter.square() * mask).sum()
            for parameter, mask in self._factors.values()
        )

    def curvature(self, magnitudes, grams):
        return [
            Curvature(
                name, 2 * self._weight * (torch.ones_like(parameter) if mask is None else mask.expand_as(parameter))
            )
            for name, (parameter, mask) in self._factors.items()
        ]


def _entropy(size: Tensor) -> Tensor:
    """-sum p log p, p = size / sum(size); 0 log 0 = 0, with derivative 0 where size is 0."""
    total = size.sum()
    share = size / torch.where(total > 0, total, torch.ones_like(total))
    return -(share * torch.where(share > 0, share, torch.ones_like(share)).log()).sum()


def _check_strength(value: float, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"{name} must be a number of at least 0, got {value!r}")


# A third derivative is penalised: products are differences of squares, ab = ((a+b)^2 - (a-b)^2) / 4, so that parabolas
# should cost nothing. On ten noisy Feynman equations errors were a twelfth lower than with the second derivative.
ORDER = 3
# Per mean square of the third derivative over a domain of length 1: about as stiff as `Roughness` of the same weight.
UNIT = 0.01


@dataclass(frozen=True, eq=False)
class EdgePenalty(Penalty):
    """sum over edges of bend * integral of (spline''')^2, its domain rescaled to length 1, + size * mean square.

    The mean square of an edge is |c|^2 / n of its n coefficients plus the square of its base weight. A strength is a
    number per edge, (in, out) for each layer; splines of degree d < 3 are penalised in their d-th derivative.

    bends, sizes: one tensor for each spline layer, in the network's order.
    """

    bends: tuple[Tensor, ...]
    sizes: tuple[Tensor, ...]

    @classmethod
    def uniform(cls, model: nn.Module, bend: float = 1e-5, size: float = 1e-4) -> EdgePenalty:
        """The same strengths for all edges of a KAN."""
        masks = [layer.mask for layer in _spline_layers(model).values()]
        return cls(*(tuple(torch.full_like(mask, value) for mask in masks) for value in (bend, size)))

    def scaled(self, factor: float) -> EdgePenalty:
        """All strengths times a factor."""
        return EdgePenalty(*(tuple(each * factor for each in part) for part in (self.bends, self.sizes)))

    def bind(self, model: nn.Module) -> Term:
        layers = _spline_layers(model)
        if [tuple(each.shape) for each in self.bends] != [tuple(layer.mask.shape) for layer in layers.values()]:
            raise InputError("model must have the spline layers that the strengths of EdgePenalty are for")
        return _EdgeTerm(self, layers)

    def settings(self) -> dict:
        parts = {"bends": self.bends, "sizes": self.sizes}
        return {"name": "EdgePenalty", **{name: [each.tolist() for each in part] for name, part in parts.items()}}

    @classmethod
    def from_settings(cls, settings: dict) -> EdgePenalty:
        """The inverse of `settings`."""
        parts = (
            tuple(torch.tensor(each, dtype=torch.float64) for each in settings[name]) for name in ("bends", "sizes")
        )
        return cls(*parts)


class _EdgeTerm(Term):
    def __init__(self, penalty: EdgePenalty, layers: dict[int, nn.Module]):
        self._penalty, self._layers = penalty, layers
        self.grams = [_bend_gram(layer) for layer in layers.values()]

    def value(self, magnitudes):
        total = 0.0
        for layer, bend, stiffness, size in zip(
            self._layers.values(), self.grams, self._penalty.bends, self._penalty.sizes, strict=True
        ):
            bent, squares = edge_measures(layer, bend)
            total = total + (bent * stiffness.to(bent) + squares * size.to(bent)).sum()
        return total

    def curvature(self, magnitudes, grams):
        entries = []
        parts = self._penalty.bends, self._penalty.sizes
        for (number, layer), bend, *strengths in zip(self._layers.items(), self.grams, *parts, strict=True):
            stiffness, size = (strength.to(layer.mask) * layer.mask for strength in strengths)
            eye = torch.eye(bend.shape[-1]).to(bend) / bend.shape[-1]
            blocks = stiffness[..., None, None] * bend[:, None] + size[..., None, None] * eye
            entries.append(Curvature(f"layers.{number}.coef", 2 * blocks))
            if layer.base is not None:
                entries.append(Curvature(f"layers.{number}.base", 2 * size))
        return entries


def edge_measures(layer: nn.Module, bend: Tensor) -> tuple[Tensor, Tensor]:
    """Bending c'Rc and mean square of each edge, (in, out) each; R is `bend`, (in, n, n)."""
    coef = layer.coef * layer.mask[:, None, :]
    squares = coef.square().mean(1)
    if layer.base is not None:
        squares = squares + (layer.base * layer.mask).square()
    return (coef * (bend @ coef)).sum(1), squares


def _bend_gram(layer: nn.Module) -> Tensor:
    """(in, n, n): c'Rc is the mean square of the spline's derivative over its domain, in units of the domain."""
    order = min(ORDER, layer.degree)
    length = (layer.domain[:, 1] - layer.domain[:, 0]).double()[:, None, None]
    return (UNIT * lstsq.gram(layer.knots.double(), layer.degree, order) * length ** (2 * order - 1)).to(
        layer.coef.dtype
    )


def _spline_layers(model: nn.Module) -> dict[int, nn.Module]:
    """By their place; product nodes in between have nothing to smooth."""
    layers = enumerate(getattr(model, "layers", ()))
    return {number: layer for number, layer in layers if hasattr(layer, "knots")}
