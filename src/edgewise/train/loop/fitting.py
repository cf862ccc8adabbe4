"""`fit`: train a model on a problem by a method, and keep the best parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import torch
from torch import Tensor, nn

from edgewise.checks import check_count, check_options, is_sequence, typed
from edgewise.errors import InputError
from edgewise.nn.prediction import evaluation_mode
from edgewise.outcomes import OnInterrupt, StopReason, check_on_interrupt
from edgewise.presentation import number_text
from edgewise.train.blocks import Data
from edgewise.train.grids import adapt_domain_
from edgewise.train.loop.batches import Batches, LoaderBatches, batches_of, of_whole_loader, peek
from edgewise.train.loop.diagnosis import advice_if_stuck
from edgewise.train.loop.reports import Callback, FitReport, StepEvent, StepRecord, TrainingState
from edgewise.train.loop.threads import threads_for
from edgewise.train.loop.validation import (
    check_callbacks,
    check_kinds,
    check_metrics,
    check_move_grids,
    check_settings,
    prepare,
)
from edgewise.train.methods.base import Adam, Method
from edgewise.train.methods.choice import default_method
from edgewise.train.objective import Evaluation, Objective, mean_over_processes, unwrapped
from edgewise.train.parameters import state_tensors
from edgewise.train.penalties import Penalty
from edgewise.train.problems import Problem
from edgewise.train.shared import begun, trained_together

if TYPE_CHECKING:
    from edgewise.processes.team import Team

# A method has converged when this many steps together lowered the objective by less than `tolerance` of it: a single
# step of a line search or of Levenberg-Marquardt may gain little in the middle of a fit, ten in a row do not.
WINDOW = 10


Metric = Callable[[Tensor, Tensor], Any]
"""Function of predictions (N, out) and targets that gives a number."""

Stop = tuple[StopReason, str]
"""Why a fit ends, and the sentence of its report."""


class FitOptions(TypedDict, total=False):
    """Further options of `fit`, as keyword arguments.

    Parameters
    ----------
    patience : int, optional
        Stop after this many evaluations without a better score. No limit by default.
    tolerance : float, default 1e-6
        Full-batch methods have converged when 10 steps together lowered the objective by less than this share.
    evaluate_every : int, optional
        Steps between evaluations: by default 1, and an epoch in a fit by minibatches.
    seed : int, default 0
        Seed of the order of minibatches.
    adapt_domain : bool, default True
        Whether domains of a KAN that were never set are set to the data before the first step.
    keep_state : bool, default False
        Keep the training state in the report, so that `fit(..., resume=report)` can go on from it. It has the size
        of two models and of the method's memory (L-BFGS: 40 vectors; self-scaled Broyden: a square matrix).
    on_interrupt : {"raise", "keep"}, default "raise"
        What Ctrl-C does. In both cases the model gets the best parameters so far; then "raise" passes the
        KeyboardInterrupt on to the caller, while "keep" returns the report as after any other end.
    metrics : mapping of str to callable, optional
        Functions of predictions (N, out) and targets that give a number, as {"max": lambda p, y: (p - y).abs().max()}.
        Each record of the report's history holds their values, on the validation data or else the training data. All
        predictions and targets are in memory for them, also where a DataLoader or several processes have the samples.
    move_grids : int, optional
        With Adam: steps after which the grids of the hidden layers are moved to where the activations lie, in the first
        half of the fit. The splines are approximated on the new knots.

    Examples
    --------
    >>> from edgewise import KAN, Regression
    >>> from edgewise.train import LBFGS
    >>> options: FitOptions = {"tolerance": 1e-3, "adapt_domain": False}
    >>> x = torch.linspace(-1, 1, 50)[:, None]
    >>> fit(KAN([1, 1]), Regression(x, x**2), LBFGS(), steps=5, **options).steps
    5
    """

    patience: int | None
    tolerance: float
    evaluate_every: int | None
    seed: int
    adapt_domain: bool
    keep_state: bool
    on_interrupt: OnInterrupt
    metrics: Mapping[str, Metric] | None
    move_grids: int | None


DEFAULTS: FitOptions = {
    "patience": None,
    "tolerance": 1e-6,
    "evaluate_every": None,
    "seed": 0,
    "adapt_domain": True,
    "keep_state": False,
    "on_interrupt": "raise",
    "metrics": None,
    "move_grids": None,
}


@typed
def fit(
    model: nn.Module,
    problem: Problem,
    method: Method | None = None,
    *,
    steps: int = 100,
    penalty: Penalty | None = None,
    batch_size: int | None = None,
    callbacks: Iterable[Callback] = (),
    resume: TrainingState | FitReport | None = None,
    **options: Unpack[FitOptions],
) -> FitReport:
    """Train a model in place and leave it with the best parameters met.

    The best parameters have the smallest score: the loss on the validation data (on the training data if there are
    none) plus the penalty. After Ctrl-C, too, the model has the best parameters so far, and KeyboardInterrupt is raised
    unless `on_interrupt="keep"` is given. The first fit of a KAN sets the domains of its layers from the data, except a
    first-layer domain that was given. A fit whose steps take less than about 30 milliseconds uses one thread.

    `fit` keeps shape and grid of a KAN. `refine` makes the grid finer between two fits; `approximate` chooses shape,
    grids and starts for samples without noise, `KANRegressor` and `KANClassifier` do so for tables.

    Parameters
    ----------
    model : nn.Module
        A KAN, an MLP or any module that maps (N, in) to (N, out). Parameters with requires_grad=False stay. Several
        processes that each wrap it in torch's DistributedDataParallel train it together, each with its part of the
        samples in `problem`: methods of all samples sum over all of them, led by the first process; Adam averages.
    problem : Problem
        The data and the loss: `Regression`, `Classification`, `OrdinalClassification` or residual blocks. Of samples in
        a DataLoader, Adam takes a batch for each step; all other methods sum over all batches in each step, and need
        the same samples in every pass.
    method : Method, optional
        `LevenbergMarquardt`, `SSBroyden`, `LBFGS` or `Adam`. By default the one that suits model and problem, see
        `default_method`; the report's plan holds the reason.
    steps : int
        Largest number of steps; in a fit by minibatches, each batch is a step.
    penalty : Penalty, optional
        Added to the loss, as `Sparsity(1e-3) + Roughness(1e-6)`.
    batch_size : int, optional
        Samples of a minibatch taken from tensors; the last batch of an epoch may be smaller.
    callbacks : iterable of callables
        Functions of a `StepEvent`, called after every step, of several processes in the first one. One that returns
        True ends the fit.
    resume : dict or FitReport, optional
        State of an earlier fit with the same method, penalty, batch size and seed: `event.state()` of a callback, or
        the report of a fit with `keep_state=True`. The fit goes on from there, with the parameters of the state
        instead of those of `model`, and gives the same bits as one uninterrupted fit; `steps` counts from its first
        step. Without `resume`, a second call goes on from the present parameters with a fresh method.
    **options : FitOptions
        patience, tolerance, evaluate_every, seed, adapt_domain, keep_state, on_interrupt, metrics, move_grids.

    Returns
    -------
    FitReport
        How the fit ended, the losses and their history, and all settings.

    Raises
    ------
    InputError
        An argument is wrong, or model, problem and method do not go together.
    KeyboardInterrupt
        The user pressed Ctrl-C and `on_interrupt` is "raise".
    ProcessError
        One of several processes has ended or hangs.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression, fit
    >>> x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> problem = Regression(x, x[:, :1] * x[:, 1:])
    >>> model = KAN([2, 2, 1], grid_size=4, dtype=torch.float64)
    >>> first = fit(model, problem, steps=5, keep_state=True)
    >>> second = fit(model, problem, steps=30, resume=first)
    >>> first.steps, second.steps, second.loss < 1e-2 * first.loss
    (5, 30, True)
    """
    # The arguments.
    check_options(fit, options, FitOptions)
    chosen: FitOptions = {**DEFAULTS, **options}
    check_kinds(model, problem, Adam() if method is None else method, penalty, batch_size)
    reason = "It was given."
    if method is None:
        method, reason = default_method(model, problem, batch_size)
    if method.full_batch:
        problem = of_whole_loader(problem)
    numbers = check_settings(steps, chosen["seed"], chosen["patience"], chosen["evaluate_every"], chosen["tolerance"])
    functions = check_callbacks(callbacks)
    network = unwrapped(model)
    is_shared = network is not model and problem.train_loader is None and batch_size is None
    metrics = check_metrics(chosen["metrics"])
    numbers["move_grids"] = check_move_grids(chosen["move_grids"], model, method)
    keep_interrupted = check_on_interrupt(chosen["on_interrupt"]) == "keep"
    if batch_size is not None:
        batch_size = check_count(batch_size, "batch_size")
    # The plan of the fit, which its report and its state hold. Three options do not decide the steps, so that a fit can
    # be resumed with others.
    no_settings = ("keep_state", "on_interrupt", "metrics")
    settings: dict[str, Any] = {
        "method": method.settings(),
        "steps": numbers["steps"],
        "penalty": penalty and penalty.settings(),
        "batch_size": batch_size,
        **{name: numbers.get(name, value) for name, value in chosen.items() if name not in no_settings},
    }

    # One fit, of this process or of several.
    def trained(model: nn.Module, problem: Problem, team: Team | None = None) -> FitReport:
        # A new fit sets domains; a resumed one has those of its state.
        batches = batches_of(problem, batch_size, settings["seed"])
        if resume is None:
            state = None
            prepare(model, problem, chosen["adapt_domain"])
        else:
            state = _state_of(resume)
            _load_(state_tensors(network, problem), state["model"])
            prepare(model, problem, False)
        # The objective: here, or with the sums of a team of processes.
        if team is None:
            objective = Objective(model, problem, penalty)
        else:
            objective = begun(model, problem, penalty, team)
        # The loop itself, from the start or from the state of an earlier fit.
        training = _Training(objective, method, batches, settings, functions, metrics)
        if state is not None:
            training.restore(state)
        report = training.run(reason, keep_state=chosen["keep_state"], keep_interrupted=keep_interrupted)
        if team is not None:
            team.was_interrupted = report.stopped is StopReason.INTERRUPTED
        return report

    with torch.inference_mode(False), torch.enable_grad(), threads_for(model, problem), _processes_of(model):
        if is_shared:
            return trained_together(network, problem, penalty, partial(trained, network))
        return trained(model, problem)


def _processes_of(model: nn.Module) -> AbstractContextManager[None]:
    """Raise ProcessError inside where one of several processes that train a model is lost."""
    if unwrapped(model) is model:
        return nullcontext()
    # The door to several processes, for a fit that has them.
    from edgewise.processes.team import sentences_of_losses

    return sentences_of_losses()


class _Training:
    """One fit at work: the present and the best parameters, and the rules that end it."""

    def __init__(
        self,
        objective: Objective,
        method: Method,
        batches: Batches,
        settings: dict[str, Any],
        callbacks: tuple[Callback, ...],
        metrics: Mapping[str, Metric],
    ):
        self.objective = objective
        self.method = method
        self.batches = batches
        self.settings = settings
        self.callbacks = callbacks
        self.metrics = metrics
        self.model = objective.model
        self.network = objective.network
        self.problem = objective.problem
        self.steps = settings["steps"]
        self.method_run = method.start(objective, steps=self.steps)
        self.is_full_batch = batches.is_full
        self.has_validation = self.problem.validation is not None or self.problem.validation_loader is not None
        # Steps between evaluations: by default an epoch, and 100 where a DataLoader does not know its length.
        self.every = settings["evaluate_every"] or batches.per_epoch or 100
        self.step = self.best_step = 0
        self.evaluations_since_best = 0
        self.best: dict[str, Tensor] | None = None
        self.best_score = math.inf
        self.history: list[StepRecord] = []
        self.latest = Evaluation(math.nan)
        self.since: list[Evaluation] = []  # of the minibatches since the last record
        self.start_time = time.perf_counter()
        self.seconds_before = 0.0

    def run(self, method_reason: str, *, keep_state: bool, keep_interrupted: bool) -> FitReport:
        """Make steps until a rule ends the fit; the model then has its best parameters.

        `method_reason` is the reason for the choice of the method, for the report.
        """
        stop: Stop | None = None
        interrupt: KeyboardInterrupt | None = None
        try:
            # The first record, then steps.
            if not self.history:
                stop = self._record(self._present_evaluation())
            while stop is None and self.step < self.steps:
                stop = self._advance()
            if stop is None:
                message = f"The planned steps, {self.steps}, were made."
                if self._is_falling():
                    message += (
                        f" The last {WINDOW} still lowered the loss quickly, so more (each is one iteration) help."
                    )
                stop = StopReason.MAX_STEPS, message
        except KeyboardInterrupt as error:
            interrupt = error
            message = f"Interrupted after step {self.step}; the model is the best so far."
            stop = StopReason.INTERRUPTED, message
        # The state with the present parameters, then the best ones.
        state = None
        if self.best is not None:
            if keep_state:
                state = self.state()
            _load_(state_tensors(self.network, self.problem), self.best)
        self.objective.clear_gradients()
        if interrupt is not None and not keep_interrupted:
            raise interrupt
        return self._report(*stop, method_reason, state)

    def state(self) -> TrainingState:
        """Everything that a later fit needs to go on with the same bits; see `restore`."""
        assert self.best is not None  # events are made after the first record
        return {
            "model": _copies(self.network, self.problem),
            "method": self.method_run.state(),
            "batches": self.batches.state(),
            "step": self.step,
            "best_step": self.best_step,
            "stale": self.evaluations_since_best,
            "best": {name: value.clone() for name, value in self.best.items()},
            "best_score": self.best_score,
            "seconds": self._seconds(),
            "history": [asdict(record) for record in self.history],
            "since": [asdict(evaluation) for evaluation in self.since],
            "latest": asdict(self.latest),
            "plan": self.settings,
        }

    def restore(self, state: TrainingState) -> None:
        """Go on from what `state` gave, after a check that the settings which decide the next step are the same."""
        # Settings that decide the next step must be those of the earlier fit.
        for key in ("method", "penalty", "batch_size", "seed"):
            now = self.settings[key]
            earlier = state["plan"].get(key)
            if _as_lists(now) != _as_lists(earlier):
                raise InputError(f"resume must come from a fit with {key} = {now!r}, got {earlier!r}")
        # State of the method and of the order of batches, then the record of the training so far.
        self.method_run.restore(state["method"])
        self.batches.restore(state["batches"])
        self.step = int(state["step"])
        self.best_step = int(state["best_step"])
        self.evaluations_since_best = int(state["stale"])
        self.best = {name: value.clone() for name, value in state["best"].items()}
        self.best_score = float(state["best_score"])
        self.seconds_before = float(state["seconds"])
        self.history = [StepRecord(**record) for record in state["history"]]
        self.since = [Evaluation(**evaluation) for evaluation in state["since"]]
        self.latest = Evaluation(**state["latest"])

    def _advance(self) -> Stop | None:
        """Make one step; returns why to stop, or None."""
        # Hidden grids follow the activations, in the first half of the fit.
        every = self.settings["move_grids"]
        if every and self.step and self.step % every == 0 and 2 * self.step <= self.steps:
            adapt_domain_(self.network, peek(self.problem).x, hidden_only=True)  # type: ignore[arg-type]  # checked
            self.method_run.restore(self.method_run.state())  # without the gradient before the move
        result = self.method_run.step(self.batches.next())
        if result.stopped is not None:
            return result.stopped, result.message
        if not result.evaluation.is_finite:
            return self._nonfinite(self.step + 1, result.evaluation.total)
        self.step += 1
        self.latest = result.evaluation
        self.since.append(result.evaluation)
        # A record, and the callbacks.
        stop = None
        if self.step % self.every == 0 or self.step == self.steps:
            if not self.is_full_batch:
                self.latest = self._present_evaluation()
            stop = self._record(self.latest)
        answers = [callback(self._event()) for callback in self.callbacks]
        if stop is None and any(answer is True for answer in answers):
            message = f"A callback asked to stop after step {self.step}; the model is the best so far."
            stop = StopReason.CALLBACK, message
        return stop

    def _is_falling(self) -> bool:
        """Return whether the last steps of a fit by all samples lowered the loss quickly."""
        earlier = self._window_start()
        return self.is_full_batch and earlier is not None and self.latest.loss < 0.9 * earlier.loss

    def _window_start(self) -> StepRecord | None:
        """The latest record that is at least `WINDOW` steps old, if there is one."""
        return next((record for record in reversed(self.history) if record.step <= self.step - WINDOW), None)

    def _present_evaluation(self) -> Evaluation:
        """Loss and penalty of the present parameters on the training data.

        It is the mean over the minibatches since the last record where validation data judge the model, or where only
        a DataLoader has the samples.
        """
        if self.since and (self.problem.train_tensors is None or self.has_validation):
            count = len(self.since)
            return Evaluation(sum(e.loss for e in self.since) / count, sum(e.penalty for e in self.since) / count)
        return self.objective.evaluate(peek(self.problem))

    def _record(self, evaluation: Evaluation) -> Stop | None:
        """Record an evaluation and keep the parameters if they are the best; returns why to stop, or None."""
        # The score: the loss that judges, plus the penalty.
        validation_loss = self._validation_loss()
        loss = evaluation.loss if validation_loss is None else validation_loss
        score = mean_over_processes(self.model, loss + evaluation.penalty)
        values = (validation_loss, evaluation.penalty, self._seconds(), self._metric_values())
        record = StepRecord(self.step, evaluation.loss, *values)
        self.history.append(record)
        self.latest = evaluation
        self.since = []
        if not math.isfinite(score):
            return self._nonfinite(self.step, score)
        # The best parameters so far.
        if score < self.best_score:
            self.best = _copies(self.network, self.problem)
            self.best_score = score
            self.best_step = self.step
            self.evaluations_since_best = 0
        else:
            self.evaluations_since_best += 1
        # Rules that end a fit: patience, a loss of zero, convergence over the last steps.
        patience = self.settings["patience"]
        tolerance = self.settings["tolerance"]
        if patience is not None and self.evaluations_since_best >= patience:
            kind = "validation" if self.has_validation else "training"
            message = f"No better {kind} loss in {patience} evaluations; the model is that of step {self.best_step}."
            return StopReason.NO_PROGRESS, message
        if not self.method.monotone or self.step == 0:
            return None
        if evaluation.total == 0:
            return StopReason.CONVERGED, f"The loss is zero after step {self.step}."
        earlier = self._window_start()
        if earlier and earlier.loss + earlier.penalty - evaluation.total < tolerance * abs(evaluation.total):
            message = f"The last {WINDOW} steps lowered the loss by less than {number_text(tolerance)} of it."
            return StopReason.CONVERGED, message
        return None

    def _metric_values(self) -> dict[str, float]:
        """Values of the user's metrics at the present parameters."""
        values: dict[str, float] = {}
        if not self.metrics:
            return values
        parts = self._judging_parts()
        if parts is None:
            return values
        # Metrics see the predictions of the samples that judge the training.
        with evaluation_mode(self.model), torch.no_grad():
            prediction, y = self.objective.predictions(parts)
            for name, metric in self.metrics.items():
                value = metric(prediction, y)
                try:
                    values[name] = float(value)
                except (TypeError, ValueError, RuntimeError) as error:
                    raise InputError(f"metrics must give numbers, {name!r} gave {type(value).__name__}") from error
        return values

    def _judging_parts(self) -> Iterable[Data] | None:
        """Validation data if there are any, else training data, in parts; None for a DataLoader without an end.

        Of samples that other processes have as well, it is one, for the form of the predictions.
        """
        if self.problem.validation_loader is not None:
            return self._validation_batches()
        train = self.problem.validation or self.problem.train_tensors
        if train is None:
            loader = self.problem.train_loader
            assert loader is not None
            batches = LoaderBatches(self.problem, loader, seed=0)
            return None if batches.per_epoch is None else batches.epoch()
        if self.objective.is_shared:
            return [train.select(slice(0, 1))]
        if train.is_batched:
            return (part for part, _ in train.chunks(self.objective.numbers))
        return [train]

    def _nonfinite(self, step: int, value: float) -> Stop:
        if step == 0:
            return StopReason.NONFINITE, f"The loss is {value} at the start; the model is unchanged."
        message = f"The loss or its gradient became {value} at step {step}; the model is that of step {self.best_step}."
        return StopReason.NONFINITE, message

    def _validation_loss(self) -> float | None:
        if not self.has_validation:
            return None
        with evaluation_mode(self.model):
            if self.problem.validation is not None:
                return self.objective.loss(self.problem.validation)
            total = 0.0
            count = 0
            for batch in self._validation_batches():
                total += len(batch) * self.objective.loss(batch)
                count += len(batch)
            if count == 0:
                raise InputError("the validation DataLoader must yield at least one batch, got none")
            return total / count

    def _validation_batches(self) -> Iterator[Data]:
        assert self.problem.validation_loader is not None
        return LoaderBatches(self.problem, self.problem.validation_loader, seed=0).epoch()

    def _event(self) -> StepEvent:
        return StepEvent(
            stage=type(self.method).__name__,
            share=self.step / self.steps,
            loss=self.latest.loss,
            best_loss=self.best_score,
            seconds=self._seconds(),
            step=self.step,
            steps=self.steps,
            penalty=self.latest.penalty,
            validation_loss=self.history[-1].validation_loss if self.history else None,
            model=self.model,
            state=self.state,
        )

    def _report(self, stopped: StopReason, message: str, method_reason: str, state: TrainingState | None) -> FitReport:
        train = self.problem.train_tensors
        validation = self.problem.validation
        # Warnings: more parameters than numbers, and a fit that is stuck.
        count = sum(p.numel() for p in self.objective.parameters.values())
        numbers = 0
        if train is not None:
            numbers = len(train) * train.y[0].numel()
        completed = not stopped.is_user_request and stopped != StopReason.NONFINITE
        if completed and 0 < numbers <= count and self.settings["penalty"] is None:
            message += (
                f" It has {count} parameters for {numbers} numbers in the samples and no penalty, so it may pass "
                "through all of them: only other data tell how good it is."
            )
        # The losses at the best step.
        nothing = StepRecord(0, math.nan, None, math.nan, 0.0)
        record = next((r for r in self.history if r.step == self.best_step), nothing)
        loss = record.loss
        if not self.is_full_batch and train is not None:
            loss = self.objective.loss(train)
        if stopped in (StopReason.CONVERGED, StopReason.NO_PROGRESS) or (
            stopped is StopReason.MAX_STEPS and self.step > WINDOW and not self._is_falling()
        ):
            message += advice_if_stuck(self.network, self.problem, loss)
        # The metric, on the rows that judge.
        metric = None
        parts = self._judging_parts()
        if isinstance(parts, list) and not self.objective.is_shared:
            with evaluation_mode(self.model):
                metric = self.problem.metric(self.objective.predict(parts[0].x), parts[0])
        elif parts is not None:
            with evaluation_mode(self.model), torch.no_grad():
                metric = self.objective.metric(parts)
        # The record.
        plan = {
            **self.settings,
            "method_reason": method_reason,
            "problem": type(self.problem).__name__,
            "samples": None if train is None else len(train),
            "validation_samples": None if validation is None else len(validation),
            "parameters": count,
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        return FitReport(
            stopped=stopped,
            message=message,
            steps=self.step,
            best_step=self.best_step,
            loss=loss,
            validation_loss=record.validation_loss,
            metric=metric,
            seconds=self._seconds(),
            history=tuple(self.history),
            plan=plan,
            state=state,
        )

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.start_time


def _copies(network: nn.Module, problem: Problem) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state_tensors(network, problem).items()}


def _load_(own: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Copy saved tensors into the model's own, so that everyone who holds a parameter sees them."""
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


def _state_of(resume: TrainingState | FitReport) -> TrainingState:
    """The state in the `resume` argument of `fit`, checked for its entries."""
    if isinstance(resume, FitReport):
        if resume.state is None:
            raise InputError("resume must be a report of fit(..., keep_state=True), got one without a state")
        return resume.state
    for key in ("model", "plan", "method", "batches"):
        if not isinstance(resume, dict) or key not in resume:
            raise InputError(
                f"resume must be the dict that event.state() gave, got {type(resume).__name__} without {key!r}"
            )
    return resume


def _as_lists(value: object) -> object:
    """The value with tuples as lists, since a state that went through a file has no tuples."""
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    if is_sequence(value):
        return [_as_lists(item) for item in value]
    return value
