"""Least-squares fits of KANs with smoothing strengths that the data determine, edge by edge.

`smooth_fit` alternates between fits with an `EdgePenalty` and updates of its strengths (`fellner_schall`). The marginal
likelihood, which the updates raise, assumes that the network is right but for noise; for the error on new samples a few
times its strengths are often better. At the end all strengths are therefore multiplied by the factor with the lowest
generalised cross-validation (`Linearised.gcv`).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.nn.layers.spline import spline_layers
from edgewise.nn.model import KAN
from edgewise.outcomes import StopReason, check_time
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import Data
from edgewise.train.grids import adapt_domain_
from edgewise.train.jacobian.linearised import Linearised, linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import EdgePenalty, edge_measures
from edgewise.train.problems import Problem


@dataclass(frozen=True)
class SmoothingSettings:
    """Numbers of `smooth_fit`."""

    # Limits of the strengths: far beyond every strength that matters for a loss of order 1. And the largest factor of a
    # strength in one update: the linearised model is not valid far away.
    weakest: float = 1e-13
    strongest: float = 1e2
    largest_change: float = 20.0
    # Successive factors of all strengths after the last update, taken while GCV falls; and the count of each degree of
    # freedom in it, see `Linearised.gcv`: Y.-J. Kim and C. Gu, J. R. Statist. Soc. B 66 (2004) 337.
    factors: tuple[float, ...] = (4.0, 4.0)
    inflation: float = 1.4
    # First dampings of Levenberg-Marquardt: far from a minimum, near one, and for models that are linear in their
    # parameters; a linear model needs hardly any damping, one near its minimum little.
    far_damping: float = 1e-2
    settled_damping: float = 1e-5
    linear_damping: float = 1e-9
    # Steps at the first strengths, before and after hidden domains move, between two updates, and at the last ones.
    far_steps: int = 5
    steps_between: int = 3
    settled_steps: int = 8
    # Updates of the strengths, and those after which hidden domains move once more.
    updates: int = 7
    adapt_after: tuple[int, ...] = (2, 5)
    # Relative decrease of the loss over ten steps below which a fit ends, and one of `short_fit`: it compares starts,
    # which need few digits.
    tolerance: float = 1e-6
    short_tolerance: float = 1e-4


_SETTINGS = SmoothingSettings()


def smooth_fit(model: KAN, problem: Problem) -> EdgePenalty | None:
    """Train a KAN by least squares with smoothing strengths that the data determine.

    The model is float64, with splines in all layers but those of products; the problem has tensors. Returns the last
    penalty; None where a loss is not finite.
    """
    settings = _SETTINGS
    is_linear = len(model.layers) == 1

    def fitted(penalty: EdgePenalty, steps: int, damping: float = settings.settled_damping) -> bool:
        if is_linear:
            damping = settings.linear_damping
        report = fit(
            model,
            problem,
            LevenbergMarquardt(damping=damping),
            steps=steps,
            penalty=penalty,
            tolerance=settings.tolerance,
            callbacks=[lambda event: check_time()],
        )
        return report.stopped != StopReason.NONFINITE

    # Hidden domains follow the activations; those of a linear model stay.
    def adapt() -> None:
        if not is_linear:
            adapt_domain_(model, problem.train.x, hidden_only=True)

    # A first fit under a uniform penalty, with the hidden domains moved once.
    penalty = EdgePenalty.uniform(model)
    if not fitted(penalty, settings.far_steps, settings.far_damping):
        return None
    adapt()
    if not fitted(penalty, settings.far_steps, settings.far_damping):
        return None
    # Penalties of edges by Fellner and Schall, between short fits.
    for number in range(settings.updates):
        penalty, _ = fellner_schall(model, problem.train, penalty)
        if number in settings.adapt_after:
            adapt()
        if not fitted(penalty, settings.steps_between):
            return None
    if not fitted(penalty, settings.settled_steps):
        return None
    # The strength of all of them by generalised cross-validation.
    lowest = linearise(model, problem.train, penalty).gcv(settings.inflation)
    for factor in settings.factors:
        stronger = penalty.scaled(factor)
        kept = copy.deepcopy(model.state_dict())
        gcv = math.inf
        if fitted(stronger, settings.settled_steps):
            gcv = linearise(model, problem.train, stronger).gcv(settings.inflation)
        if not gcv < lowest:
            model.load_state_dict(kept)
            break
        lowest = gcv
        penalty = stronger
    return penalty


def short_fit(model: KAN, problem: Problem, steps: int) -> FitReport:
    """Make the first steps of `smooth_fit`, to compare starts."""
    penalty = EdgePenalty.uniform(model)
    return fit(model, problem, LevenbergMarquardt(), steps=steps, tolerance=_SETTINGS.short_tolerance, penalty=penalty)


@torch.no_grad()
def fellner_schall(model: nn.Module, data: Data, penalty: EdgePenalty) -> tuple[EdgePenalty, Linearised]:
    """Update smoothing strengths once, by the method of Fellner and Schall; also return the model linearised before."""
    # The model is a KAN of float64 spline layers, all trainable, and products, fitted to data with y (N, out).
    # Each update raises the restricted marginal likelihood of the linearised model, in which strengths are inverse
    # variances of normal priors [1], eq. 9. With the loss a mean over N numbers, H = G + S its penalised normal matrix
    # and s^2 the noise variance, the strength l of a penalty l t'Pt becomes::
    # l * (s^2 / N) * (l tr(S^-1 P) - 2 l tr(H^-1 P)) / (l t'Pt),
    # with S the penalties of the edge. An edge without influence on the data is straightened and shrunk to nothing.
    # [1] S. Wood and M. Fasiolo, Biometrics 73 (2017) 1071.
    linearised = linearise(model, data, penalty)
    inverse = linearised.factor @ linearised.factor.mT
    numbers = linearised.samples * len(linearised.losses)
    noise = float(linearised.losses.mean()) / max(1 - linearised.effective / numbers, 0.1) + ABOVE_ZERO
    updated: tuple[list[Tensor], list[Tensor]] = ([], [])
    start = 0
    strengths = penalty.roughness, penalty.ridge
    for layer, roughness, ridge in zip(spline_layers(model).values(), *strengths, strict=True):
        # The blocks of the inverse normal matrix, and of the inverse penalty, by the coefficients of each edge.
        gram = penalty.gram(layer)
        inputs, count, outputs = layer.coef.shape
        place = torch.arange(start, start + layer.coef.numel(), device=gram.device)
        place = place.view(inputs, count, outputs).transpose(1, 2)
        start += layer.coef.numel()
        block = inverse[place[..., :, None], place[..., None, :]]
        eye = torch.eye(count, dtype=torch.float64, device=gram.device) / count
        prior = torch.linalg.inv(roughness[..., None, None] * gram[:, None] + ridge[..., None, None] * eye)
        # Degrees of freedom of each strength, l tr(S^-1 P) - 2 l tr(H^-1 P).
        difference = prior - 2 * block
        degrees = [roughness * (difference * gram[:, None]).sum((-1, -2)), ridge * (difference * eye).sum((-1, -2))]
        if layer.base is not None:
            own = torch.arange(start, start + layer.base.numel(), device=gram.device).view(inputs, outputs)
            start += layer.base.numel()
            degrees[1] = degrees[1] + 1 - 2 * ridge * inverse[own, own]
        # Fellner and Schall's factor of each strength.
        for new, strength, degree, measure in zip(
            updated, (roughness, ridge), degrees, edge_measures(layer, gram), strict=True
        ):
            change = noise / numbers * degree.clamp(min=1e-12) / (strength * measure + ABOVE_ZERO)
            change = change.clamp(1 / _SETTINGS.largest_change, _SETTINGS.largest_change)
            new.append((strength * change).clamp(_SETTINGS.weakest, _SETTINGS.strongest))
    return EdgePenalty(tuple(updated[0]), tuple(updated[1])), linearised
