"""Standard errors and prediction intervals of networks that were fitted by least squares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor, nn

from edgewise.checks import Shape, Within, typed
from edgewise.errors import InputError
from edgewise.nn.layers.base import Layer
from edgewise.presentation import counted, number_text
from edgewise.settings import ROW_CHUNK_NUMBERS, chunks
from edgewise.train.blocks import Data
from edgewise.train.conformal import ScoreQuantiles, check_level
from edgewise.train.jacobian.linearised import evenly_spaced, inverse_triangular, layer_rows, linearise, output_rows
from edgewise.train.jacobian.rows import layers_of
from edgewise.train.noise_curves import NoiseCurves
from edgewise.train.penalties import Penalty

# Fewest distinct rows: fewer determine neither the noise nor the calibration.
FEWEST_ROWS = 10


@dataclass(frozen=True)
class UncertaintySettings:
    """Sizes of models and calibrations, and rounding."""

    # Parameters up to which a model gets error bars: their covariance is stored with the model, 9 MB at this many.
    most_parameters: int = 1500
    # Most held-out rows that calibrate: the standard error of a 90 % quantile of 4,000 scores is half a percentage
    # point.
    calibration_rows: int = 4000
    # Standard deviation that rounding leaves of a target of order 1 in float64; a fit without noise can't be better.
    rounding_deviation: float = 1e-14


SETTINGS = UncertaintySettings()


@dataclass(frozen=True, eq=False)
class ErrorBars:
    """Uncertainty of the predictions of a network with P parameters and m outputs, in the network's units.

    Parameters
    ----------
    factor : Tensor
        Upper triangular C, (P, P), with C C' the inverse of the penalised normal matrix; or C, (P, K), with C C' the
        covariance of the parameters.
    noise : Tensor
        Standard deviation of the noise, (m,).
    spread : Tensor
        Standard deviation of an output per length of C'g, with g its derivative by the parameters, (m,).
    stretch : Tensor
        Factor of all standard deviations, (m,), with which the held-out residuals have the standardised mean square 1.
    sizes : ScoreQuantiles
        Within how many standard deviations shares of new samples lie.
    rows : int
        Number of rows that were held out.
    folds : bool
        Whether the held-out residuals are those of cross-validation; otherwise each row is left out of the linearised
        model.
    curves : NoiseCurves, optional
        Standard deviation of the noise where it follows the rows; `noise` is then its size on average.

    Notes
    -----
    The parameters are taken as normally distributed around the fitted ones, with the inverse of the penalised normal
    matrix times the noise variance as covariance (Laplace's approximation [1]_; for smoothing splines [2]_, and [3]_ on
    why such bands cover the function), and outputs as linear in them (delta method). The noise variance is the residual
    sum of squares over samples less effective degrees of freedom. Held-out residuals then correct both: they give the
    `stretch`, and intervals take the quantiles of their sizes (conformal prediction with normalised scores [4]_ [5]_;
    out of cross-validation [6]_).

    References
    ----------
    .. [1] D. MacKay, Neural Computation 4 (1992) 448.
    .. [2] G. Wahba, J. R. Statist. Soc. B 45 (1983) 133.
    .. [3] D. Nychka, J. Am. Stat. Assoc. 83 (1988) 1134.
    .. [4] H. Papadopoulos, A. Gammerman and V. Vovk, AIA 2008.
    .. [5] J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094.
    .. [6] R. Barber et al., Annals of Statistics 49 (2021) 486.

    Examples
    --------
    >>> one = torch.ones(1, dtype=torch.float64)
    >>> sizes = ScoreQuantiles(one[None], one[None])
    >>> bars = ErrorBars(one[None], 0.1 * one, one, one, sizes, rows=20, folds=False)
    >>> bars.rows, float(bars.noise)
    (20, 0.1)
    """

    factor: Annotated[Tensor, Shape("parameters", "columns"), Within()]
    noise: Annotated[Tensor, Shape("outputs"), Within(0)]
    spread: Annotated[Tensor, Shape("outputs"), Within(0)]
    stretch: Annotated[Tensor, Shape("outputs"), Within(0)]
    sizes: ScoreQuantiles
    rows: int
    folds: bool
    curves: NoiseCurves | None = None

    def __repr__(self) -> str:
        return f"<ErrorBars of {len(self.factor)} parameters: {self.message}>"

    @property
    def message(self) -> str:
        """Calibration as one sentence."""
        how = "each left out of the linearised model"
        if self.folds:
            how = "held out in cross-validation"
        stretch = ", ".join(number_text(value, 3) for value in self.stretch.tolist()[:5])
        noise = "" if self.curves is None else " The size of the noise differs from row to row."
        return (
            f"Error bars are calibrated on {counted(self.rows, 'row')}, {how} (standard deviations "
            f"times {stretch}).{noise}"
        )

    def std(self, model: nn.Module, x: Tensor, *, noise: bool = True, unclipped: Tensor | None = None) -> Tensor:
        """Standard deviation at the points x (N, in), (N, m): of new samples, or of the prediction without the noise.

        `unclipped` are the points before they were clipped to the limits of the model, (N, in). Beyond the limits the
        prediction is constant while the splines go on as straight lines. No data say which is right, so the deviation
        is that of the straight lines, with their distance from the constant.
        """
        return self._unstretched_std(model, x, noise, unclipped) * self.stretch

    def half_width(self, model: nn.Module, x: Tensor, level: float, *, unclipped: Tensor | None = None) -> Tensor:
        """Half the width of the intervals at the points x (N, in) that hold a share `level` of new samples, (N, m).

        InputError for a level that is not in (0, 1), or nearer to 1 than the number of held-out rows allows.
        """
        check_level(level, self.sizes.most, self.rows)
        return self._unstretched_std(model, x, True, unclipped) * self.sizes.at(level)

    def edges(self, model: nn.Module, layer: int, x: Tensor) -> EdgeErrors:
        """The uncertainty of a layer's edges about their means over inputs x (N, in) of this layer."""
        # The parameters of the layer among all.
        layers = layers_of(model)
        names = []
        sizes = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                names.append(name)
                sizes.append(parameter.numel())
        is_own = torch.tensor([name.startswith(f"layers.{layer}.") for name in names])
        in_layer = torch.repeat_interleave(is_own, torch.tensor(sizes)).to(self.factor.device)
        # Root R of the covariance R R' with all other parameters fixed, of which each function needs only some rows.
        if self.is_triangular:  # that covariance is the inverse of the layer's block of the normal matrix
            lower = torch.linalg.cholesky(self._normal_matrix[in_layer][:, in_layer])
            root = inverse_triangular(lower, upper=False).mT
        else:
            root = self.factor[in_layer]
        module = layers[layer]
        scale = self.spread * self.stretch
        if layer != len(layers) - 1:
            scale = scale.max().expand(module.out_features)
        # Gradients of the mean outputs by the parameters, one product of the layer's derivative with a vector for each.
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        means = x.new_zeros(module.out_features, len(root))
        if trained:
            with torch.enable_grad():
                outputs = module(x).mean(0)
            for o in range(module.out_features):
                parts = torch.autograd.grad(outputs[o], trained, retain_graph=True, materialize_grads=True)
                means[o] = torch.cat([part.flatten() for part in parts])
        return EdgeErrors(module, root, means, scale)

    @property
    def is_triangular(self) -> bool:
        """True if the factor is square and invertible; one of fewer directions than parameters is not."""
        square = self.factor.shape[0] == self.factor.shape[1]
        return square and not bool(self.factor.tril(-1).any()) and bool((self.factor.diagonal() > 0).all())

    @cached_property
    def _normal_matrix(self) -> Tensor:
        root = inverse_triangular(self.factor, upper=True)
        return root.mT @ root

    def _unstretched_std(self, model: nn.Module, x: Tensor, noise: bool, unclipped: Tensor | None) -> Tensor:
        spread = _lengths(model, x, self.factor) * self.spread
        # Beyond the limits: the deviation of the straight lines, and their distance from the constant.
        if unclipped is not None and bool((unclipped != x).any()):
            beyond = (unclipped != x).any(1)
            far = unclipped[beyond]
            with torch.no_grad():
                gap = model(far) - model(x[beyond])
            gap[gap.isnan()] = math.inf  # infinity less infinity: nothing is known there
            straight = spread[beyond].maximum(_lengths(model, far, self.factor) * self.spread)
            spread[beyond] = torch.hypot(straight, gap)
        if not noise:
            return spread
        return (
            spread.square() + _noise(model, x, self.noise, self.curves).square()
        ).sqrt() + SETTINGS.rounding_deviation

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with error bars from a file."""
        if bool((self.sizes.scores >= 0).all()):
            return ""
        return "sizes of residuals below zero"


@dataclass(frozen=True, eq=False)
class EdgeErrors:
    """Standard deviations of the functions on a layer's edges, less their means over the layer's inputs at samples.

    The parameters of the other layers are held fixed: a change of a node's scale in this layer could be undone in
    another one, and the network would compute the same function.
    """

    layer: Layer
    root: Tensor  # R of the covariance R R' of the layer's parameters, (parameters, columns)
    means: Tensor  # derivatives of the mean outputs by the parameters, (out, parameters)
    scale: Tensor  # calibrated standard deviation per length of R'g, with g a derivative by the parameters, (out,)

    def std(self, points: Tensor, groups: Sequence[Sequence[int]] | None = None) -> Tensor:
        """Standard deviations at points (p, in) of the functions of each input, or of sums of them, (p, groups, out).

        `groups` are inputs whose functions are added, such as those of the levels of a category; each input alone if
        left out.
        """
        if groups is None:
            groups = [[i] for i in range(self.layer.in_features)]
        outputs = self.layer.out_features
        std = points.new_zeros(len(points), len(groups), outputs)
        # Delta method: the gradient of each function, less its mean, times the root.
        for o in range(outputs):
            only = points.new_zeros(1, outputs)
            only[0, o] = 1
            rows = layer_rows(self.layer, points, only.expand(len(points), -1)) - self.means[o]
            parameters = edge_parameters(self.layer, o)
            for place, several in enumerate(groups):
                own = torch.cat([parameters[i] for i in several])
                std[:, place, o] = torch.linalg.vector_norm(rows[:, own] @ self.root[own], dim=1) * self.scale[o]
        return std


@typed
def prediction_uncertainty(
    model: nn.Module,
    data: Data,
    penalty: Penalty | None = None,
    *,
    samples: float | None = None,
    held_out: Data | None = None,
) -> ErrorBars:
    """Error bars of a float64 network that was trained by least squares.

    Parameters
    ----------
    model : Module
        Chain of layers, as KAN and MLP are.
    data : Data
        Samples that it was trained on, x (N, in) and y (N, m).
    penalty : Penalty, optional
        Quadratic penalty with which it was trained.
    samples : float, optional
        Sum of the samples' weights where they stand for repeats; the number of samples if left out.
    held_out : Data, optional
        Samples of `data` with the residuals of models that were not trained on them as y. If left out, each sample's
        residual is divided by 1 - its leverage, which is the residual of a linear model without that sample [1]_.

    Returns
    -------
    ErrorBars
        Standard errors of predictions and edges, and the standard deviation of the noise.

    Raises
    ------
    InputError
        There are no error bars for this model and data: too many parameters, too few rows, a penalty that is not
        quadratic, or a loss or derivatives that are not finite.

    References
    ----------
    .. [1] D. Allen, Technometrics 16 (1974) 125.

    Examples
    --------
    >>> from edgewise import KAN, Regression, fit
    >>> from edgewise.train import LevenbergMarquardt
    >>> x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    >>> noise = torch.randn(200, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> problem = Regression(x, torch.sin(3 * x) + 0.1 * noise)
    >>> model = KAN([1, 1], dtype=torch.float64)
    >>> _ = fit(model, problem, LevenbergMarquardt(), steps=10)
    >>> bars = prediction_uncertainty(model, problem.train)
    >>> [round(value, 1) for value in bars.noise.tolist()]
    [0.1]
    """
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if count > SETTINGS.most_parameters:
        most = f"{SETTINGS.most_parameters:,}"
        raise InputError(f"model must have at most {most} trainable parameters for error bars, got {count:,}")
    if len(data) < FEWEST_ROWS:
        raise InputError(f"data must have at least {FEWEST_ROWS} distinct rows for error bars, got {len(data)}")
    # Noise by the effective degrees of freedom of the linearised fit.
    samples = max(samples or 0.0, float(len(data)))  # small weights are no repeats
    linearised = linearise(model, data, penalty, samples=samples)
    outputs = data.y.shape[1]
    if not bool(linearised.losses.isfinite().all()):
        raise InputError("model must have a finite loss on its data for error bars, got NaN or infinity")
    left = max(samples - linearised.effective / outputs, 0.01 * samples)
    noise = (linearised.losses * samples / left).sqrt()
    spread = noise * math.sqrt(2 / (samples * outputs))
    # Residuals that calibrate: held-out ones, or those of the training rows as if each had been left out.
    seen = evenly_spaced(data if held_out is None else held_out, SETTINGS.calibration_rows)
    weight = seen.weights()
    lengths = _lengths(model, seen.x, linearised.factor)
    # The contribution of a sample to the normal matrix is taken out again.
    share = (2 / (outputs * len(data)) * weight[:, None] * lengths.square()).clamp(max=0.99)
    if held_out is None:
        with torch.no_grad():
            residuals = (seen.y - model(seen.x)) / (1 - share)
    else:
        residuals = seen.y
    # Variances by the delta method, calibrated.
    variance = (spread * lengths).square() / (1 - share) + noise.square()
    total = max(samples * len(seen) / len(data), len(seen))
    return _calibrated(
        linearised.factor,
        noise,
        spread,
        Data(residuals, variance, weight * (total / weight.sum())),
        held_out is not None,
    )


def additive_error_bars(
    model: nn.Module,
    factor: Tensor,
    noise: Tensor,
    held_out: Data,
    *,
    folds: bool = True,
    curves: NoiseCurves | None = None,
    held_out_noise: Tensor | None = None,
) -> ErrorBars:
    """Error bars of a network from the covariance of its parameters, calibrated on held-out residuals.

    Shapes: factor (P, K), noise (m,), held_out (N, m), held_out_noise (N, m).
    """
    if len(held_out) < FEWEST_ROWS:
        raise InputError(f"data must have at least {FEWEST_ROWS} distinct rows for error bars, got {len(held_out)}")
    total = max(float(held_out.weights().sum()), len(held_out))
    seen = evenly_spaced(held_out, SETTINGS.calibration_rows)
    weight = seen.weights()
    spread = torch.ones_like(noise)
    if held_out_noise is None:
        deviation = _noise(model, seen.x, noise, curves)
    else:
        deviation = evenly_spaced(Data(held_out.x, held_out_noise), SETTINGS.calibration_rows).y
    variance = _lengths(model, seen.x, factor).square() + deviation.square()
    weight = weight * (total * len(seen) / len(held_out) / weight.sum())
    return replace(_calibrated(factor, noise, spread, Data(seen.y, variance, weight), folds), curves=curves)


def _noise(model: nn.Module, x: Tensor, noise: Tensor, curves: NoiseCurves | None) -> Tensor:
    """Standard deviation of the noise at x, (N, m), or (m,) where it is the same everywhere."""
    if curves is None:
        return noise
    with torch.no_grad():
        return curves.std(x, model(x))


def _calibrated(factor: Tensor, noise: Tensor, spread: Tensor, residuals: Data, folds: bool) -> ErrorBars:
    """Error bars with stretch and scores of held-out residuals (as x) with the variances that were expected (as y)."""
    size = residuals.x.abs() / (residuals.y.sqrt() + SETTINGS.rounding_deviation)
    weight = residuals.weight
    assert weight is not None
    stretch = (weight @ size.square() / weight.sum()).sqrt()
    return ErrorBars(factor, noise, spread, stretch, ScoreQuantiles.of(size, weight), len(size), folds)


def edge_parameters(layer: Layer, output: int) -> list[Tensor]:
    """For each input of a layer the positions, among its trainable parameters, of those of the edge to one output."""
    # Parameters lie one after another; those of an edge are a slice along the last coordinate.
    start = 0
    positions: list[list[Tensor]] = [[] for _ in range(layer.in_features)]
    for name, parameter in layer.named_parameters():
        if not parameter.requires_grad:
            continue
        if name != "bias":
            index = torch.arange(start, start + parameter.numel(), device=parameter.device)
            index = index.view(parameter.shape)[..., output]
            if name == "affine":  # its constants come before its inputs
                index = index.T
            for i, own in enumerate(positions):
                own.append(index[i].flatten())
        start += parameter.numel()
    return [torch.cat(parts) for parts in positions]


def _lengths(model: nn.Module, x: Tensor, factor: Tensor) -> Tensor:
    """|C'g| of every output at x, (N, m), with C the `factor` and g the derivative by the parameters."""
    outputs = layers_of(model)[-1].out_features
    if not bool(factor.any()):  # parameters that are as good as known
        return x.new_zeros(len(x), outputs)
    lengths = []
    for part in chunks(len(x), len(factor) * outputs, ROW_CHUNK_NUMBERS):
        lengths.append(torch.stack([(rows @ factor).norm(dim=1) for rows in output_rows(model, x[part])], 1))
    return torch.cat(lengths)
