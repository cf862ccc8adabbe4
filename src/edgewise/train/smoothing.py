"""A smoothness penalty with strengths of its own for every edge, and how the data choose them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.ops.lstsq import gram
from edgewise.train.linearised import Linearised, linearise
from edgewise.train.penalty import Curvature, Penalty, Term
from edgewise.train.problem import Data

# A third derivative is penalised: products are differences of squares, ab = ((a+b)^2 - (a-b)^2) / 4, so that parabolas
# should cost nothing. On ten noisy Feynman equations errors were a twelfth lower than with the second derivative.
ORDER = 3
# Per mean square of the third derivative over a domain of length 1: about as stiff as `Roughness` of the same weight.
UNIT = 0.01
WEAKEST, STRONGEST = 1e-13, 1e2
LARGEST_CHANGE = 20.0  # of a strength in one update: the linearised model knows nothing of what lies further away


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
    def uniform(cls, model: nn.Module, bend: float = 1e-5, size: float = 1e-4) -> "EdgePenalty":
        """The same strengths for all edges of a KAN."""
        masks = [layer.mask for layer in _spline_layers(model).values()]
        return cls(*(tuple(torch.full_like(mask, value) for mask in masks) for value in (bend, size)))

    def scaled(self, factor: float) -> "EdgePenalty":
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
    def from_settings(cls, settings: dict) -> "EdgePenalty":
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
    return (UNIT * gram(layer.knots.double(), layer.degree, order) * length ** (2 * order - 1)).to(layer.coef.dtype)


def _spline_layers(model: nn.Module) -> dict[int, nn.Module]:
    """By their place; product nodes in between have nothing to smooth."""
    layers = enumerate(getattr(model, "layers", ()))
    return {number: layer for number, layer in layers if hasattr(layer, "knots")}


@torch.no_grad()
def fellner_schall(model: nn.Module, data: Data, penalty: EdgePenalty) -> tuple[EdgePenalty, Linearised]:
    """Strengths that the data call for, one update, and the linearised model before it.

    S. Wood and M. Fasiolo, Biometrics 73 (2017) 1071, eq. 9: each update raises the restricted marginal likelihood
    of the linearised model, in which strengths are inverse variances of normal priors. With the loss a mean over N
    numbers, H = G + S its penalised normal matrix and s^2 the noise, a strength l of a penalty l t'Pt becomes

        l * (s^2 / N) * (l tr(S^-1 P) - 2 l tr(H^-1 P)) / (l t'Pt),

    S the penalties of the edge. An edge that the data don't call for is straightened and shrunk to nothing.

    model: a KAN of float64 spline layers, all trainable, and product nodes, fitted to `data`, y (N, out), with
        `penalty`.
    """
    found, parts = linearise(model, data, penalty), ([], [])
    inverse = found.factor @ found.factor.mT
    numbers = found.samples * len(found.losses)
    noise = float(found.losses.mean()) / max(1 - found.effective / numbers, 0.1) + 1e-300
    start = 0
    layers = _spline_layers(model).values()
    for layer, bend, stiff, size in zip(layers, penalty.bind(model).grams, penalty.bends, penalty.sizes, strict=True):
        inputs, count, outputs = layer.coef.shape
        place = start + torch.arange(inputs * count * outputs).view(inputs, count, outputs).transpose(1, 2)
        start += layer.coef.numel()
        block = inverse[place[..., :, None], place[..., None, :]]
        eye = torch.eye(count, dtype=torch.float64) / count
        prior = torch.linalg.inv(stiff[..., None, None] * bend[:, None] + size[..., None, None] * eye)
        free = [stiff * _trace(prior - 2 * block, bend[:, None]), size * _trace(prior - 2 * block, eye)]
        if layer.base is not None:
            own = start + torch.arange(inputs * outputs).view(inputs, outputs)
            start += layer.base.numel()
            free[1] = free[1] + 1 - 2 * size * inverse[own, own]
        for kept, strength, degrees, measure in zip(
            parts, (stiff, size), free, edge_measures(layer, bend), strict=True
        ):
            change = noise / numbers * degrees.clamp(min=1e-12) / (strength * measure + 1e-300)
            kept.append((strength * change.clamp(1 / LARGEST_CHANGE, LARGEST_CHANGE)).clamp(WEAKEST, STRONGEST))
    return EdgePenalty(*map(tuple, parts)), found


def _trace(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((-1, -2))
