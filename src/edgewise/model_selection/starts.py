"""Several starts of several shapes, kept short; the most promising one goes on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.train.grids import move_hidden_domains_, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems.regression import Regression

# Half of the starts begin with two intervals, half with four. From two, 10 of 12 starts of toy function 5 in
# [4, 2, 1, 1] found the good minimum, from four 5; but exp(sin(pi x) + y^2) in [2, 1, 1] is found from four more often.
FIRST_GRID = 4
# Steps of a stage, and the margin of the hidden grids that follow the activations after it. Wide while they travel.
STAGES = ((15, 0.3), (15, 0.2), (30, 0.1), (30, 0.05))
COARSE_STEPS = 60
START_SAMPLES = 1000  # before the choice, or three for each parameter: more don't change which minimum is found
START_SHARE = 0.3  # of the budget for all starts
MOST_STARTS, LEAST_STARTS = 8, 3
FINALISTS = (2, 1)  # lowest errors and lowest promises whose grids are halved, round by round, before the choice
OVERHEAD = 4e6  # of a step beyond its arithmetic, in multiply-adds: some hundred small torch calls
DEGREE = 5  # of smooth functions: quintic splines reached 1e-8 with half the coefficients of cubic ones
# Sums and products are compositions of squares: with quadratic splines x*y was exact after a few steps, with quintic
# ones, among which the exact one is hard to find, still at 1e-5 after 400.
HOPELESS = 1.5  # a slope below means that the shape is wrong
RESOLVED = 1e-4  # mean squared error relative to the target's from where slopes tell something
LOW_DEGREE, LOW_NODES, LOW_SHARE = 2, 4, 0.05  # tried with so many hidden nodes, and for so much of the budget, at most
EXACT, NEAR = 1e-26, 1e-12  # mean squared error relative to the target's; near: from where all steps are worth it
# The first damping of a model that goes on from a coarser grid, near its minimum: from 1e-2 it took ten steps more to
# get there, for exp(sin(pi x) + y^2) 17 to 23 of them instead of 11 to 15 on every grid.
NEAR_DAMPING = 1e-6
SAME_BASIN = 1.3  # ratio of errors up to which two starts count as one minimum


@dataclass(frozen=True)
class Arm:
    """One start: its seed, the model as it is, the report of its last fit, and its held-out mean squared error."""

    seed: int
    model: KAN
    report: FitReport | None = None
    loss: float = math.inf

    @property
    def width(self) -> tuple[int, ...]:
        return self.model.config.width


@dataclass(frozen=True)
class StartPlan:
    """degree: of the splines, None for 5, or for 2 where that is exact. domain: of the first layer's grids, None for
    that of the samples. starts: of each shape, None for as many as the budget allows. seed: of the initial weights."""

    degree: int | None = None
    domain: Sequence[float] | Tensor | None = None
    starts: int | None = None
    seed: int = 0


def shapes_for(inputs: int, outputs: int) -> list[tuple[int, ...]]:
    """The shapes to try, from additive to two hidden layers, the larger ones later."""
    n = max(inputs, 2)
    hidden = [(), (1,), (2,), (n, 1), (n, 2), (n + 1, n), (2 * n + 1, n + 1)] if inputs > 1 else [(), (2,), (3, 2)]
    return [(inputs, *layers, outputs) for layers in dict.fromkeys(hidden)]


def step_work(problem: Regression, model: KAN) -> float:
    """Multiply-adds, about, of one Levenberg-Marquardt step. Counted, never timed."""
    parameters = sum(p.numel() for p in model.parameters())
    active = sum(a * b for a, b in pairwise(model.config.width)) * (model.config.degree + 1)
    return _work(problem.train.y.numel(), parameters, active)


def _work(rows: int, parameters: int, active: int) -> float:
    normal = rows * min(active**2, parameters**2 / 8)  # matrix products run that much faster than segments
    return normal / 2 + parameters**3 / 24 + 40 * rows * active + OVERHEAD


def trained(arm: Arm, problem: Regression, *, steps: int, tolerance: float, near: bool = False) -> Arm:
    """The arm after some steps of Levenberg-Marquardt; the model is changed in place. near: whether to a minimum."""
    method = LevenbergMarquardt(damping=NEAR_DAMPING) if near else LevenbergMarquardt()
    report = fit(arm.model, problem, method, steps=steps, tolerance=tolerance)
    loss = report.validation_loss
    return replace(arm, report=report, loss=loss if loss is not None and math.isfinite(loss) else math.inf)


def best_start(problem: Regression, shapes: Sequence[tuple[int, ...]], plan: StartPlan, clock) -> tuple[Arm, list[str]]:
    """The most promising start of all shapes, trained on a coarse grid, and the reasons."""
    given = plan.degree is not None
    sentences = [] if given else [f"Splines have degree {DEGREE}, which needs half the coefficients of cubic ones."]
    finalists: list[Arm] = []
    for number, shape in enumerate(shapes):
        few = _sampled(problem, shape, FIRST_GRID, plan.degree or DEGREE, plan.seed)
        cheap = _race_work(few, shape, LOW_DEGREE, LEAST_STARTS) < LOW_SHARE * clock.limit
        if plan.degree is None and 0 < sum(shape[1:-1]) <= LOW_NODES and cheap:
            exact = _exact(problem, few, shape, plan, clock)
            if exact is not None:
                return exact, [*sentences[1:], f"{list(shape)} with splines of degree {LOW_DEGREE} is exact."]
        degree = DEGREE if plan.degree is None else plan.degree
        if finalists and clock.work + _race_work(few, shape, degree, LEAST_STARTS) > clock.limit / 2:
            sentences.append(
                f"{list(shape)} and larger ones were not tried: they would take more than the budget allows."
            )
            break
        count = plan.starts or _affordable(few, shape, degree, clock, len(shapes) - number)
        if len(shape) == 2:
            count = 1  # linear in its coefficients: one start is as good as any
        arms = [_fresh(shape, degree, plan, start, few) for start in range(count)]
        arm, sentence = _races(problem, few, arms, clock)
        sentences.append(sentence)
        if len(shapes) == 1:  # nothing to choose
            return arm, sentences
        arm, slope = _resolved(problem, arm, clock)
        if slope is not None:
            grid = arm.model.config.grid_size[0]
            return arm, [
                *sentences,
                f"{list(shape)} is taken: up to grid {grid} its error falls with slope {slope:.1f} and more, as only "
                "that of the function's own shape does; larger shapes were not tried.",
            ]
        finalists.append(arm)
        if clock.late:
            break
    best, choice = _chosen(problem, finalists, clock)
    return best, [*sentences, choice]


def _fresh(shape: tuple[int, ...], degree: int, plan: StartPlan, start: int, problem: Regression) -> Arm:
    seed = plan.seed + (start << 32)  # far apart, so that neighbouring plans share no start
    settings = {"base": "zero", "domain": plan.domain, "seed": seed, "dtype": problem.train.x.dtype}
    return Arm(seed, KAN(shape, FIRST_GRID // 2 if start % 2 else FIRST_GRID, degree, **settings))


def _resolved(problem: Regression, arm: Arm, clock) -> tuple[Arm, float | None]:
    """The arm on finer grids and the lower of two slopes in a row, if its error falls as theory has it for the right
    shape (slope degree + 1); the arm as it was and None otherwise."""
    scale, enough = float(problem.train.y.square().mean()), arm.model.config.degree - 0.5
    slopes, finer = [], arm
    while len(slopes) < 4 and finer.loss <= RESOLVED * scale and _is_determined(problem, finer):
        finer, slope = _halved(problem, finer, clock)
        slopes.append(slope)
        if slope < HOPELESS:
            break
        if finer.loss <= EXACT * scale or (len(slopes) > 1 and min(slopes[-2:]) >= enough):
            return finer, min(slopes[-2:])
    return arm, None


def _exact(problem: Regression, few: Regression, shape: tuple[int, ...], plan: StartPlan, clock) -> Arm | None:
    """A start with quadratic splines that is exact, or None after a few steps that don't get near."""
    scale = float(problem.train.y.square().mean())
    for start in range(LEAST_STARTS):
        arm = _fresh(shape, LOW_DEGREE, plan, 2 * start, few)
        for steps, margin in STAGES:
            arm = _stage(arm, few, steps, margin, clock)
        if arm.loss <= NEAR * scale:
            arm = _stage(arm, problem, COARSE_STEPS, None, clock)
        if arm.loss <= EXACT * scale:
            return arm
    return None


def _races(problem: Regression, few: Regression, arms: list[Arm], clock) -> tuple[Arm, str]:
    """Two races, from the first grid and from half of it; the winners meet on the first grid."""
    fine, sentence = _race(few, arms[::2], clock)
    if len(arms) == 1:
        return fine, sentence
    coarse, other = _race(few, arms[1::2], clock)
    coarse, _ = _halved(problem, coarse, clock)
    return (coarse, other) if coarse.loss < fine.loss else (fine, sentence)


def _race(few: Regression, arms: list[Arm], clock) -> tuple[Arm, str]:
    """Trains all for a stage, drops the worse half, and so on; the last two tell whether they met in one minimum."""
    began, width, grid = len(arms), arms[0].width, arms[0].model.config.grid_size[0]
    for number, (steps, margin) in enumerate(STAGES):
        arms = [_stage(arm, few, steps, margin, clock) for arm in arms]
        arms.sort(key=lambda arm: arm.loss)
        if number:  # the first steps tell little
            arms = arms[: max(min(2, len(arms)), (len(arms) + 1) // 2)]
        clock.tell(f"starts of {list(width)}", arms[0].loss)
    arms = [_stage(arm, few, COARSE_STEPS, None, clock) for arm in arms]
    arms.sort(key=lambda arm: arm.loss)
    best = arms[0]
    which = "one start" if began == 1 else f"best of {began} starts"
    told = f"{list(width)}, {which}: held-out error {math.sqrt(best.loss):.2g} at grid {grid}"
    if len(arms) > 1:
        met = math.sqrt(arms[1].loss) <= SAME_BASIN * math.sqrt(best.loss)
        told += "; the two best met in one minimum" if met else "; no second start came as low"
    return best, told + "."


def _stage(arm: Arm, problem: Regression, steps: int, margin: float | None, clock) -> Arm:
    arm = trained(arm, problem, steps=steps, tolerance=1e-3 if margin is None else 1e-2)
    clock.spend(arm.report.steps * step_work(problem, arm.model))
    if arm.report.stopped == "interrupted":
        raise KeyboardInterrupt
    if margin is not None and len(arm.width) > 2 and math.isfinite(arm.loss):
        move_hidden_domains_(arm.model, problem.train.x, margin=margin)
    return arm


def _chosen(problem: Regression, finalists: list[Arm], clock) -> tuple[Arm, str]:
    """Halves the grids of the best few, of fewer again, and takes the one that promises most.

    On a coarse grid a wide model is ahead of the right one, whose error falls with slope degree + 1 once the grid
    resolves it; so both the lowest errors and the lowest promises go on.
    """
    fastest = finalists[0].model.config.degree + 1
    entries = [(arm, fastest) for arm in finalists if math.isfinite(arm.loss)] or [(finalists[0], 0.0)]
    for keep in FINALISTS:
        by_loss = sorted(entries, key=lambda entry: entry[0].loss)
        by_promise = sorted(entries, key=lambda entry: _promise(problem, *entry, clock))
        kept = {id(arm): (arm, slope) for arm, slope in (*by_loss[:keep], *by_promise[:keep])}
        affordable = [
            (arm, slope)
            for arm, slope in kept.values()
            if _halving_work(problem, arm) + clock.work < clock.limit and _is_determined(problem, arm)
        ]
        if clock.late or not affordable:
            break
        entries = [_halved(problem, arm, clock) for arm, _ in affordable]
        if len(entries) == 1:
            break
    best, slope = min(entries, key=lambda entry: _promise(problem, *entry, clock))
    promise, grid = _promise(problem, best, slope, clock), best.model.config.grid_size[0]
    return best, (
        f"{list(best.width)} is taken: error {math.sqrt(best.loss):.2g} at grid {grid}, falling with slope "
        f"{slope:.1f}, promises {promise:.1g} at the finest grid that samples and budget allow."
    )


def _halved(problem: Regression, arm: Arm, clock) -> tuple[Arm, float]:
    """The arm on grids of half the width, and the slope with which its error fell."""
    model = refine(arm.model, tuple(2 * size for size in arm.model.config.grid_size))
    few = _sampled(problem, arm.width, model.config.grid_size[0], model.config.degree, arm.seed)
    finer = trained(replace(arm, model=model), few, steps=COARSE_STEPS, tolerance=1e-3, near=True)
    clock.spend(finer.report.steps * step_work(few, model))
    clock.tell(f"choice between shapes: {list(arm.width)}", finer.loss)
    if finer.report.stopped == "interrupted":
        raise KeyboardInterrupt
    if not finer.loss < arm.loss:
        return arm, 0.0
    slope = math.log2(arm.loss / max(finer.loss, 1e-300)) / 2
    return finer, min(slope, model.config.degree + 1)


def _promise(problem: Regression, arm: Arm, slope: float, clock) -> float:
    """The held-out error, carried on with `slope` to the finest grid that samples and budget allow."""
    if not math.isfinite(arm.loss):
        return math.inf
    grid = arm.model.config.grid_size[0]
    edges = sum(a * b for a, b in pairwise(arm.width))
    degree, rows, finest, spent = arm.model.config.degree, problem.train.y.numel(), grid, clock.work
    values = most_values(problem)
    while True:
        parameters = edges * (2 * finest + degree)
        spent += COARSE_STEPS * _work(rows, parameters, edges * (degree + 1))
        if 2 * parameters > rows or 2 * finest + degree > values or spent > clock.limit:
            return math.sqrt(arm.loss) * (grid / finest) ** slope
        finest *= 2


def most_values(problem: Regression) -> int:
    """Different values of the input that has most: more basis functions are not determined between them."""
    return max(len(column.unique()) for column in problem.train.x.unbind(1))


def _is_determined(problem: Regression, arm: Arm) -> bool:
    """Whether the samples have values enough for grids of half the width."""
    config = arm.model.config
    return 2 * config.grid_size[0] + config.degree <= most_values(problem)


def _halving_work(problem: Regression, arm: Arm) -> float:
    degree, grid = arm.model.config.degree, arm.model.config.grid_size[0]
    edges = sum(a * b for a, b in pairwise(arm.width))
    return COARSE_STEPS * _work(problem.train.y.numel(), edges * (2 * grid + degree), edges * (degree + 1))


def _affordable(problem: Regression, shape: tuple[int, ...], degree: int, clock, shapes_left: int) -> int:
    share = max(START_SHARE * clock.limit - clock.work, 0.0) / shapes_left
    most = MOST_STARTS if shapes_left > 1 else 2 * MOST_STARTS
    return int(min(max(share / _race_work(problem, shape, degree, 1), LEAST_STARTS), most))


def _race_work(problem: Regression, shape: tuple[int, ...], degree: int, starts: int) -> float:
    """About: half of the starts see the first two stages only."""
    edges = sum(a * b for a, b in pairwise(shape))
    return starts * 60 * _work(problem.train.y.numel(), edges * (FIRST_GRID + degree), edges * (degree + 1))


def _sampled(problem: Regression, shape: tuple[int, ...], grid: int, degree: int, seed: int) -> Regression:
    """As many of the samples as a model of this shape and grid needs; all of the held-out ones."""
    data = problem.train
    enough = max(START_SAMPLES, 3 * sum(a * b for a, b in pairwise(shape)) * (grid + degree))
    if len(data) <= enough:
        return problem
    order = torch.randperm(len(data), generator=seeded_generator(seed))[:enough]
    part, held = data.select(order.sort().values), problem.validation
    return Regression(part.x, part.y, weight=part.weight, validation=(held.x, held.y, held.weight))
