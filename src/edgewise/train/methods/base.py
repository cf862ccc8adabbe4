"""How a method is talked to, and the first-order one: Adam."""

import math
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
from torch import Tensor

from edgewise.checks import is_number
from edgewise.errors import InputError
from edgewise.train.problems.data import Data
from edgewise.train.problems.objective import Evaluation, Objective


@dataclass(frozen=True)
class StepResult:
    """What a step did.

    evaluation: loss and penalty on the step's data: after the step where all samples are used in every step, before
        it for a minibatch.
    stopped: None to go on, else "converged" or "no_progress"; the parameters are then as before the step.
    reason: a sentence for `stopped`.
    """

    evaluation: Evaluation
    stopped: str | None = None
    reason: str = ""


class Run(Protocol):
    """A method at work on one objective. `state()` holds tensors, numbers, strings, None, dicts and lists of them;
    a run restored from it continues with the same bits."""

    def step(self, data: Data) -> StepResult: ...

    def state(self) -> dict: ...

    def restore(self, state: dict) -> None: ...


class Method:
    """Settings of a method; `start` puts it to work.

    Attributes:
        full_batch: it needs all samples in every step.
        monotone: no step raises the objective, so a stall means that it has converged.
    """

    full_batch = False
    monotone = False

    def start(self, objective: Objective, *, steps: int) -> Run:
        """A run from the parameters as they are; `steps` is how many are planned.

        Raises:
            InputError: the method can't work on this objective.
        """
        raise NotImplementedError

    def settings(self) -> dict:
        """Name and numbers, for the plan of a fit."""
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class Adam(Method):
    """Adam (Kingma and Ba, 2015), with decoupled weight decay (Loshchilov and Hutter, AdamW, 2019).

    lr: learning rate.
    betas: decay of the two moments.
    weight_decay: 0 for none.
    schedule: "cosine" lowers the rate from lr to 0 over the planned steps (Loshchilov and Hutter, SGDR, 2017);
        None keeps it.
    """

    lr: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str | None = "cosine"

    def __post_init__(self):
        if not (is_number(self.lr) and self.lr > 0):
            raise InputError(f"lr must be a positive number, got {self.lr!r}")
        pair = tuple(self.betas) if isinstance(self.betas, list | tuple) else ()
        if len(pair) != 2 or not all(is_number(beta) and 0 <= beta < 1 for beta in pair):
            raise InputError(f"betas must be two numbers in [0, 1), got {self.betas!r}")
        if not (is_number(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"weight_decay must be a number of at least 0, got {self.weight_decay!r}")
        if self.schedule not in ("cosine", None):
            raise InputError(f'schedule must be "cosine" or None, got {self.schedule!r}')
        object.__setattr__(self, "betas", pair)

    def start(self, objective: Objective, *, steps: int) -> "AdamRun":
        return AdamRun(self, objective, steps)


class AdamRun:
    """Adam at work, through torch.optim.AdamW."""

    def __init__(self, settings: Adam, objective: Objective, steps: int):
        self._settings, self._objective, self._steps = settings, objective, steps
        self._parameters = list(objective.parameters.values())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
        )
        self._done = 0
        self._ahead: Evaluation | None = None  # of the parameters as they are, on all samples; gradients in .grad

    def step(self, data: Data) -> StepResult:
        whole = data is self._objective.problem.train
        before = self._ahead if whole and self._ahead is not None else self._objective.backward(data)
        if not before.is_finite:
            return StepResult(before)
        self._optimizer.param_groups[0]["lr"] = self._rate()
        self._optimizer.step()
        self._done += 1
        if not whole:
            return StepResult(before)
        # The next step needs this gradient anyway, and its loss belongs to the parameters after this step.
        self._ahead = self._objective.backward(data)
        return StepResult(self._ahead)

    def state(self) -> dict:
        moments = [
            {name: value.clone() for name, value in self._optimizer.state[p].items()}
            for p in self._parameters
            if p in self._optimizer.state
        ]
        return {"done": self._done, "moments": moments}

    def restore(self, state: dict) -> None:
        self._done, self._ahead = int(state["done"]), None
        self._optimizer.state.clear()
        for parameter, moments in zip(self._parameters, state["moments"], strict=False):
            self._optimizer.state[parameter] = {name: value.clone() for name, value in moments.items()}

    def _rate(self) -> float:
        if self._settings.schedule is None:
            return self._settings.lr
        return self._settings.lr * (1 + math.cos(math.pi * min(self._done / max(self._steps, 1), 1))) / 2


def flattened(tensors) -> Tensor:
    """All numbers of some tensors as one vector (a copy)."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def write_(parameters, vector: Tensor) -> None:
    """Puts a vector's numbers into parameters, in order."""
    with torch.no_grad():
        for parameter, part in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
            parameter.copy_(part.view_as(parameter))
