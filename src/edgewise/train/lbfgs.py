"""L-BFGS with a strong Wolfe line search: the method for smooth losses on all samples at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.train.line_search import LineSearchRun
from edgewise.train.methods import Method, check_count
from edgewise.train.objective import Objective


@dataclass(frozen=True)
class LBFGS(Method):
    """L-BFGS, Nocedal and Wright (2006), algorithms 7.4 and 7.5.

    Every criterion is relative. torch.optim.LBFGS keeps a curvature pair only where y's > 1e-10 and ends its line
    search below an absolute width; with squared errors under about 1e-9 it stalls, which is where KANs get interesting.
    A trial with a NaN or infinite loss only shortens the step.

    history: pairs of steps and gradient changes that are kept.
    evaluations: most trials in one line search.
    """

    history: int = 20
    evaluations: int = 25

    full_batch = True
    monotone = True

    def __post_init__(self):
        check_count(self.history, "history")
        check_count(self.evaluations, "evaluations")

    def start(self, objective: Objective, *, steps: int) -> LineSearchRun:
        return LineSearchRun(objective, _Pairs(self.history), self.evaluations)


class _Pairs:
    """The latest steps s and changes y of the gradient."""

    def __init__(self, history: int):
        self._history = history
        self._moves: list[Tensor] = []
        self._changes: list[Tensor] = []

    @property
    def known(self) -> bool:
        return bool(self._moves)

    def direction(self, gradient: Tensor) -> Tensor:
        """- H gradient by the two-loop recursion, algorithm 7.4, with the scaling of eq. (7.20)."""
        q = gradient.clone()
        if not self._moves:
            return -q
        shares = []
        for move, change in zip(reversed(self._moves), reversed(self._changes), strict=True):
            shares.append((move @ q) / (move @ change))
            q = q - shares[-1] * change
        q = q * ((self._moves[-1] @ self._changes[-1]) / self._changes[-1].square().sum())
        for move, change in zip(self._moves, self._changes, strict=True):
            q = q + move * (shares.pop() - (change @ q) / (move @ change))
        return -q

    def remember(self, move: Tensor, change: Tensor, bend: float) -> None:
        if has_curvature(move, change):
            self._moves = [*self._moves, move][-self._history :]
            self._changes = [*self._changes, change][-self._history :]

    def forget(self) -> None:
        self._moves, self._changes = [], []

    def state(self) -> dict:
        return {"moves": [v.clone() for v in self._moves], "changes": [v.clone() for v in self._changes]}

    def restore(self, state: dict) -> None:
        self._moves = [v.clone() for v in state["moves"]]
        self._changes = [v.clone() for v in state["changes"]]


def has_curvature(move: Tensor, change: Tensor) -> bool:
    """Whether y's is positive beyond rounding; Wolfe's conditions make it so in exact arithmetic."""
    floor = torch.finfo(move.dtype).eps * float(move.norm()) * float(change.norm())
    return float(move @ change) > floor
