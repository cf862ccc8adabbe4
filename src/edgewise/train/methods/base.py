"""Interface of optimisation methods (`Method`, `Run`, `StepResult`), and Adam."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from edgewise.checks import check_number, is_list, is_number, is_one_of
from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.train.blocks import Data
from edgewise.train.objective import Evaluation, Objective


@dataclass(frozen=True)
class StepResult:
    """The result of one step of a method.

    Parameters
    ----------
    evaluation : Evaluation
        Loss and penalty on the step's data: after the step where every step uses all samples, before it in a fit by
        minibatches.
    stopped : StopReason, optional
        None to go on, else `CONVERGED` or `NO_PROGRESS`; the parameters are then as before the step.
    message : str
        A sentence that explains `stopped`.

    Examples
    --------
    >>> StepResult(Evaluation(loss=0.5, penalty=0.1)).evaluation.total
    0.6
    """

    evaluation: Evaluation
    stopped: StopReason | None = None
    message: str = ""


class Run(Protocol):
    """A method at work on one objective.

    `state()` holds tensors, numbers, strings, None, and dicts and lists of them. A run that is restored from it
    continues with the same bits.

    Examples
    --------
    >>> from edgewise import KAN, Regression
    >>> from edgewise.train.objective import Objective
    >>> x = torch.linspace(0, 1, 20)[:, None]
    >>> problem = Regression(x, x**2)
    >>> run = Adam().start(Objective(KAN([1, 1]), problem), steps=2)
    >>> result = run.step(problem.train)
    >>> result.stopped is None, "step" in run.state()
    (True, False)
    """

    def step(self, data: Data) -> StepResult:
        """Make one step on these samples."""

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on, besides the parameters."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""


@dataclass(frozen=True)
class Method:
    """Base class of optimisation methods: a frozen dataclass of settings, whose `start` makes a `Run`.

    Attributes
    ----------
    full_batch : bool
        Whether every step needs all samples.
    monotone : bool
        Whether no step raises the objective, so that a stall means convergence.

    Examples
    --------
    A method of one's own is a dataclass of settings and a `Run`:

    >>> from edgewise import Regression, fit
    >>> from edgewise.nn import MLP
    >>> @dataclass(frozen=True)
    ... class GradientDescent(Method):
    ...     rate: float = 0.1
    ...
    ...     def start(self, objective, *, steps):
    ...         return GradientDescentRun(self, objective)
    >>> class GradientDescentRun:
    ...     def __init__(self, settings, objective):
    ...         self.settings, self.objective = settings, objective
    ...
    ...     def step(self, data):
    ...         evaluation = self.objective.backward(data)
    ...         with torch.no_grad():
    ...             for parameter in self.objective.parameters.values():
    ...                 parameter -= self.settings.rate * parameter.grad
    ...         return StepResult(evaluation)
    ...
    ...     def state(self):
    ...         return {}
    ...
    ...     def restore(self, state):
    ...         pass
    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> report = fit(MLP([1, 1]), Regression(x, 2 * x), GradientDescent(), steps=100)
    >>> report.loss < 1e-6
    True
    """

    full_batch: ClassVar[bool] = False
    monotone: ClassVar[bool] = False

    def start(self, objective: Objective, *, steps: int) -> Run:
        """Start from the present parameters.

        Parameters
        ----------
        objective : Objective
            The loss and penalty to be minimised.
        steps : int
            Number of planned steps, on which a schedule may depend.

        Raises
        ------
        InputError
            The method cannot work on this objective.
        """
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Name and settings, for the plan of a fit."""
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class Adam(Method):
    """Adam with decoupled weight decay, for minibatches and for losses without useful curvature.

    On all samples a step that would make the loss infinite or undefined is halved until it doesn't, and the momentum
    that led there is dropped.

    Parameters
    ----------
    lr : float
        Learning rate.
    betas : (float, float)
        Decay of the two moments.
    weight_decay : float
        Factor of the decoupled weight decay, 0 without decay.
    schedule : {"cosine", None}
        "cosine" lowers the rate from `lr` to 0 over the planned steps; None keeps it.

    Raises
    ------
    InputError
        A setting is out of its range.

    References
    ----------
    .. [1] D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    .. [2] I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    .. [3] I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> from edgewise.train import Adam
    >>> Adam(lr=1e-3).settings()["schedule"]
    'cosine'
    """

    lr: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str | None = "cosine"

    def __post_init__(self) -> None:
        check_number(self.lr, "lr", positive=True)
        pair = tuple(self.betas) if is_list(self.betas) else ()
        if len(pair) != 2 or not all(is_number(beta) and 0 <= beta < 1 for beta in pair):
            raise InputError(f"betas must be two numbers in [0, 1), got {self.betas!r}")
        check_number(self.weight_decay, "weight_decay")
        if self.schedule is not None and not is_one_of(self.schedule, ["cosine"]):
            raise InputError(f'schedule must be "cosine" or None, got {self.schedule!r}')
        object.__setattr__(self, "betas", pair)

    def start(self, objective: Objective, *, steps: int) -> AdamRun:
        """Start from the present parameters; see `Method.start`."""
        return AdamRun(self, objective, steps)


class AdamRun:
    """Adam at work, through `torch.optim.AdamW`."""

    def __init__(self, settings: Adam, objective: Objective, steps: int):
        self._settings = settings
        self._objective = objective
        self._steps = steps
        self._parameters = list(objective.parameters.values())
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
        )
        self._steps_made = 0
        # Loss and penalty of the present parameters on all samples; their gradient is in `.grad`.
        self._current: Evaluation | None = None

    def step(self, data: Data) -> StepResult:
        """Make one step on these samples."""
        # Loss and gradient at the present parameters, which the last step on all samples has left.
        is_whole = data is self._objective.problem.train_tensors
        before = self._current
        if before is None or not is_whole:
            before = self._objective.backward(data)
        if not before.is_finite:
            return StepResult(before)
        # The step, at the rate of a cosine that ends at zero.
        rate = self._settings.lr
        if self._settings.schedule is not None:
            rate = rate * (1 + math.cos(math.pi * min(self._steps_made / max(self._steps, 1), 1))) / 2
        self._optimizer.param_groups[0]["lr"] = rate
        earlier: list[Tensor] = []
        if is_whole:
            earlier = [parameter.detach().clone() for parameter in self._parameters]
        self._optimizer.step()
        self._steps_made += 1
        if not is_whole:
            return StepResult(before)
        # The next step needs this gradient anyway, and its loss belongs to the parameters after this step.
        self._current = self._objective.backward(data)
        # It is halved where the loss is infinite or NaN, as where the input of a logarithm leaves its domain: after 20
        # times the step is a millionth.
        for halving in range(20):
            if self._current.is_finite:
                break
            if halving == 0:  # momentum would lead to the end of the domain again
                for state in self._optimizer.state.values():
                    state["exp_avg"].zero_()
            with torch.no_grad():
                for parameter, start in zip(self._parameters, earlier, strict=True):
                    parameter.lerp_(start, 0.5)
            self._current = self._objective.backward(data)
        return StepResult(self._current)

    def state(self) -> dict[str, Any]:
        """The number of steps and the moments."""
        moments = [
            {name: value.clone() for name, value in self._optimizer.state[parameter].items()}
            for parameter in self._parameters
            if parameter in self._optimizer.state
        ]
        return {"done": self._steps_made, "moments": moments}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self._steps_made = int(state["done"])
        self._current = None
        self._optimizer.state.clear()
        for parameter, moments in zip(self._parameters, state["moments"], strict=False):
            self._optimizer.state[parameter] = {name: value.clone() for name, value in moments.items()}
