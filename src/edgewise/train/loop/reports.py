"""Events that `fit` passes to its callbacks, and the report that it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import nn

from edgewise.checks import Within
from edgewise.outcomes import Progress, StopReason
from edgewise.presentation import html_table, number_text

TrainingState = dict[str, Any]
"""State of an unfinished fit: tensors, numbers, strings, None, and dicts and lists of them."""


@dataclass(frozen=True)
class StepRecord:
    """Losses at one evaluation during a fit.

    Parameters
    ----------
    step : int
        Number of steps made before.
    loss : float
        Training loss without penalty. In a fit by minibatches it may be the mean over the batches since the last
        record.
    validation_loss : float or None
        Loss on the validation data, None without such data.
    penalty : float
        Value of the penalty.
    seconds : float
        Wall seconds since the start of the fit.
    metrics : dict of str to float
        Values of the functions that `fit(..., metrics=)` got, on the validation data if there are any.

    Examples
    --------
    >>> StepRecord(step=0, loss=1.0, validation_loss=None, penalty=0.1, seconds=0.0).loss
    1.0
    """

    step: int
    loss: float
    validation_loss: float | None
    penalty: float
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FitReport:
    """The result of `fit`.

    Parameters
    ----------
    stopped : StopReason
        Why the fit ended.
    message : str
        The same as a sentence, with numbers.
    steps : int
        Number of steps made.
    best_step : int
        The step whose parameters the model has now.
    loss, validation_loss : float, float or None
        Losses of that model without penalty; `validation_loss` is None without validation data.
    metric : (str, float) or None
        Name and value of the problem's metric, on the validation data if there are any, else on the training data.
        None where only a DataLoader has the training data, and where several processes have them.
    seconds : float
        Wall seconds.
    history : tuple of StepRecord
        One record for each evaluation, that before the first step included.
    plan : dict
        All settings, to repeat the fit.
    state : dict, optional
        What `fit(..., resume=report)` continues from, if the fit was called with `keep_state=True`. It takes no part in
        comparisons, and files of estimators do not keep it.

    Examples
    --------
    >>> from edgewise.train import FitReport
    >>> import torch, edgewise
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> model = edgewise.KAN([1, 1], dtype=torch.float64)
    >>> report = edgewise.fit(model, edgewise.Regression(x, x**2), steps=5)
    >>> report.stopped.value, report.metric[0]
    ('max_steps', 'rmse')
    """

    stopped: StopReason
    message: str
    steps: Annotated[int, Within(0)]
    best_step: int
    loss: float
    validation_loss: float | None
    metric: tuple[str, float] | None
    seconds: float
    history: tuple[StepRecord, ...]
    plan: dict[str, Any]
    state: TrainingState | None = field(default=None, repr=False, compare=False, metadata={"stored": False})

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {text}" for name, text in self._facts())
        return f"<FitReport: {facts}. {self.message}>"

    def _repr_html_(self) -> str:
        return html_table(["training", ""], self._facts(), notes=[self.message])

    def _facts(self) -> list[tuple[str, str]]:
        """Return the names and texts of the numbers that a short table shows."""
        facts = [("steps", number_text(self.steps)), ("loss", number_text(self.loss))]
        if self.validation_loss is not None:
            facts.append(("validation loss", number_text(self.validation_loss)))
        if self.metric is not None:
            facts.append((self.metric[0], number_text(self.metric[1])))
        return [*facts, ("seconds", number_text(self.seconds, 2)), ("stopped", self.stopped.value)]


@dataclass(frozen=True, kw_only=True)
class StepEvent(Progress):
    """The state of a fit after a step, as its callbacks receive it.

    The library prints nothing: a progress bar is a callback. The fields of `Progress` are there too: `loss` is the
    training loss without penalty (in a fit by minibatches, of the last batch), `best_loss` the smallest score so far
    (validation loss, else training loss, plus penalty), and `seconds` includes the earlier parts of a resumed fit.

    Parameters
    ----------
    step, steps : int
        Number of steps made and planned.
    penalty : float
        Value of the penalty, on the same data as `loss`.
    validation_loss : float or None
        The latest one, None without validation data.
    model : nn.Module
        The model in training, with the parameters of this step and not the best ones.
    state : callable
        Makes the dict from which `fit(..., resume=...)` continues with the same bits.

    Examples
    --------
    >>> import torch, edgewise
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> model = edgewise.KAN([1, 1], dtype=torch.float64)
    >>> seen = []
    >>> _ = edgewise.fit(model, edgewise.Regression(x, x**2), steps=2, callbacks=[seen.append])
    >>> [(event.stage, event.step, event.share) for event in seen]
    [('LevenbergMarquardt', 1, 0.5), ('LevenbergMarquardt', 2, 1.0)]
    """

    loss: float
    best_loss: float
    step: int
    steps: int
    penalty: float
    validation_loss: float | None
    model: nn.Module
    state: Callable[[], TrainingState]


Callback = Callable[[StepEvent], bool | None]
"""Function that `fit` calls after every step; returning True ends the fit."""
