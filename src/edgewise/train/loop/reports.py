"""What a fit gives back: how it ended, how good the model is, what was done.

What a callback is told after every step of a fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from torch import nn

from edgewise.errors import InputError

STOPPED = ("converged", "max_steps", "no_progress", "nonfinite", "interrupted")


@dataclass(frozen=True)
class StepRecord:
    """Losses after a step; `validation_loss` is None without validation data, `loss` in a minibatch fit may be a mean
    over the batches since the last record."""

    step: int
    loss: float
    validation_loss: float | None
    penalty: float
    seconds: float


@dataclass(frozen=True)
class FitReport:
    """The result of `fit`.

    stopped: "converged", "max_steps", "no_progress", "nonfinite" or "interrupted"; message: the same as a sentence.
    steps: how many were made; best_step: the one whose parameters the model has now.
    loss, validation_loss: of that model, without penalty; validation_loss is None without validation data.
    metric: name and value, on the validation data if there are any, else on the training data (None for a loader).
    seconds: wall time.
    history: one record per evaluation, that before the first step included.
    plan: all settings, to repeat the fit.
    """

    stopped: str
    message: str
    steps: int
    best_step: int
    loss: float
    validation_loss: float | None
    metric: tuple[str, float] | None
    seconds: float
    history: tuple[StepRecord, ...]
    plan: dict

    def to_json(self) -> str:
        """JSON text; a loss that is not a finite number becomes a string, "nan" or "inf"."""
        return json.dumps(_plain(asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> FitReport:
        """The report that `to_json` wrote.

        Raises:
            InputError: it is not such a text.
        """
        try:
            fields = json.loads(text)
            metric = fields["metric"]
            return cls(
                stopped=fields["stopped"],
                message=fields["message"],
                steps=fields["steps"],
                best_step=fields["best_step"],
                loss=float(fields["loss"]),
                validation_loss=_optional(fields["validation_loss"]),
                metric=None if metric is None else (metric[0], float(metric[1])),
                seconds=float(fields["seconds"]),
                history=tuple(_record(entry) for entry in fields["history"]),
                plan=fields["plan"],
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"text must be the JSON of a FitReport, but {type(error).__name__}: {error}") from error


def _record(entry: dict) -> StepRecord:
    return StepRecord(
        entry["step"],
        float(entry["loss"]),
        _optional(entry["validation_loss"]),
        float(entry["penalty"]),
        float(entry["seconds"]),
    )


def _optional(value) -> float | None:
    return None if value is None else float(value)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class StepEvent:
    """The state of a fit after a step. Nothing is printed by the library: a progress bar is a callback.

    step, steps: steps done and planned.
    loss, penalty: on the training data (in a minibatch fit: on the last batch).
    validation_loss: the latest one, None without validation data.
    best_loss: smallest score so far: validation (else training) loss plus penalty.
    seconds: since the fit began, earlier sittings of a resumed fit included.
    model: in training, with the parameters of this step, not the best ones.
    state: makes the dict from which `fit(..., resume=...)` continues with the same bits.
    """

    step: int
    steps: int
    loss: float
    penalty: float
    validation_loss: float | None
    best_loss: float
    seconds: float
    model: nn.Module
    state: Callable[[], dict]

    @property
    def seconds_left(self) -> float:
        """Time to the last planned step at the pace so far."""
        return self.seconds / max(self.step, 1) * (self.steps - self.step)


Callback = Callable[[StepEvent], bool | None]
"""Called after every step; returning True asks to stop."""
