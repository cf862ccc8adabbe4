"""Error bars of a network that was fitted by least squares: how far predictions and edges may be off."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.settings import MOST_FACTORISED_FOR_UNCERTAINTY, ROW_CHUNK_NUMBERS
from edgewise.train.jacobian.linearised import evenly_spaced, layer_rows, linearise, output_rows
from edgewise.train.penalties import Penalty
from edgewise.train.problems.data import Data

FEWEST_ROWS = 10  # distinct ones; with fewer neither noise nor calibration says anything
MOST_CALIBRATION = 4000  # held-out rows that are looked at, and
MOST_SCORES = 1000  # levels that are kept of their scores
ROUNDING = 1e-14  # of a target of order 1: what a fit without noise can't be better than


@dataclass(frozen=True, eq=False)
class ErrorBars:
    """What is needed to say how sure a network of P parameters and m outputs is; units are the network's.

    The parameters are taken as normally distributed around the fitted ones, with the inverse of the penalised normal
    matrix times the noise variance as covariance (Laplace's approximation: D. MacKay, Neural Computation 4 (1992) 448;
    for smoothing splines G. Wahba, J. R. Statist. Soc. B 45 (1983) 133, and D. Nychka, J. Am. Stat. Assoc. 83 (1988)
    1134, on why such bands cover), and outputs as linear in them (delta method). The noise variance is the residual
    sum of squares over samples less effective degrees of freedom. Held-out residuals then correct both: `stretch`
    makes their standardised mean square 1, and intervals take the quantile of their sizes (conformal prediction with
    normalised scores: H. Papadopoulos, A. Gammerman, V. Vovk, AIA 2008; J. Lei et al., J. Am. Stat. Assoc. 113
    (2018) 1094; out of cross-validation: R. Barber et al., Annals of Statistics 49 (2021) 486).

    factor: upper triangular C, (P, P), C C' the inverse of the normal matrix. noise: standard deviation of the noise,
    (m,). spread: standard deviation of an output per length of C'g, g its derivative by the parameters, (m,).
    stretch: (m,). levels, scores: (k, m), ascending: within `scores` standard deviations lie `levels` of new samples.
    rows: how many were held out. folds: whether by cross-validation, else by leaving each out in the linearised model.
    """

    factor: Tensor
    noise: Tensor
    spread: Tensor
    stretch: Tensor
    levels: Tensor
    scores: Tensor
    rows: int
    folds: bool

    def std(self, model: nn.Module, x: Tensor, *, noise: bool = True) -> Tensor:
        """Standard deviation of new samples at x (N, in) around the prediction, (N, m); noise=False: of the prediction
        around the function that is sampled."""
        return self._plain(model, x, noise) * self.stretch

    def half_width(self, model: nn.Module, x: Tensor, level: float) -> Tensor:
        """Half the width of the intervals at x (N, in) that hold a share `level` of new samples, (N, m).

        Raises:
            InputError: level is not in (0, 1), or nearer to 1 than the held-out rows can tell.
        """
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise InputError(f"level must be a number in (0, 1), got {level!r}")
        most = float(self.levels[-1].min())
        if level > most:
            raise InputError(
                f"level must be at most {most:.4g} for a model calibrated on {self.rows} rows, got {level}"
            )
        place = (self.levels < level - 1e-12).sum(0).clamp(max=len(self.levels) - 1)
        return self._plain(model, x, True) * self.scores.gather(0, place[None])[0]

    def edge_std(self, model: nn.Module, layer: int, points: Tensor, x: Tensor) -> Tensor:
        """Standard deviation of each edge's function at `points` (p, in), less its mean over the inputs x (N, in) of
        that layer: (p, in, out). The other layers are held as they are: what a node's scale loses here it could win
        there, and the function would be the same."""
        module, names, sizes = model.layers[layer], [], []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                names.append(name)
                sizes.append(parameter.numel())
        owner = torch.repeat_interleave(torch.tensor([n.startswith(f"layers.{layer}.") for n in names]), _long(sizes))
        # The covariance with all other parameters fixed is the inverse of the layer's block of the normal matrix.
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(self._matrix[owner][:, owner]))
        size = self.spread * self.stretch
        size = size if layer == len(model.layers) - 1 else size.max().expand(module.out_features)
        found = points.new_zeros(len(points), module.in_features, module.out_features)
        for o in range(module.out_features):
            only = points.new_zeros(1, module.out_features)
            only[0, o] = 1
            rows = layer_rows(module, points, only.expand(len(points), -1))
            rows = rows - layer_rows(module, x, only.expand(len(x), -1)).mean(0)
            for i, mine in enumerate(_edge_parameters(module, o)):
                away = rows[:, mine]
                found[:, i, o] = ((away @ covariance[mine][:, mine]) * away).sum(1).clamp(min=0).sqrt() * size[o]
        return found

    @cached_property
    def _matrix(self) -> Tensor:
        eye = torch.eye(len(self.factor), dtype=self.factor.dtype)
        root = torch.linalg.solve_triangular(self.factor, eye, upper=True)
        return root.mT @ root

    def _plain(self, model: nn.Module, x: Tensor, noise: bool) -> Tensor:
        """Standard deviations before they are stretched, (N, m)."""
        spread = _lengths(model, x, self.factor) * self.spread
        return (spread.square() + self.noise.square()).sqrt() + ROUNDING if noise else spread

    def fields(self) -> dict:
        """Tensors and numbers for a file; of the triangle only the numbers that aren't zero."""
        kept = {name: getattr(self, name) for name in ("noise", "spread", "stretch", "levels", "scores")}
        upper = torch.triu_indices(*self.factor.shape)
        return {"factor": self.factor[upper[0], upper[1]], **kept, "rows": self.rows, "folds": self.folds}

    @classmethod
    def from_fields(cls, fields: Mapping, parameters: int, outputs: int) -> "ErrorBars":
        """The inverse of `fields`; raises ValueError where they don't fit a network of that size."""
        packed = fields["factor"]
        shapes = {"factor": (parameters * (parameters + 1) // 2,)}
        shapes |= dict.fromkeys(("noise", "spread", "stretch"), (outputs,))
        shapes |= {name: (len(fields["levels"]), outputs) for name in ("levels", "scores")}
        for name, shape in shapes.items():
            value = fields[name]
            right = isinstance(value, Tensor) and value.dtype == torch.float64 and value.shape == shape
            if not (right and bool(value.isfinite().all()) and (name == "factor" or bool((value >= 0).all()))):
                raise ValueError(f"{name} of the error bars must be finite, float64, of shape {shape}")
        if not (type(fields["rows"]) is int and type(fields["folds"]) is bool and len(fields["levels"])):
            raise ValueError("error bars must say how they were calibrated")
        upper = torch.triu_indices(parameters, parameters)
        factor = packed.new_zeros(parameters, parameters)
        factor[upper[0], upper[1]] = packed
        if not (bool((factor.diagonal() > 0).all()) and bool((fields["scores"].diff(dim=0) >= 0).all())):
            raise ValueError("error bars must have a positive diagonal and ascending scores")
        rest = {name: fields[name] for name in ("noise", "spread", "stretch", "levels", "scores", "rows", "folds")}
        return cls(factor, **rest)


def why_not(model: nn.Module, data: Data) -> str | None:
    """Why a network can't have error bars from this data, as a sentence; None where it can."""
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if count > MOST_FACTORISED_FOR_UNCERTAINTY:
        limit = f"they are made for up to {MOST_FACTORISED_FOR_UNCERTAINTY:,}"
        return f"There are no error bars: the network has {count:,} parameters, {limit}."
    if len(data) < FEWEST_ROWS:
        return f"There are no error bars: they need {FEWEST_ROWS} distinct rows, there are {len(data)}."
    return None


def error_bars(
    model: nn.Module,
    data: Data,
    penalty: Penalty | None = None,
    *,
    samples: float | None = None,
    held_out: Data | None = None,
) -> ErrorBars:
    """Error bars of a float64 network that was trained on `data` (x (N, in), y (N, m)) by least squares.

    Args:
        penalty: with which it was trained; quadratic.
        samples: the sum of the samples' weights as repeats; their number if left out.
        held_out: samples of `data`, with the residuals of models that did not see them as y. Left out, each sample's
            residual is divided by 1 - its leverage, which is what it would be had it been left out of a linear model
            (D. Allen, Technometrics 16 (1974) 125).

    Raises:
        InputError: see `why_not`, or as `linearise`.
    """
    refused = why_not(model, data)
    if refused is not None:
        raise InputError(refused)
    samples = max(samples or 0.0, float(len(data)))  # small weights are no repeats
    there, outputs = linearise(model, data, penalty, samples=samples), data.y.shape[1]
    left = max(samples - there.effective / outputs, 0.01 * samples)
    noise = (there.losses * samples / left).sqrt()
    spread = noise * math.sqrt(2 / (samples * outputs))
    seen = evenly_spaced(data if held_out is None else held_out, MOST_CALIBRATION)
    weight = seen.x.new_ones(len(seen)) if seen.weight is None else seen.weight
    lengths = _lengths(model, seen.x, there.factor)
    # What a sample contributed to the normal matrix is taken out again.
    share = (2 / (outputs * len(data)) * weight[:, None] * lengths.square()).clamp(max=0.99)
    if held_out is None:
        with torch.no_grad():
            residuals = (seen.y - model(seen.x)) / (1 - share)
    else:
        residuals = seen.y
    away = (spread * lengths).square() / (1 - share) + noise.square()
    size = residuals.abs() / (away.sqrt() + ROUNDING)
    weight = weight * (max(samples * len(seen) / len(data), len(seen)) / weight.sum())
    stretch = (weight @ size.square() / weight.sum()).sqrt()
    levels, scores = _quantiles(size, weight)
    return ErrorBars(there.factor, noise, spread, stretch, levels, scores, len(seen), held_out is not None)


def _quantiles(size: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Levels and scores: of w repeats of all scores, the k-th smallest holds k / (w + 1) of new ones."""
    scores, order = size.sort(0)
    levels = weight[order].cumsum(0) / (weight.sum() + 1)
    if len(scores) > MOST_SCORES:  # only the larger of neighbours, so that intervals are rather too wide
        kept = torch.linspace(0, len(scores) - 1, MOST_SCORES).long()
        levels, scores = levels[kept], scores[kept]
    return levels, scores


def _lengths(model: nn.Module, x: Tensor, factor: Tensor) -> Tensor:
    """|C'g| of every output at x, (N, m)."""
    found, outputs = [], model.layers[-1].out_features
    for part in x.split(max(1, ROW_CHUNK_NUMBERS // (len(factor) * outputs))):
        found.append(torch.stack([(rows @ factor).norm(dim=1) for rows in output_rows(model, part)], 1))
    return torch.cat(found)


def _edge_parameters(layer: nn.Module, o: int) -> list[Tensor]:
    """For each input of a layer, which of its trainable parameters make the edge to output o."""
    start, found = 0, [[] for _ in range(layer.in_features)]
    for name, parameter in layer.named_parameters():
        if not parameter.requires_grad:
            continue
        if name != "bias":
            index = torch.arange(start, start + parameter.numel()).view(parameter.shape)[..., o]
            for i in range(layer.in_features):
                found[i].append(index[i].flatten())
        start += parameter.numel()
    return [torch.cat(parts) for parts in found]


def _long(sizes: list[int]) -> Tensor:
    return torch.tensor(sizes, dtype=torch.int64)
