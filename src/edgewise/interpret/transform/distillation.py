"""A small KAN instead of a large model: trained on what a function, a network or a scikit-learn model answers."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.checks import check_count
from edgewise.errors import InputError
from edgewise.interpret.black_box import check_points, tensor_function
from edgewise.model_selection.candidates import method_for
from edgewise.nn.model import KAN
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.problems.regression import Regression

FIRST_STEPS, STEPS = 25, 60  # of the training at each grid size, before and after the hidden domains are moved
ENOUGH = 1e-6  # relative error at which nothing more is done
SPREAD = 0.1  # of the mean squared error that counts everywhere when points are added, so that no part is forgotten
LEVELS = 12  # a column of data with no more values is left at them


@dataclass(frozen=True)
class DistilRound:
    """One grid size: points trained on, parameters, and the root mean square error on points not yet seen, relative to
    the standard deviation of the function."""

    grid_size: int
    points: int
    parameters: int
    relative_error: float


@dataclass(frozen=True)
class DistilReport:
    """How close the KAN is to what it stands for, on fresh points drawn as the data lie.

    rmse, max_error: in the unit of the function. relative_error: rmse by the function's standard deviation.
    fresh: points these were measured on. calls: points at which the function was evaluated in all.
    parameters: of the KAN. rounds: one for each grid size that was tried.
    """

    rmse: float
    max_error: float
    relative_error: float
    fresh: int
    calls: int
    parameters: int
    rounds: tuple[DistilRound, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report in words."""
        return (
            f"A KAN of {self.parameters} parameters follows the function with a root mean square error of "
            f"{self.rmse:.3g} ({self.relative_error:.2g} of its standard deviation), at most {self.max_error:.3g}, on "
            f"{self.fresh:,} fresh points; the function was evaluated at {self.calls:,}.",
        )


def distil(
    function,
    x=None,
    *,
    domain: Sequence | Tensor | None = None,
    hidden: Sequence[int] = (5,),
    grid_sizes: Sequence[int] = (4, 8, 16),
    samples: int = 2000,
    seed: int = 0,
) -> tuple[KAN, DistilReport]:
    """A KAN that does what `function` does, where it matters.

    Points are drawn as the data lie (rows with a little of the difference of two others added, so that columns stay
    related as they are), or evenly over a box. At every grid size the KAN is trained, compared with the function on
    points not seen before, and half as many points again are added where the error is large. Finer grids are tried as
    long as they halve the error; the best model is kept.

    Args:
        function: a torch module, an object with `predict` (of a classifier the probabilities are distilled), or a
            function of a tensor (N, d); see `tensor_function`.
        x: data (N, d) in the function's domain. domain: or the box, (d, 2) or (low, high) pairs.
        hidden: hidden nodes, () for an additive KAN. grid_sizes: tried in order, each a multiple of the one before.
        samples: points to start with. seed: of points and weights.

    Returns:
        The KAN, float64, of the function's inputs and outputs in their units, and a `DistilReport`.

    Raises:
        InputError: an argument is not as above, or the function is not finite there.
    """
    check_count(samples, "samples")
    if samples < 10:
        raise InputError(f"samples must be at least 10, got {samples}")
    grids = [grid_sizes] if isinstance(grid_sizes, int) else list(grid_sizes)
    for size in grids:
        check_count(size, "grid_sizes")
    if not grids or any(b % a for a, b in pairwise(grids)):
        raise InputError(f"grid_sizes must be multiples of each other in rising order, got {grid_sizes!r}")
    draw = _sampler(x, domain, seed)
    run = _Distilling(_finite(tensor_function(function)), draw, samples, tuple(hidden), grids[0], seed)
    for size in grids:
        if not run.round(size):
            break
    return run.result()


class _Distilling:
    """One distillation at work, on inputs that the KAN's first layer sees on [-1, 1] and standardised outputs."""

    def __init__(self, f: Callable, draw: Callable, samples: int, hidden: tuple[int, ...], grid_size: int, seed: int):
        self.f, self.draw, self.samples = f, draw, samples
        self.x = draw(samples)
        self.y = f(self.x)
        self.calls = len(self.x)
        low, high = self.x.amin(0), self.x.amax(0)
        self.shift, self.width = (low + high) / 2, torch.where(high > low, (high - low) / 2, 1.0)
        self.mean = self.y.mean(0)
        self.deviation = self.y.std(0, correction=0)
        self.scale = torch.where(self.deviation > 0, self.deviation, 1.0)
        width = [self.x.shape[1], *hidden, self.y.shape[1]]
        self.model = KAN(width, grid_size, base="zero", domain=(-1, 1), seed=seed, dtype=torch.float64)
        self.best, self.best_error, self.rounds = self.model, float("inf"), []

    def round(self, grid_size: int) -> bool:
        """Trains at a grid size and adds points; whether a finer grid is worth while."""
        self.model = refine(self.model, grid_size)
        problem = Regression(self._inside(self.x), (self.y - self.mean) / self.scale)
        parameters = sum(p.numel() for p in self.model.parameters())
        method = method_for(problem, parameters, linear=len(self.model.layers) == 1)
        if len(self.model.layers) > 1:
            fit(self.model, problem, method, steps=FIRST_STEPS, tolerance=1e-4)
            first = copy.deepcopy(self.model.layers[0])
            adapt_domain_(self.model, problem.train.x)
            self.model.layers[0] = first
        fit(self.model, problem, method, steps=STEPS, tolerance=1e-5)
        pool = self.draw(self.samples)
        values = self.f(pool)
        self.calls += len(pool)
        errors = self._errors(self.model, pool, values)
        error = float(errors.mean().sqrt())
        self.rounds.append(DistilRound(grid_size, len(self.x), parameters, error))
        gain = self.best_error / max(error, 1e-300)
        if error < self.best_error:
            self.best, self.best_error = copy.deepcopy(self.model), error
        weights = errors + SPREAD * errors.mean() + 1e-300
        generator = torch.Generator().manual_seed(len(self.rounds))
        chosen = torch.multinomial(weights, self.samples // 2, generator=generator)
        self.x, self.y = torch.cat([self.x, pool[chosen]]), torch.cat([self.y, values[chosen]])
        return gain > 2 and error > ENOUGH

    def result(self) -> tuple[KAN, DistilReport]:
        fresh = self.draw(self.samples)
        values = self.f(fresh)
        model = self._in_units()
        with torch.no_grad():
            errors = model(fresh) - values
        rmse = float(errors.square().mean().sqrt())
        spread, size = (float(v.square().mean().sqrt()) for v in (values.std(0, correction=0), values))
        spread = spread if spread > 1e-12 * size else size or 1.0  # of a constant its size
        parameters = sum(p.numel() for p in model.parameters())
        report = DistilReport(
            rmse,
            float(errors.abs().max()),
            rmse / spread,
            len(fresh),
            self.calls + len(fresh),
            parameters,
            tuple(self.rounds),
        )
        return model, report

    def _inside(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.width

    def _errors(self, model: KAN, x: Tensor, y: Tensor) -> Tensor:
        """Squared error of each point, in variances of the function."""
        with torch.no_grad():
            return (model(self._inside(x)) - (y - self.mean) / self.scale).square().mean(1)

    @torch.no_grad()
    def _in_units(self) -> KAN:
        """The best model with the scaling of inputs and outputs inside: moved knots, scaled coefficients."""
        model = copy.deepcopy(self.best)
        first, last = model.layers[0], model.layers[-1]
        first.knots.copy_(self.shift[:, None] + self.width[:, None] * first.knots)
        last.coef.mul_(self.deviation)
        last.coef[0] += self.mean  # B-splines sum to one, so a constant is the same addition to all coefficients
        return model


def _finite(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def checked(x: Tensor) -> Tensor:
        with torch.no_grad():
            y = f(x)
        if not bool(y.isfinite().all()):
            raise InputError("function must be finite on the data or in the domain, got infinite or undefined values")
        return y

    return checked


def _sampler(x, domain, seed: int) -> Callable[[int], Tensor]:
    """A function that draws so many new points each time."""
    if (x is None) == (domain is None):
        raise InputError("x or domain must be given, and not both")
    if x is not None:
        x = check_points(x)
        generator = torch.Generator().manual_seed(seed)
        # Half of Silverman's bandwidth ("Density estimation", 1986, eq. 4.14): points near the data, no blur of them.
        reach = 0.5 * (4 / (x.shape[1] + 2)) ** (1 / (x.shape[1] + 4)) * len(x) ** (-1 / (x.shape[1] + 4)) / 2**0.5
        smooth = torch.tensor([len(column.unique()) > LEVELS for column in x.unbind(1)])
        low, high = x.amin(0), x.amax(0)

        def near(count: int) -> Tensor:
            one, two, three = (x[torch.randint(len(x), (count,), generator=generator)] for _ in range(3))
            return torch.minimum(torch.maximum(one + torch.where(smooth, reach * (two - three), 0.0), low), high)

        return near
    box = check_points(domain, "domain", least=1)
    if box.shape[1] != 2 or not bool((box[:, 0] < box[:, 1]).all()):
        raise InputError(f"domain must be rows (low, high) with low < high, one per input, got {box.tolist()}")
    engine = torch.quasirandom.SobolEngine(len(box), scramble=True, seed=seed)
    return lambda count: box[:, 0] + (box[:, 1] - box[:, 0]) * engine.draw(count, dtype=torch.float64)
