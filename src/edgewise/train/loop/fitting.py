"""`fit`: a model, a problem and a method, until done; the best model is kept."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import torch
from torch import Tensor, nn

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.train.loop.batches import FullBatch, LoaderBatches, batches_of, joined, peek
from edgewise.train.loop.reports import Callback, FitReport, StepEvent, StepRecord
from edgewise.train.loop.validation import check_kinds, prepare
from edgewise.train.methods.base import Adam, Method
from edgewise.train.methods.choice import default_method
from edgewise.train.penalties import Penalty
from edgewise.train.problems.base import Problem
from edgewise.train.problems.data import Data
from edgewise.train.problems.objective import Evaluation, Objective, mean_over_processes, state_tensors, unwrapped

# A method has converged when this many steps together lowered the objective by less than `tolerance` of it.
WINDOW = 10


def fit(
    model: nn.Module,
    problem: Problem,
    method: Method | None = None,
    *,
    steps: int = 100,
    penalty: Penalty | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    tolerance: float = 1e-6,
    evaluate_every: int | None = None,
    callbacks: Iterable[Callback] = (),
    seed: int = 0,
    resume: dict | None = None,
    adapt_domain: bool = True,
) -> FitReport:
    """Trains `model` in place and leaves it with the best parameters met.

    Best is what has the smallest score: the loss on the validation data (on the training data if there are none)
    plus the penalty. Ctrl-C ends the fit with the best model so far. The first fit of a KAN sets the domains of its
    layers from the data, but for a first-layer domain that was given. Gradients are enabled inside, whatever holds
    around the call.

    `fit` keeps shape and grid. `refine` makes the grid finer between two fits; `approximate` chooses shape, grids and
    starts for samples without noise, `KANRegressor` and `KANClassifier` for tables.

    Args:
        model: a KAN, an MLP or any module that maps (N, in) to (N, out). Parameters with requires_grad=False stay.
        problem: `Regression`, `Classification` or `OrdinalClassification`.
        method: if left out, `LevenbergMarquardt()`, `SSBroyden()`, `LBFGS()` or `Adam()`, whichever suits model and
            problem; the report's plan has the reason.
        steps: most steps of the method; with minibatches, each batch is a step.
        penalty: added to the loss, as `Sparsity(1e-3) + Roughness(1e-6)`.
        batch_size: for minibatches from tensors; the last batch of an epoch may be smaller.
        patience: stop after that many evaluations without a better score.
        tolerance: LBFGS and LevenbergMarquardt have converged when 10 steps together lowered the objective by less
            than this share.
        evaluate_every: steps between evaluations; 1 if left out, an epoch for minibatches.
        callbacks: functions of a `StepEvent`, called after every step; one that returns True ends the fit.
        seed: of the order of minibatches.
        resume: `event.state()` of an earlier fit with the same settings; the result is that of one uninterrupted fit.
        adapt_domain: False leaves domains that were never set as they are.

    Raises:
        InputError: an argument is wrong, or model, problem and method don't go together.
    """
    check_kinds(model, problem, Adam() if method is None else method, penalty, batch_size)
    reason = "It was given."
    if method is None:
        method, reason = default_method(model, problem, batch_size)
    check_count(steps, "steps", 0)
    check_count(seed, "seed", 0)
    for value, name in ((patience, "patience"), (evaluate_every, "evaluate_every")):
        if value is not None:
            check_count(value, name)
    if not (is_number(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance must be a number of at least 0, got {tolerance!r}")
    settings = {
        "method": method.settings(),
        "steps": steps,
        "penalty": None if penalty is None else penalty.settings(),
        "batch_size": batch_size,
        "patience": patience,
        "tolerance": tolerance,
        "evaluate_every": evaluate_every,
        "seed": seed,
        "adapt_domain": adapt_domain,
    }
    with torch.inference_mode(False), torch.enable_grad():
        batches = batches_of(problem, batch_size, seed)
        if resume is None:
            prepare(model, problem, adapt_domain)
        else:
            _load_(state_tensors(unwrapped(model), problem), _entry(resume, "model"))
            prepare(model, problem, False)
        training = _Training(model, problem, method, penalty, batches, settings, tuple(callbacks), reason)
        if resume is not None:
            training.restore(resume)
        return training.run()


class _Training:
    """One fit at work: where it is, what was best, when to stop."""

    def __init__(self, model, problem, method, penalty, batches, settings, callbacks, reason):
        self.model, self.problem, self.method, self.batches = model, problem, method, batches
        self.settings, self.callbacks, self.reason = settings, callbacks, reason
        self.steps = settings["steps"]
        self.objective = Objective(model, problem, penalty)
        self.network = self.objective.network
        self.method_run = method.start(self.objective, steps=self.steps)
        self.whole = isinstance(batches, FullBatch)
        self.every = settings["evaluate_every"] or (1 if self.whole else batches.per_epoch or 100)
        self.step = self.best_step = self.stale = 0
        self.best: dict[str, Tensor] | None = None
        self.best_score = math.inf
        self.history: list[StepRecord] = []
        self.latest = Evaluation(math.nan)
        self.since: list[Evaluation] = []  # of the minibatches since the last record
        self.began, self.seconds_before = time.perf_counter(), 0.0

    def run(self) -> FitReport:
        stop = None
        try:
            if not self.history:
                stop = self._record(self._evaluated())
            while stop is None and self.step < self.steps:
                stop = self._advance()
            stop = stop or ("max_steps", f"The planned steps, {self.steps}, were made.")
        except KeyboardInterrupt:
            stop = "interrupted", f"Interrupted after step {self.step}; the model is the best so far."
        return self._finish(*stop)

    def restore(self, state: dict) -> None:
        _check_resumable(self.settings, _entry(state, "plan"))
        self.method_run.restore(_entry(state, "method"))
        self.batches.restore(_entry(state, "batches"))
        self.step, self.best_step, self.stale = (int(state[key]) for key in ("step", "best_step", "stale"))
        self.best = {name: value.clone() for name, value in state["best"].items()}
        self.best_score, self.seconds_before = float(state["best_score"]), float(state["seconds"])
        self.history = [StepRecord(**record) for record in state["history"]]
        self.since = [Evaluation(**evaluation) for evaluation in state["since"]]
        self.latest = Evaluation(**state["latest"])

    def state(self) -> dict:
        return {
            "model": _copies(self.network, self.problem),
            "method": self.method_run.state(),
            "batches": self.batches.state(),
            "step": self.step,
            "best_step": self.best_step,
            "stale": self.stale,
            "best": {name: value.clone() for name, value in self.best.items()},
            "best_score": self.best_score,
            "seconds": self._seconds(),
            "history": [asdict(record) for record in self.history],
            "since": [asdict(evaluation) for evaluation in self.since],
            "latest": asdict(self.latest),
            "plan": self.settings,
        }

    def _advance(self) -> tuple[str, str] | None:
        """One step; says why to stop, or None."""
        result = self.method_run.step(self.batches.next())
        if result.stopped is not None:
            return result.stopped, result.reason
        if not result.evaluation.is_finite:
            return self._nonfinite(self.step + 1, result.evaluation.total)
        self.step += 1
        self.latest = result.evaluation
        self.since.append(result.evaluation)
        stop = None
        if self.step % self.every == 0 or self.step == self.steps:
            stop = self._record(result.evaluation if self.whole else self._evaluated())
        asked = [callback(self._event()) for callback in self.callbacks]
        if stop is None and any(answer is True for answer in asked):
            stop = "interrupted", f"A callback asked to stop after step {self.step}; the model is the best so far."
        return stop

    def _evaluated(self) -> Evaluation:
        """Loss and penalty of the model as it is; the mean over the batches since the last record where judging the
        model is left to validation data, or where only a loader has the samples."""
        train = self.problem.train
        if self.since and (train is None or self._has_validation()):
            count = len(self.since)
            return Evaluation(sum(e.loss for e in self.since) / count, sum(e.penalty for e in self.since) / count)
        return self.objective.evaluate(peek(self.problem) if train is None else train)

    def _record(self, evaluation: Evaluation) -> tuple[str, str] | None:
        """Notes an evaluation, keeps the model if it is the best; says why to stop, or None."""
        validation_loss = self._validation_loss()
        score = (evaluation.loss if validation_loss is None else validation_loss) + evaluation.penalty
        score = mean_over_processes(self.model, score)
        record = StepRecord(self.step, evaluation.loss, validation_loss, evaluation.penalty, self._seconds())
        self.history.append(record)
        self.latest, self.since = evaluation, []
        if not math.isfinite(score):
            return self._nonfinite(self.step, score)
        if score < self.best_score:
            self.best = _copies(self.network, self.problem)
            self.best_score, self.best_step, self.stale = score, self.step, 0
        else:
            self.stale += 1
        return self._stalled(evaluation)

    def _stalled(self, evaluation: Evaluation) -> tuple[str, str] | None:
        patience, tolerance = self.settings["patience"], self.settings["tolerance"]
        if patience is not None and self.stale >= patience:
            kind = "validation" if self._has_validation() else "training"
            return (
                "no_progress",
                f"No better {kind} loss in {patience} evaluations; the model is that of step {self.best_step}.",
            )
        if not self.method.monotone or self.step == 0:
            return None
        if evaluation.total == 0:
            return "converged", f"The loss is zero after step {self.step}."
        earlier = next((record for record in reversed(self.history) if record.step <= self.step - WINDOW), None)
        if earlier and earlier.loss + earlier.penalty - evaluation.total < tolerance * abs(evaluation.total):
            return "converged", f"The last {WINDOW} steps lowered the loss by less than {tolerance:g} of it."
        return None

    def _nonfinite(self, step: int, value: float) -> tuple[str, str]:
        if step == 0:
            return "nonfinite", f"The loss is {value} at the start; the model is unchanged."
        what = f"The loss or its gradient became {value} at step {step}"
        return "nonfinite", f"{what}; the model is that of step {self.best_step}."

    def _has_validation(self) -> bool:
        return self.problem.validation is not None or self.problem.validation_loader is not None

    def _validation_loss(self) -> float | None:
        if not self._has_validation():
            return None
        with _evaluating(self.model):
            if self.problem.validation is not None:
                return self.objective.loss(self.problem.validation)
            total, count = 0.0, 0
            for batch in self._validation_batches():
                total += len(batch) * self.objective.loss(batch)
                count += len(batch)
            if count == 0:
                raise InputError("the validation DataLoader must yield at least one batch, got none")
            return total / count

    def _validation_batches(self) -> Iterator[Data]:
        return LoaderBatches(self.problem, self.problem.validation_loader, seed=0).epoch()

    def _event(self) -> StepEvent:
        validation_loss = self.history[-1].validation_loss if self.history else None
        return StepEvent(
            self.step,
            self.steps,
            self.latest.loss,
            self.latest.penalty,
            validation_loss,
            self.best_score,
            self._seconds(),
            self.model,
            self.state,
        )

    def _finish(self, stopped: str, message: str) -> FitReport:
        if self.best is not None:
            _load_(state_tensors(self.network, self.problem), self.best)
        for parameter in self.objective.parameters.values():
            parameter.grad = None
        record = next((r for r in self.history if r.step == self.best_step), None)
        loss = math.nan if record is None else record.loss
        if not self.whole and self.problem.train is not None:
            loss = self.objective.loss(self.problem.train)
        return FitReport(
            stopped=stopped,
            message=message if stopped in ("interrupted", "nonfinite") else message + self._threshold(),
            steps=self.step,
            best_step=self.best_step,
            loss=loss,
            validation_loss=None if record is None else record.validation_loss,
            metric=self._metric(),
            seconds=self._seconds(),
            history=tuple(self.history),
            plan=self._plan(),
        )

    def _threshold(self) -> str:
        """A sentence where a model has a parameter for every number that it learned from, and no penalty holds it."""
        data = self.problem.train
        numbers = 0 if data is None else data.y.numel()
        count = sum(p.numel() for p in self.objective.parameters.values())
        if not 0 < numbers <= count or self.settings["penalty"] is not None:
            return ""
        return (
            f" It has {count} parameters for {numbers} numbers in the samples and no penalty, so it may pass through "
            "all of them: only other data tell how good it is."
        )

    def _metric(self) -> tuple[str, float] | None:
        data = self.problem.validation or self.problem.train
        if self.problem.validation_loader is not None:
            data = joined(list(self._validation_batches()))
        if data is None:
            return None
        with _evaluating(self.model):
            return self.problem.metric(self.objective.predict(data.x), data)

    def _plan(self) -> dict:
        data, validation = self.problem.train, self.problem.validation
        return {
            **self.settings,
            "method_reason": self.reason,
            "problem": type(self.problem).__name__,
            "samples": None if data is None else len(data),
            "validation_samples": None if validation is None else len(validation),
            "parameters": sum(p.numel() for p in self.objective.parameters.values()),
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.began


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, the mode from before after."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _copies(network: nn.Module, problem: Problem) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state_tensors(network, problem).items()}


def _load_(own: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Copies saved tensors into the model's own, so that everyone who holds a parameter sees them."""
    if set(own) != set(saved):
        raise InputError(f"resume must hold the tensors {sorted(own)} of the model, got {sorted(saved)}")
    with torch.no_grad():
        for name, value in own.items():
            if value.shape != saved[name].shape or value.dtype != saved[name].dtype:
                raise InputError(
                    f"resume must hold {name} as {tuple(value.shape)} {value.dtype} like the model, "
                    f"got {tuple(saved[name].shape)} {saved[name].dtype}"
                )
            value.copy_(saved[name])


def _entry(state, key: str):
    if not isinstance(state, dict) or key not in state:
        raise InputError(f"resume must be the dict that event.state() gave, got {type(state).__name__} without {key!r}")
    return state[key]


def _check_resumable(settings: dict, earlier: dict) -> None:
    """More steps may be asked for; everything else decides what the next step does."""
    for key in ("method", "penalty", "batch_size", "seed"):
        if _as_lists(settings[key]) != _as_lists(earlier.get(key)):
            raise InputError(f"resume must come from a fit with {key} = {settings[key]!r}, got {earlier.get(key)!r}")


def _as_lists(value):
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, list | tuple) else value
