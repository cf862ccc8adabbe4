"""What a callback is told after every step of a fit."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


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
