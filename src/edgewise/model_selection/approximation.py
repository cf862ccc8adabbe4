"""A known function to the last digits: starts, grids that follow the activations, exact halving; nothing to choose."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.model_selection.starts import Arm, StartPlan, best_start, most_values, shapes_for, step_work, trained
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.model import KAN
from edgewise.train.grids import enclose, refine
from edgewise.train.loop.reports import FitReport
from edgewise.train.problems.regression import Regression

WORK = 1e11  # multiply-adds of a budget of 1: up to about 40 seconds of one core
HELD_OUT = 0.1
# A halved grid that lowers the held-out error by less than this factor ends the refinement: half the slope 1 of a
# function with a kink.
WORTHWHILE = 1.4
ROUNDING = 2e-15  # of the held-out error relative to the target's spread
FINE_STEPS = 100
# Ten steps that lower the loss by less than this share end a phase: on the last grid, and before, where the next one
# gains far more.
SETTLED, PASSING = 1e-3, 0.1
TAIL = 1e-3  # relative to the target's spread
UNRESOLVED = 0.05  # relative error above which a grid may be too coarse to see anything: halving goes on in any case
COVER = 20_000  # points that tell how far hidden nodes go in a given domain


@dataclass(frozen=True)
class Phase:
    """One grid: grid sizes of the layers, trainable parameters, mean squared error on the training and on the held-out
    samples, seconds since the beginning."""

    grid_size: tuple[int, ...]
    parameters: int
    loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True)
class ApproximateResult:
    """model: the one with the smallest held-out error. report: of its last fit. phases: what each grid reached.
    sentences: what was chosen and why, and why it ended. stopped: "finished", "budget", "time" or "interrupted".
    work: multiply-adds, about."""

    model: KAN
    report: FitReport
    phases: tuple[Phase, ...]
    sentences: tuple[str, ...]
    stopped: str
    work: float


def approximate(
    problem: Regression,
    *,
    width: Sequence[int] | None = None,
    degree: int | None = None,
    domain: Sequence[float] | Tensor | None = None,
    starts: int | None = None,
    budget: float = 1.0,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
) -> ApproximateResult:
    """A KAN for noise-free samples of a smooth function, as accurate as samples and budget allow: shape, degree, starts
    and grids are chosen, and `sentences` of the result say why. For samples with noise use `KANRegressor`.

        result = approximate(Regression(x, y), budget=0.1)
        print(*result.sentences, sep="\n")
        result.model(x)

    Starts of several shapes are trained for a few steps on a coarse grid, the hidden grids moved to where the
    activations went in between; the worse half is dropped time and again; a shape is chosen by the error that it
    promises at the finest grid. Then Levenberg-Marquardt and exact halving of the grids take turns, until the held-out
    error stops falling.

    The base function is "zero": silu(h) does not follow the shift and scale of a hidden node. Beside a SiLU none of
    eight starts of a [4, 2, 1, 1] KAN found the good minimum, without it five did, and x*y ended at 1e-5, without it at
    1e-12.

    Args:
        problem: with tensors, best in float64, inputs and targets of order 1. Without validation data a tenth is held
            out.
        width: nodes per layer; chosen from a few shapes if left out.
        degree: of the splines; if left out 5, or 2 where that is exact, as for products.
        domain: (low, high) or (in, 2), where the model will be asked, if that is known: the first grids cover it.
            Left out, they cover the samples.
        starts: of each shape; as many as a quarter of the budget pays if left out.
        budget: work allowed, 1 is up to about 40 seconds of one core.
        time_limit: seconds; decides between stages only.
        seed: of held-out samples and initial weights.
        progress: told of stage, share of the budget, and held-out root mean squared error.

    Raises:
        InputError: an argument is not as above, or problem and width don't go together.
    """
    with torch.inference_mode(False):  # the model shall be one that gradients can pass through
        problem, inputs, outputs = _checked(problem, width, budget, time_limit, seed, starts)
        clock = _Clock(budget * WORK, time_limit, progress)
        shapes = [tuple(width)] if width is not None else shapes_for(inputs, outputs)
        plan = StartPlan(degree, domain, starts, seed)
        arm, sentences = best_start(problem, shapes, plan, clock)
        return _refined(problem, arm, sentences, _cover(problem, domain, seed), clock)


class _Clock:
    """Work and time spent, and the way to tell."""

    def __init__(self, limit: float, time_limit: float | None, progress):
        self.limit, self.time_limit, self.progress = limit, time_limit, progress
        self.work, self.began = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    @property
    def late(self) -> bool:
        return self.time_limit is not None and self.seconds > self.time_limit

    def spend(self, work: float) -> None:
        self.work += work

    def tell(self, stage: str, loss: float) -> None:
        if self.progress is not None:
            self.progress(stage, min(self.work / self.limit, 1.0), math.sqrt(loss))


def _checked(problem, width, budget, time_limit, seed, starts) -> tuple[Regression, int, int]:
    if not isinstance(problem, Regression) or problem.train_loader is not None:
        raise InputError(f"problem must be a Regression with tensors, got {type(problem).__name__}")
    check_count(seed, "seed", 0)
    if starts is not None:
        check_count(starts, "starts")
    if not (is_number(budget) and budget > 0):
        raise InputError(f"budget must be a positive number, got {budget!r}")
    if time_limit is not None and not (is_number(time_limit) and time_limit > 0):
        raise InputError(f"time_limit must be a positive number of seconds or None, got {time_limit!r}")
    data = problem.train
    inputs, outputs = data.x.shape[1], data.y.shape[1]
    if width is not None:
        width = tuple(width)
        if len(width) < 2 or (width[0], width[-1]) != (inputs, outputs):
            raise InputError(f"width must begin with {inputs} and end with {outputs} like the data, got {width}")
    if problem.validation is None:
        if len(data) < 20:
            raise InputError(f"problem must have at least 20 samples, got {len(data)}")
        problem = Regression(data.x, data.y, weight=data.weight, validation=HELD_OUT, seed=seed)
    return problem, inputs, outputs


def _refined(
    problem: Regression, arm: Arm, sentences: list[str], cover: Tensor | None, clock: _Clock
) -> ApproximateResult:
    """Halves the grids of the chosen start while it pays."""
    best = arm
    phases = [_phase(problem, arm, clock)]
    stopped = "finished"
    try:
        while True:
            ended = _ended(problem, best, phases, clock)
            if ended is not None:
                stopped, sentence = ended
                sentences.append(sentence)
                break
            finer = _finer(problem, best, cover, clock)
            phases.append(_phase(problem, finer, clock))
            if finer.loss < best.loss:
                best = finer
            if finer.report.stopped == "interrupted":
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        stopped = "interrupted"
        sentences.append("Interrupted; the model is the best so far.")
        best = replace(best, report=replace(best.report, stopped="interrupted", message=sentences[-1]))
    return ApproximateResult(best.model, best.report, tuple(phases), tuple(sentences), stopped, clock.work)


def _finer(problem: Regression, arm: Arm, cover: Tensor | None, clock: _Clock) -> Arm:
    model = refine(arm.model, tuple(2 * size for size in arm.model.config.grid_size))
    model = _enclosed(model, problem, arm, cover)
    clock.tell(f"grid {model.config.grid_size[0]}", arm.loss)
    last = _ended_by_size(problem, model, clock) is not None
    tolerance = SETTLED if last else PASSING
    finer = trained(replace(arm, model=model), problem, steps=FINE_STEPS, tolerance=tolerance, near=True)
    clock.spend(finer.report.steps * step_work(problem, model))
    return finer


def _enclosed(model: KAN, problem: Regression, arm: Arm, cover: Tensor | None) -> KAN:
    """The model on hidden grids that hold all activations (`enclose`).

    As it was where the polynomials that go on beyond the samples change its values by more than a tail can be wrong:
    they belong to a model that fits badly.
    """
    x = problem.train.x
    enclosed, _ = enclose(model, x, cover)
    asked = x if cover is None else torch.cat([x, cover])
    with torch.no_grad():
        change = float((enclosed(asked) - model(asked)).abs().max())
    spread = math.sqrt(float(problem.train.y.square().mean()))
    return enclosed if change <= max(TAIL * spread, 3 * math.sqrt(arm.loss)) else model


def _cover(problem: Regression, domain, seed: int) -> Tensor | None:
    """Points of the domain that was given, and its corners where they are few: how far hidden nodes will go."""
    if domain is None:
        return None
    x = problem.train.x
    ends = torch.as_tensor(domain, dtype=x.dtype, device=x.device).expand(x.shape[1], 2)
    share = torch.rand(COVER, x.shape[1], generator=seeded_generator(seed), dtype=torch.float64).to(x)
    if x.shape[1] <= 10:
        corners = torch.cartesian_prod(*[share.new_tensor([0.0, 1.0])] * x.shape[1]).reshape(-1, x.shape[1])
        share = torch.cat([share, corners])
    return ends[:, 0] * (1 - share) + ends[:, 1] * share


def _ended(problem: Regression, best: Arm, phases: list[Phase], clock: _Clock) -> tuple[str, str] | None:
    """Why not to halve the grids once more: (stopped, sentence), or None."""
    last = phases[-1]
    if best.report.stopped == "nonfinite":
        return "finished", best.report.message
    scale = float(problem.train.y.square().mean())
    if best.loss <= scale * ROUNDING**2:
        return "finished", "The held-out error is at rounding."
    if len(phases) > 1:
        gain = math.sqrt(phases[-2].validation_loss / max(last.validation_loss, 1e-300))
        if gain < WORTHWHILE and best.loss < scale * UNRESOLVED**2:
            return "finished", f"The last halving of the grids divided the held-out error by {gain:.2g} only."
    return _ended_by_size(problem, best.model, clock)


def _ended_by_size(problem: Regression, model: KAN, clock: _Clock) -> tuple[str, str] | None:
    """Why samples, budget or time don't allow to halve the grids of a model once more: as `_ended`."""
    finer = refine(model, tuple(2 * size for size in model.config.grid_size))
    parameters, residuals = _count(finer), problem.train.y.numel()
    if 2 * parameters > residuals:
        return "finished", (
            f"Halving once more would take {parameters} parameters for {residuals} residuals: beyond half as many a "
            "model begins to interpolate its samples."
        )
    functions = finer.config.grid_size[0] + finer.config.degree
    values = most_values(problem)
    if functions > values:
        return "finished", (
            f"Halving once more would take {functions} basis functions for inputs of at most {values} different values."
        )
    if clock.work + FINE_STEPS / 2 * step_work(problem, finer) > clock.limit:
        return "budget", f"The budget of work ends the refinement before {parameters} parameters."
    if clock.late:
        return "time", f"The time limit of {clock.time_limit:g} s ends the refinement before {parameters} parameters."
    return None


def _phase(problem: Regression, arm: Arm, clock: _Clock) -> Phase:
    model = arm.model
    return Phase(model.config.grid_size, _count(model), arm.report.loss, arm.loss, clock.seconds)


def _count(model: KAN) -> int:
    return sum(p.numel() for p in model.parameters())
