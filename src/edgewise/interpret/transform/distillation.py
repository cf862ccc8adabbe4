"""Distillation: a small KAN trained on the predictions of a function, a network or an estimator."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from edgewise.checks import check_count, typed
from edgewise.errors import InputError
from edgewise.interpret.black_box import BlackBox, TensorFunction, check_points, tensor_function
from edgewise.nn.model import KAN, edge_layers
from edgewise.presentation import number_text
from edgewise.settings import ABOVE_ZERO
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.choice import SEARCH_LIMITS, method_for
from edgewise.train.problems import Regression


@dataclass(frozen=True)
class DistilReport:
    """Error of a distilled KAN on fresh points that are drawn like the data."""

    rmse: float  # in the unit of the function
    max_error: float  # in the unit of the function
    relative_error: float  # rmse relative to the standard deviation of the function
    fresh: int  # number of points on which these were measured
    calls: int  # number of points at which the function was evaluated in all
    parameters: int  # of the KAN

    def __str__(self) -> str:
        return (
            f"A KAN of {self.parameters} parameters follows the function with a root mean square error of "
            f"{number_text(self.rmse, 3)} ({number_text(self.relative_error, 2)} of its standard "
            f"deviation), at most {number_text(self.max_error, 3)}, on "
            f"{self.fresh:,} fresh points; the function was evaluated at {self.calls:,}."
        )


@typed
def distil(
    model: BlackBox,
    x: ArrayLike | Tensor | None = None,
    *,
    domain: Sequence[Sequence[float]] | Tensor | None = None,
    hidden: Sequence[int] = (5,),
    grid_sizes: Sequence[int] = (4, 8, 16),
    samples: int = 2000,
    seed: int = 0,
) -> tuple[KAN, DistilReport]:
    """Train a KAN to reproduce a model where its data lie.

    Training points are drawn evenly from a box, or from the data: a row, plus a part of the difference of two other
    rows. Such points keep the relations between the columns. The grid sizes are tried in order. At each one the KAN is
    trained and compared with the model on fresh points. Then more points are added where the error is large, half as
    many as there were. The search ends when a finer grid does not halve the error, and the best KAN is returned,
    with a report (a pair, unlike `prune` and `widen`, which return the model alone).

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of a tensor (N, d), see `edgewise.interpret.black_box.tensor_function`; of a classifier the
        probabilities are distilled.
    x : array-like or Tensor, optional
        Data (N, d) in the domain of the model. Exactly one of `x` and `domain` is given.
    domain : sequence of (low, high) or Tensor (d, 2), optional
        The box.
    hidden : sequence of int
        Numbers of hidden nodes, () for an additive KAN.
    grid_sizes : sequence of int
        Knot intervals, tried in order, each a multiple of the one before.
    samples : int
        Number of points to start with, at least 10.
    seed : int
        Seed of points and weights.

    Returns
    -------
    model : KAN
        float64, with the model's inputs and outputs in their units.
    report : DistilReport
        Its errors on `fresh` points, `rmse`, `max_error` and `relative_error`, the `calls` of the function, and the
        number of `parameters`.

    Raises
    ------
    InputError
        An argument is not as above, or the model is not finite at the points.

    Examples
    --------
    >>> from edgewise.interpret import distil
    >>> small, report = distil(lambda x: x[:, 0].exp(), domain=[(0, 1)], hidden=(), grid_sizes=(8,))
    >>> report.relative_error < 1e-4
    True
    """
    check_count(samples, "samples")
    if samples < 10:  # fewer determine no spline
        raise InputError(f"samples must be at least 10, got {samples}")
    check_count(seed, "seed", 0)
    grids = list(grid_sizes)
    for size in grids:
        check_count(size, "grid_sizes")
    if not grids or any(b % a for a, b in pairwise(grids)):
        raise InputError(f"grid_sizes must be multiples of each other in rising order, got {grid_sizes!r}")
    if x is not None and domain is None:
        draw = _near_data(x, seed)
    elif domain is not None and x is None:
        draw = _in_box(domain, seed)
    else:
        raise InputError("x or domain must be given, and not both")
    distillation = _Distillation(tensor_function(model), draw, samples, tuple(hidden), grids[0], seed)
    for size in grids:
        if not distillation.train_at(size):
            break
    return distillation.result()


class _Distillation:
    """State of a distillation; the KAN's first layer sees the inputs on [-1, 1], and outputs are standardised."""

    def __init__(
        self,
        function: TensorFunction,
        draw: Callable[[int], Tensor],
        samples: int,
        hidden: tuple[int, ...],
        grid_size: int,
        seed: int,
    ):
        self.function = function
        self.draw = draw
        self.samples = samples
        self.calls = 0
        self.x, self.y = self._new_points()
        # Inputs scaled to [-1, 1] and standardised outputs, so that the settings of the training fit any units.
        low = self.x.amin(0)
        high = self.x.amax(0)
        self.shift = (low + high) / 2
        self.width = torch.where(high > low, (high - low) / 2, 1.0)
        self.mean = self.y.mean(0)
        self.deviation = self.y.std(0, correction=0)
        self.scale = torch.where(self.deviation > 0, self.deviation, 1.0)
        width = [self.x.shape[1], *hidden, self.y.shape[1]]
        self.model = KAN(width, grid_size, base="zero", domain=(-1, 1), seed=seed, dtype=torch.float64)
        self.best = self.model
        self.best_error = float("inf")
        self.rounds = 0  # grid sizes that were tried

    def _new_points(self) -> tuple[Tensor, Tensor]:
        """Fresh points and the values of the function there."""
        x = self.draw(self.samples)
        with torch.no_grad():
            y = self.function(x)
        if not bool(y.isfinite().all()):
            raise InputError("model must be finite on the data or in the domain, got infinite or undefined values")
        self.calls += len(x)
        return x, y

    def train_at(self, grid_size: int) -> bool:
        """Train at a grid size and add points; returns whether a finer grid is worth trying."""
        # Training, before and after the hidden domains are moved to the activations.
        self.model = refine(self.model, grid_size)
        x = self._inside(self.x)
        problem = Regression(x, (self.y - self.mean) / self.scale)
        parameters = sum(p.numel() for p in self.model.parameters())
        method, _ = method_for(problem, parameters, is_linear=len(self.model.layers) == 1, limits=SEARCH_LIMITS)
        if len(self.model.layers) > 1:
            fit(self.model, problem, method, steps=25, tolerance=1e-4)
            first = copy.deepcopy(self.model.layers[0])
            adapt_domain_(self.model, x)
            self.model.layers[0] = first
        fit(self.model, problem, method, steps=60, tolerance=1e-5)
        # The error on fresh points decides whether this is the best network.
        pool, values = self._new_points()
        with torch.no_grad():
            errors = (self.model(self._inside(pool)) - (values - self.mean) / self.scale).square().mean(1)
        error = float(errors.mean().sqrt())
        self.rounds += 1
        gain = self.best_error / max(error, ABOVE_ZERO)
        if error < self.best_error:
            self.best = copy.deepcopy(self.model)
            self.best_error = error
        # Points by their error, and a tenth evenly, so that no part of the domain is neglected.
        weights = errors + 0.1 * errors.mean() + ABOVE_ZERO
        generator = torch.Generator().manual_seed(self.rounds)
        chosen = torch.multinomial(weights, self.samples // 2, generator=generator)
        self.x = torch.cat([self.x, pool[chosen]])
        self.y = torch.cat([self.y, values[chosen]])
        return gain > 2.0 and error > 1e-6  # half the error, and not small enough yet

    @torch.no_grad()
    def result(self) -> tuple[KAN, DistilReport]:
        """The best model in the units of the function, and its error on fresh points."""
        # Scaling of inputs and outputs is affine, so it goes into knots and coefficients.
        model = copy.deepcopy(self.best)
        layers = edge_layers(model)
        layers[0].knots.copy_(self.shift[:, None] + self.width[:, None] * layers[0].knots)
        layers[-1].coef.mul_(self.deviation)
        layers[-1].coef[0] += self.mean  # B-splines sum to one: a constant is the same addition to all coefficients
        # Errors at points that no round has seen.
        fresh, values = self._new_points()
        errors = model(fresh) - values
        rmse = float(errors.square().mean().sqrt())
        spread, size = (float(v.square().mean().sqrt()) for v in (values.std(0, correction=0), values))
        if spread <= 1e-12 * size:  # a constant function
            spread = size or 1.0
        report = DistilReport(
            rmse=rmse,
            max_error=float(errors.abs().max()),
            relative_error=rmse / spread,
            fresh=len(fresh),
            calls=self.calls,
            parameters=sum(p.numel() for p in model.parameters()),
        )
        return model, report

    def _inside(self, x: Tensor) -> Tensor:
        """The inputs scaled to [-1, 1]."""
        return (x - self.shift) / self.width


def _near_data(x: ArrayLike | Tensor, seed: int) -> Callable[[int], Tensor]:
    """Make a function that draws new points distributed like the rows of x."""
    data = check_points(x)
    rows, d = data.shape
    generator = torch.Generator().manual_seed(seed)
    # Half of Silverman's bandwidth ("Density estimation", 1986, eq. 4.14): near the data without blurring them.
    step = 0.5 * (4 / (d + 2)) ** (1 / (d + 4)) * rows ** (-1 / (d + 4)) / 2**0.5
    # A column with at most 12 different values keeps to these values.
    is_smooth = torch.tensor([len(column.unique()) > 12 for column in data.unbind(1)])
    low, high = data.amin(0), data.amax(0)

    def draw(count: int) -> Tensor:
        one, two, three = (data[torch.randint(rows, (count,), generator=generator)] for _ in range(3))
        return torch.minimum(torch.maximum(one + torch.where(is_smooth, step * (two - three), 0.0), low), high)

    return draw


def _in_box(domain: Sequence[Sequence[float]] | Tensor, seed: int) -> Callable[[int], Tensor]:
    """Make a function that draws new points of a scrambled Sobol sequence in a box."""
    box = check_points(domain, "domain", least=1)
    if box.shape[1] != 2 or not bool((box[:, 0] < box[:, 1]).all()):
        raise InputError(f"domain must be rows (low, high) with low < high, one per input, got {box.tolist()}")
    engine = torch.quasirandom.SobolEngine(len(box), scramble=True, seed=seed)
    return lambda count: box[:, 0] + (box[:, 1] - box[:, 0]) * engine.draw(count, dtype=torch.float64)
