"""Choice among several starts of several shapes for noise-free samples: short races on coarse grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor

from edgewise.gam.pairs import rank_pairs
from edgewise.nn.layers.initial import seed_of_start, seeded_generator
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.model import KAN
from edgewise.ops.splines.knots import greville, uniform
from edgewise.outcomes import Budget
from edgewise.presentation import number_text
from edgewise.settings import ABOVE_ZERO
from edgewise.train.cost import APPROXIMATION_COST, active_parameters
from edgewise.train.grids import HIDDEN_MARGIN, move_hidden_domains_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems import Regression


@dataclass(frozen=True)
class RaceSettings:
    """Sizes and thresholds of the races."""

    # Half of the starts begin with two intervals, half with four. From two, 10 of 12 starts of toy function 5 in [4,
    # 2, 1, 1] found the good minimum, from four 5; but exp(sin(pi x) + y^2) in [2, 1, 1] is found from four more
    # often.
    grid: int = 4
    # Steps of each stage of a race, and the margin of the hidden grids that follow the activations after it: wide
    # while the activations still move.
    stages: tuple[tuple[int, float], ...] = ((15, 0.3), (15, 0.2), (30, 0.1), (30, 0.05))
    coarse_steps: int = 60  # steps on a coarse grid after the race, and after each halving before the choice
    # Samples before the choice, or three for each parameter: more do not change which minimum is found.
    start_samples: int = 1000
    start_share: float = 0.3  # share of the budget for all starts
    # starts of each shape
    most_starts: int = 8
    least_starts: int = 3
    # Samples, and the degree of the polynomials of one input, with which inputs that act together are found; starts
    # for each group, and rounds: a tenth of a second, and the rest of a curve by then is small beside a product.
    group_samples: int = 2000
    group_degree: int = 7
    group_starts: int = 8
    group_rounds: int = 2
    group_share: float = 0.8  # of the budget, that all starts may take with those of groups
    # Shapes with the lowest errors, and as many with the lowest extrapolated errors, whose grids are halved, round by
    # round, before the choice.
    finalists: tuple[int, ...] = (2, 1)
    # For smooth functions: quintic splines reached errors of 1e-8 with half the coefficients of cubic ones.
    smooth_degree: int = 5
    # A slope of the error below this means that the shape is wrong (the right one has slope degree + 1).
    least_slope: float = 1.5
    resolved: float = 1e-4  # mean squared error, relative to the target's, below which slopes are informative
    # Quadratic splines are tried for shapes with up to this number of hidden nodes, and for at most this share of the
    # budget. Sums and products are compositions of squares: with quadratic splines x*y was exact after a few steps,
    # with quintic ones, among which the exact one is hard to find, the error was still 1e-5 after 400.
    low_degree: int = 2
    low_nodes: int = 4
    low_share: float = 0.05
    # Mean squared errors, relative to the target's, of an exact model in float64, and of one that is worth all steps.
    exact_loss: float = 1e-26
    nearly_exact_loss: float = 1e-12
    # First damping of a model that continues from a coarser grid, near its minimum: from 1e-2 it took ten steps more
    # to converge, for exp(sin(pi x) + y^2) 17 to 23 of them instead of 11 to 15 on every grid.
    near_damping: float = 1e-6
    same_minimum: float = 1.3  # ratio of errors up to which two starts are taken to have found the same minimum


SETTINGS = RaceSettings()


@dataclass(frozen=True)
class Start:
    """One start of one shape."""

    seed: int  # seed of the initial weights
    model: KAN  # the model in its present state
    report: FitReport | None = None  # report of its last fit
    loss: float = math.inf  # held-out mean squared error

    @property
    def width(self) -> tuple[int, ...]:
        """Nodes of every layer."""
        return self.model.config.width

    @property
    def last_report(self) -> FitReport:
        """Report of the last fit of a start that was trained."""
        assert self.report is not None
        return self.report


@dataclass(frozen=True)
class StartPlan:
    """Fixed settings of the starts; None leaves the choice open."""

    degree: int | None = None  # degree of the splines; if left out 5, or 2 where that is exact
    # (in, 2), domain of the grids of the first layer; if left out, that of the samples
    domain: Sequence[float] | Tensor | None = None
    starts: int | None = None  # starts of each shape; if left out, as many as the budget allows
    seed: int = 0  # seed of the initial weights


def shapes_for(inputs: int, outputs: int) -> list[tuple[int, ...]]:
    """Return the shapes to try, from additive to two hidden layers, smaller ones first."""
    n = max(inputs, 2)
    hidden: list[tuple[int, ...]] = [(), (2,), (3, 2)]
    if inputs > 1:
        hidden = [(), (1,), (2,), (n, 1), (n, 2), (n + 1, n), (2 * n + 1, n + 1)]
    return [(inputs, *layers, outputs) for layers in dict.fromkeys(hidden)]


def step_work(problem: Regression, model: KAN) -> float:
    """Estimate the multiply-adds of one Levenberg-Marquardt step; they are counted, never timed."""
    parameters = sum(p.numel() for p in model.parameters())
    return APPROXIMATION_COST.levenberg_marquardt(problem.train.y.numel(), parameters, active_parameters(model))


def edge_count(width: Sequence[int]) -> int:
    """Return the number of edges of a network with these layers."""
    return sum(a * b for a, b in pairwise(width))


def half_grids(model: KAN) -> KAN:
    """Return the same function on grids of half the width."""
    return refine(model, tuple(2 * size for size in model.config.grid_size))


def train_start(
    start: Start, problem: Regression, budget: Budget, *, steps: int, tolerance: float, is_continued: bool = False
) -> Start:
    """Train a start by Levenberg-Marquardt, in place; the budget counts the work.

    Where it is continued from a coarser grid, near its minimum, the damping begins small.
    """
    if is_continued:
        method = LevenbergMarquardt(damping=SETTINGS.near_damping)
    else:
        method = LevenbergMarquardt()
    report = fit(start.model, problem, method, steps=steps, tolerance=tolerance)
    budget.work += report.steps * step_work(problem, start.model)
    loss = report.validation_loss
    if loss is None or not math.isfinite(loss):
        loss = math.inf
    return replace(start, report=report, loss=loss)


def best_start(
    problem: Regression, shapes: Sequence[tuple[int, ...]], plan: StartPlan, budget: Budget
) -> tuple[Start, list[str]]:
    """Choose the most promising start of all shapes, smaller ones first, trained on a coarse grid, with the reasons.

    The problem has training and validation tensors; the work of the starts is added to the budget.
    """
    sentences = []
    degree = plan.degree
    if degree is None:
        degree = SETTINGS.smooth_degree
        sentences.append(
            f"Splines have degree {SETTINGS.smooth_degree}, which needs half the coefficients of cubic ones."
        )
    # Each shape in turn, smaller ones first.
    finalists: list[Start] = []
    for number, shape in enumerate(shapes):
        few = _samples_of_race(problem, shape, SETTINGS.grid, degree, plan.seed)
        cheap = _race_work(few, shape, SETTINGS.low_degree, SETTINGS.least_starts) < SETTINGS.low_share * budget.limit
        if plan.degree is None and 0 < sum(shape[1:-1]) <= SETTINGS.low_nodes and cheap:
            exact = _exact_start(problem, few, shape, plan, budget)
            if exact is not None:
                return exact, [*sentences[1:], f"{list(shape)} with splines of degree {SETTINGS.low_degree} is exact."]
        # An end where the next shape would take more than half of the budget.
        if finalists and budget.work + _race_work(few, shape, degree, SETTINGS.least_starts) > budget.limit / 2:
            sentences.append(
                f"{list(shape)} and larger ones were not tried: they would take more than the budget allows."
            )
            break
        # A race of as many starts as the share of the budget for this shape allows.
        left = len(shapes) - number
        share = max(SETTINGS.start_share * budget.limit - budget.work, 0.0) / left
        affordable = max(share / _race_work(few, shape, degree, 1), SETTINGS.least_starts)
        most = SETTINGS.most_starts
        if left == 1:
            most *= 2
        count = plan.starts or int(min(affordable, most))
        if len(shape) == 2:
            count = 1  # linear in its coefficients: one start is as good as any
        starts = [_initial_start(shape, degree, plan, start, few) for start in range(count)]
        winner, sentence = _races(problem, few, starts, budget)
        # One start more, whose nodes were fitted group by group.
        grouped = _grouped_start(problem, few, winner, plan, budget)
        if grouped is not None and (grouped := _race(few, [grouped], budget)[0]).loss < winner.loss:
            winner = grouped
            sentence = (
                f"{list(shape)}, groups of inputs fitted one after the other: held-out error "
                f"{number_text(math.sqrt(winner.loss), 2)} at grid {SETTINGS.grid}."
            )
        sentences.append(sentence)
        if len(shapes) == 1:  # nothing to choose
            return winner, sentences
        # The end of the choice where the error falls as it does for the right shape.
        winner, slope = _refine_to_theory(problem, winner, budget)
        if slope is not None:
            grid = winner.model.config.grid_size[0]
            return winner, [
                *sentences,
                f"{list(shape)} is taken: up to grid {grid} its error falls with slope {number_text(slope, 2)} and "
                "more, as only that of the function's own shape does; larger shapes were not tried.",
            ]
        finalists.append(winner)
        if budget.past_deadline:
            break
    best, choice = _choose_shape(problem, finalists, budget)
    return best, [*sentences, choice]


def _initial_start(shape: tuple[int, ...], degree: int, plan: StartPlan, number: int, problem: Regression) -> Start:
    """Return an untrained start; even numbers begin on the first grid, odd ones on half of it."""
    seed = seed_of_start(plan.seed, number)
    grid = SETTINGS.grid
    if number % 2:
        grid //= 2
    dtype = problem.train.x.dtype
    return Start(seed, KAN(shape, grid, degree, base="zero", domain=plan.domain, seed=seed, dtype=dtype))


def input_groups(problem: Regression, count: int) -> Tensor:
    """Divide the inputs into groups whose members act together, for the nodes of a first layer: 1 or 0, (in, count).

    Pairs of inputs are ranked by what they explain beyond polynomials of one input (`rank_pairs`), and joined one after
    the other, strongest first, until `count` groups are left (single linkage).
    """
    data = problem.train
    x, y = (part[: SETTINGS.group_samples].detach().double().cpu().numpy() for part in (data.x, data.y))
    inputs = x.shape[1]
    powers = np.polynomial.legendre.legvander(
        2 * (x - x.min(0)) / np.maximum(np.ptp(x, 0), ABOVE_ZERO) - 1, SETTINGS.group_degree
    )
    columns = powers.reshape(len(x), -1)
    residual = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    gains = dict.fromkeys(combinations(range(inputs), 2), 0.0)
    for column in residual.T:
        for gain, pair in rank_pairs(x, column, np.ones(len(x)), range(inputs)):
            gains[pair] += gain / max(float(column @ column), ABOVE_ZERO)
    # Single linkage: the group of the second input takes the number of that of the first.
    group = np.arange(inputs)
    for first, second in sorted(gains, key=lambda pair: -gains[pair]):
        if len(set(group)) == count:
            break
        group[group == group[second]] = group[first]
    return torch.tensor(group[:, None] == np.unique(group), dtype=data.x.dtype)


def _exact_start(
    problem: Regression, few: Regression, shape: tuple[int, ...], plan: StartPlan, budget: Budget
) -> Start | None:
    """Return a start with quadratic splines that is exact, or None if none gets near after a few steps."""
    scale = float(problem.train.y.square().mean())
    for number in range(SETTINGS.least_starts):
        start = _initial_start(shape, SETTINGS.low_degree, plan, 2 * number, few)
        for steps, margin in SETTINGS.stages:
            start = _train_stage(start, few, steps, margin, budget)
        if start.loss <= SETTINGS.nearly_exact_loss * scale:
            start = _train_stage(start, problem, SETTINGS.coarse_steps, None, budget)
        if start.loss <= SETTINGS.exact_loss * scale:
            return start
    return None


def _races(problem: Regression, few: Regression, starts: list[Start], budget: Budget) -> tuple[Start, str]:
    """Two races, of the even starts from the first grid and of the odd ones from half of it; the winners meet there."""
    winner, sentence = _race(few, starts[::2], budget)
    if len(starts) > 1:
        other, other_sentence = _race(few, starts[1::2], budget)
        other, _ = _halve_grid(problem, other, budget)
        if other.loss < winner.loss:
            winner = other
            sentence = other_sentence
    return winner, sentence


def _grouped_start(problem: Regression, few: Regression, best: Start, plan: StartPlan, budget: Budget) -> Start | None:
    """Return a start whose first nodes have the inputs of one group each, fitted one after the other.

    The target is a sum of functions of the groups, to begin with, each a KAN [n, 1, 1] fitted to what the others left;
    a last layer of one edge begins as the identity. None where the best start so far is good already, the shape has no
    nodes for groups, or the budget is too small.
    """
    inputs, nodes, *behind = best.width
    degree = best.model.config.degree
    resolved = best.loss <= SETTINGS.resolved * float(problem.train.y.square().mean())
    if resolved or not (1 < nodes < inputs and behind in ([1], [1, 1])):
        return None
    # Groups of inputs, and the work of a KAN [members, 1, 1] for each.
    groups = input_groups(problem, nodes)
    shapes = [(int(members), 1, 1) for members in groups.sum(0)]
    needed = SETTINGS.group_rounds * sum(_race_work(few, shape, degree, SETTINGS.group_starts) for shape in shapes)
    if budget.work + needed > SETTINGS.group_share * budget.limit:
        return None
    start = _initial_start(best.width, degree, plan, 0, few)
    first, second, *last = cast("list[KANLayer]", list(start.model.layers))
    held = few.validation
    assert held is not None
    x = torch.cat([few.train.x, held.x])
    y = torch.cat([few.train.y, held.y])
    rows = len(few.train)
    # Backfitting: the KAN of a group is fitted to what the others leave.
    models = {}
    values = x.new_zeros(nodes, *y.shape)
    for number in range(SETTINGS.group_rounds * nodes):  # later rounds see less of the other groups as noise
        node = number % nodes
        columns = groups[:, node].nonzero()[:, 0]
        left = y - values.sum(0) + values[node]
        validation = x[rows:, columns], left[rows:], held.weight
        part = Regression(x[:rows, columns], left[:rows], weight=few.train.weight, validation=validation)
        domain = None
        if plan.domain is not None:
            domain = torch.as_tensor(plan.domain).expand(inputs, 2)[columns]
        own = replace(plan, domain=domain, seed=seed_of_start(plan.seed, number))
        starts = [_initial_start(shapes[node], degree, own, each, part) for each in range(SETTINGS.group_starts)]
        winner = _races(part, part, starts, budget)[0]
        if node not in models or winner.loss < float((values[node] - left)[rows:].square().mean()):
            models[node] = refine(winner.model, SETTINGS.grid)
            with torch.no_grad():
                values[node] = models[node](x[:, columns])
    with torch.no_grad():
        # The KANs of the groups as one network; layers behind them begin as the identity.
        first.mask.copy_(groups)
        for node, model in models.items():
            columns = groups[:, node].nonzero()[:, 0]
            inner, outer = cast("list[KANLayer]", list(model.layers))
            first.coef[columns, :, node] = inner.coef[:, :, 0]
            first.knots[columns] = inner.knots
            second.coef[node, :, 0] = outer.coef[0, :, 0]
            second.knots[node] = outer.knots[0]
        for layer in last:
            low = values.sum(0).amin(0)
            high = values.sum(0).amax(0)
            reach = HIDDEN_MARGIN * (high - low)
            layer.knots.copy_(uniform(torch.stack([low - reach, high + reach], 1), SETTINGS.grid, degree))
            layer.coef.copy_(greville(layer.knots, degree)[..., None])  # a straight line
    for layer in (first, second, *last):
        layer.domain_is_set.fill_(True)
    return start


def _race(few: Regression, starts: list[Start], budget: Budget) -> tuple[Start, str]:
    """Train all starts for a stage, drop the worse half, and so on; compare the last two at the end."""
    began = len(starts)
    width = starts[0].width
    grid = starts[0].model.config.grid_size[0]
    # Successive halving: all starts train for a stage, and the worse half goes.
    for number, (steps, margin) in enumerate(SETTINGS.stages):
        starts = [_train_stage(start, few, steps, margin, budget) for start in starts]
        starts.sort(key=lambda start: start.loss)
        if number:  # after the first steps the order means little
            starts = starts[: max(min(2, len(starts)), (len(starts) + 1) // 2)]
        budget.keep_best(starts[0].loss)
        budget.report(f"starts of {list(width)}", loss=starts[0].loss)
    # The last starts train to the end.
    starts = [_train_stage(start, few, SETTINGS.coarse_steps, None, budget) for start in starts]
    starts.sort(key=lambda start: start.loss)
    best = starts[0]
    which = "one start"
    if began > 1:
        which = f"best of {began} starts"
    # The landscape: whether the two best starts ended in one minimum.
    message = f"{list(width)}, {which}: held-out error {number_text(math.sqrt(best.loss), 2)} at grid {grid}"
    if len(starts) > 1:
        same = math.sqrt(starts[1].loss) <= SETTINGS.same_minimum * math.sqrt(best.loss)
        if same:
            message += "; the two best met in one minimum"
        else:
            message += "; no second start came as low"
    return best, message + "."


def _train_stage(start: Start, problem: Regression, steps: int, margin: float | None, budget: Budget) -> Start:
    """Train for one stage; with a margin, the hidden grids then follow the activations."""
    # Hidden grids that will move make the last digits of a stage worthless.
    tolerance = 1e-2
    if margin is None:
        tolerance = 1e-3
    start = train_start(start, problem, budget, steps=steps, tolerance=tolerance)
    if margin is not None and len(start.width) > 2 and math.isfinite(start.loss):
        move_hidden_domains_(start.model, problem.train.x, margin=margin)
    return start


def _refine_to_theory(problem: Regression, start: Start, budget: Budget) -> tuple[Start, float | None]:
    """Refine a start while its error falls as it does for the right shape, with slope degree + 1.

    Returns the refined start and the lower of two such slopes in a row, or the start as it was and None.
    """
    scale = float(problem.train.y.square().mean())
    enough = start.model.config.degree - 0.5
    slopes: list[float] = []
    finer = start
    while len(slopes) < 4 and finer.loss <= SETTINGS.resolved * scale and _is_determined(problem, finer):
        finer, slope = _halve_grid(problem, finer, budget)
        slopes.append(slope)
        if slope < SETTINGS.least_slope:
            break
        if finer.loss <= SETTINGS.exact_loss * scale or (len(slopes) > 1 and min(slopes[-2:]) >= enough):
            return finer, min(slopes[-2:])
    return start, None


def _choose_shape(problem: Regression, finalists: list[Start], budget: Budget) -> tuple[Start, str]:
    """Halve the grids of the best few shapes, of fewer again, and take the one with the lowest extrapolated error.

    On a coarse grid a wide model is ahead of the right one, whose error falls with slope degree + 1 once the grid
    resolves it. Both the lowest errors and the lowest extrapolated errors therefore go on to the next round.
    """
    fastest = finalists[0].model.config.degree + 1.0
    entries = [(start, fastest) for start in finalists if math.isfinite(start.loss)] or [(finalists[0], 0.0)]

    rows = problem.train.y.numel()
    values = most_values(problem)

    def halving_work(start: Start, grid: int) -> float:
        degree = start.model.config.degree
        edges = edge_count(start.width)
        parameters = edges * (2 * grid + degree)
        return SETTINGS.coarse_steps * APPROXIMATION_COST.levenberg_marquardt(rows, parameters, edges * (degree + 1))

    def extrapolated(entry: tuple[Start, float]) -> float:
        """The error extrapolated with the slope to the finest grid that samples and budget allow."""
        # The finest grid for which there are samples, different values and budget.
        start, slope = entry
        if not math.isfinite(start.loss):
            return math.inf
        grid = start.model.config.grid_size[0]
        degree = start.model.config.degree
        finest = grid
        spent = budget.work + halving_work(start, grid)
        while (
            2 * edge_count(start.width) * (2 * finest + degree) <= rows
            and 2 * finest + degree <= values
            and spent <= budget.limit
        ):
            finest *= 2
            spent += halving_work(start, finest)
        # The error falls with the power of the grid that the race has measured.
        return math.sqrt(start.loss) * (grid / finest) ** slope

    # Rounds of halving: the best by error and the best by extrapolated error go on.
    for keep in SETTINGS.finalists:
        by_loss = sorted(entries, key=lambda entry: entry[0].loss)
        by_extrapolation = sorted(entries, key=extrapolated)
        kept = {id(start): (start, slope) for start, slope in (*by_loss[:keep], *by_extrapolation[:keep])}
        affordable = [
            (start, slope)
            for start, slope in kept.values()
            if halving_work(start, start.model.config.grid_size[0]) + budget.work < budget.limit
            and _is_determined(problem, start)
        ]
        if budget.past_deadline or not affordable:
            break
        entries = [_halve_grid(problem, start, budget) for start, _ in affordable]
        if len(entries) == 1:
            break
    # The shape with the lowest extrapolated error.
    best, slope = min(entries, key=extrapolated)
    error = extrapolated((best, slope))
    grid = best.model.config.grid_size[0]
    return best, (
        f"{list(best.width)} is taken: error {number_text(math.sqrt(best.loss), 2)} at grid {grid}, falling with slope "
        f"{number_text(slope, 2)}, promises {number_text(error, 1)} at the finest grid that samples and budget allow."
    )


def _halve_grid(problem: Regression, start: Start, budget: Budget) -> tuple[Start, float]:
    """Train a start on grids of half the width; return it with the slope with which its error fell."""
    model = half_grids(start.model)
    few = _samples_of_race(problem, start.width, model.config.grid_size[0], model.config.degree, start.seed)
    finer = replace(start, model=model)
    finer = train_start(finer, few, budget, steps=SETTINGS.coarse_steps, tolerance=1e-3, is_continued=True)
    budget.keep_best(finer.loss)
    budget.report(f"choice between shapes: {list(start.width)}", loss=finer.loss)
    if not finer.loss < start.loss:
        return start, 0.0
    slope = math.log2(start.loss / max(finer.loss, ABOVE_ZERO)) / 2
    return finer, min(slope, model.config.degree + 1)


def most_values(problem: Regression) -> int:
    """Return the largest number of distinct values of an input.

    More basis functions than that are not determined by the samples.
    """
    return max(len(column.unique()) for column in problem.train.x.unbind(1))


def _is_determined(problem: Regression, start: Start) -> bool:
    """Return whether the samples have enough distinct values for grids of half the width."""
    config = start.model.config
    return 2 * config.grid_size[0] + config.degree <= most_values(problem)


def _race_work(problem: Regression, shape: tuple[int, ...], degree: int, starts: int) -> float:
    """Estimate the work of a race: about 60 steps a start, as half of the starts see the first two stages only."""
    edges = edge_count(shape)
    rows = problem.train.y.numel()
    return (
        starts
        * 60
        * APPROXIMATION_COST.levenberg_marquardt(rows, edges * (SETTINGS.grid + degree), edges * (degree + 1))
    )


def _samples_of_race(problem: Regression, shape: tuple[int, ...], grid: int, degree: int, seed: int) -> Regression:
    """Draw as many training samples as a model of this shape and grid needs; all held-out samples are kept."""
    data = problem.train
    held = problem.validation
    enough = max(SETTINGS.start_samples, 3 * edge_count(shape) * (grid + degree))
    if len(data) <= enough:
        return problem
    assert held is not None
    order = torch.randperm(len(data), generator=seeded_generator(seed))[:enough]
    part = data.select(order.sort().values)
    return Regression(part.x, part.y, weight=part.weight, validation=(held.x, held.y, held.weight))
