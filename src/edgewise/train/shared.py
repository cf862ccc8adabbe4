"""A fit by several processes: each holds some of the samples, and sums over all of them travel (`SharedObjective`).

The leading process runs the method and decides on every step; all processes compute their parts of a sum (`Shard`).
Only parameters, gradients, normal equations and magnitudes of edges travel, so the traffic depends on the parameters
alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.nn.prediction import evaluation_mode
from edgewise.train.blocks import BatchedData, Data
from edgewise.train.jacobian.matrix_free import EdgeBlocks, ImplicitMatrix
from edgewise.train.jacobian.normal_equations import NormalEquations, RowSource
from edgewise.train.jacobian.rows import edge_grams, is_chain
from edgewise.train.objective import Evaluation, Objective
from edgewise.train.parameters import ParameterSlots, flattened, gradient_of, state_tensors, write_
from edgewise.train.penalties import Penalty
from edgewise.train.problems import Problem

if TYPE_CHECKING:
    from edgewise.processes.team import Team

Arrays = tuple[np.ndarray, ...]


class SharedSum(NamedTuple):
    """A sum over the samples of all processes at some parameters, in the form in which it travels to each of them."""

    function: Callable[..., Sequence[Any]]  # method of `Shard` that gives the part of one process
    is_exact: bool  # whether it is computed in float64, whatever the dtype of the model
    parameters: np.ndarray  # (P,), the trainable parameters
    arguments: Arrays  # further arguments of the function

    def __call__(self, shard: Shard) -> Arrays:
        """Return the part of one process, in float64."""
        objective = shard.at(self.parameters, is_exact=self.is_exact)
        like = next(iter(objective.parameters.values()))
        values = self.function(shard, objective, *(torch.from_numpy(one).to(like) for one in self.arguments))
        return tuple(np.asarray(torch.as_tensor(one, dtype=torch.float64).detach().cpu()) for one in values)


class Shard:
    """The samples of one process: the leading one asks all processes for functions of them, which sum or collect."""

    def __init__(self, network: nn.Module, problem: Problem, penalty: Penalty | None) -> None:
        # Losses that are no sums over samples, and weights, which every process would scale by itself, are refused.
        if problem.by_blocks:
            raise InputError(f"problem must be a loss of samples in several processes, got {type(problem).__name__}")
        is_weighted = problem.train.weight is not None and not problem.train.is_batched
        if is_weighted or (problem.validation is not None and problem.validation.weight is not None):
            raise InputError(
                "weight must be left out in several processes, each of which would scale it to the mean 1; the weights "
                "of a DataLoader are used as they are"
            )
        if problem.validation_loader is not None:
            raise InputError("validation must be tensors in several processes, got a DataLoader")
        # Each process trains a copy of its own; matrices are made when a method first asks.
        self._network = copy.deepcopy(network)
        self._objective = Objective(self._network, problem.with_copied_unknowns(), penalty)
        self._exact: Objective | None = None
        self._rows: RowSource | None = None
        self._normal: NormalEquations | None = None
        self._matrix: ImplicitMatrix | None = None
        self._share = 1.0
        self._place = (0, 0)
        self.number = 0  # of the process

    def __call__(self, request: Callable[[Shard], Any]) -> Any:
        """Return what a function of the samples gives for those of this process."""
        return request(self)

    def at(self, parameters: np.ndarray, *, is_exact: bool) -> Objective:
        """Return the objective of this process at parameters (P,), in float64 if it is to be exact."""
        objective = self._objective
        if is_exact:
            if self._exact is None:
                self._exact = objective.twin(copy.deepcopy(self._network).double(), torch.float64)
            objective = self._exact
        present = list(objective.parameters.values())
        write_(present, torch.from_numpy(parameters).to(present[0]))
        return objective

    def begin(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take the tensors with which the fit begins, by name."""
        with torch.no_grad():
            for name, value in state_tensors(self._network, self._objective.problem).items():
                value.copy_(torch.from_numpy(tensors[name]))

    def count(self, samples: Sequence[int]) -> None:
        """Take the number of samples of each process."""
        total = sum(samples)
        self._share = len(self._objective.problem.train) / total
        self._place = sum(samples[: self.number]), total

    def predictions(self, parameters: np.ndarray) -> Arrays:
        """Return predictions and targets at some parameters, of validation samples where there are any."""
        objective = self.at(parameters, is_exact=False)
        with evaluation_mode(self._network), torch.no_grad():
            return tuple(one.cpu().numpy() for one in objective.predictions(self._judging(objective)))

    def facts(self, rows: int) -> dict[str, Any]:
        """Return the number of samples, some of them, and what must be the same in all processes."""
        problem = self._objective.problem
        # Samples evenly through the data, by which processes compare what they were given.
        penalty = self._objective.penalty
        data = problem.train
        held = len(data.x)  # of a loader, the first ones
        seen = data.select(torch.linspace(0, held - 1, min(rows, held), device=data.x.device).long())
        same = {
            "problem": type(problem).__name__,
            "penalty": None if penalty is None else penalty.settings(),
            "validation": "none" if problem.validation is None else "given",
            "columns of x": data.x.shape[1],
            "shape of y": (None, *data.y.shape[1:]),
            "dtype": str(data.x.dtype),
            "parameters": sum(p.numel() for p in self._objective.parameters.values()),
        }
        return {"count": len(data), "x": seen.x.cpu().numpy(), "y": seen.y.cpu().numpy(), "same": same}

    # Functions for a `SharedSum`: each returns this process's part of a sum over all processes.

    def sum_loss(self, objective: Objective) -> Sequence[Any]:
        """Loss."""
        return [self._share * objective.loss(objective.problem.train)]

    def sum_validation(self, objective: Objective) -> Sequence[Any]:
        """Loss times the number of validation samples, and that number."""
        data = objective.problem.validation
        assert data is not None
        with evaluation_mode(objective.network):
            return [len(data) * objective.loss(data), len(data)]

    def _judging(self, objective: Objective) -> Iterator[Data]:
        """Validation samples, or else training samples, in parts."""
        data = objective.problem.validation or objective.problem.train
        return (part for part, _ in data.chunks(objective.numbers))

    def sum_metric(self, objective: Objective) -> Sequence[Any]:
        """Metric, to the power of which it is the root, times the number of samples, and that number."""
        order = objective.problem.metric_order
        count = len(objective.problem.validation or objective.problem.train)
        with evaluation_mode(objective.network), torch.no_grad():
            found = objective.metric(self._judging(objective))
        return [0.0 if found is None or order is None else count * found[1] ** order, count]

    def sum_values(self, objective: Objective) -> Sequence[Any]:
        """Loss and magnitudes."""
        loss, magnitudes = objective.values(objective.problem.train)
        return [self._share * loss, *(self._share * each for each in magnitudes)]

    def sum_magnitudes(self, objective: Objective) -> Sequence[Any]:
        """Magnitudes of edges."""
        return [self._share * each for each in objective.magnitudes(objective.problem.train)]

    def sum_gradients(self, objective: Objective, with_loss: Tensor, *slopes: Tensor) -> Sequence[Any]:
        """Loss, and the gradient of `Objective.add_gradients`."""
        objective.clear_gradients()
        loss = objective.add_gradients(objective.problem.train, slopes, with_loss=bool(with_loss))
        return [self._share * loss, self._share * gradient_of(objective.parameters.values())]

    def sum_normal(self, objective: Objective) -> Sequence[Any]:
        """Gradient, Gauss-Newton's matrix, and 1 where residuals are kept for `sum_pulled`."""
        self._normal = self._row_source(objective).normal_equations()
        self._origin = flattened(objective.parameters.values())
        return [self._share * self._normal.gradient, self._share * self._normal.matrix, self._normal.pull is not None]

    def sum_pulled(self, objective: Objective, other: Tensor) -> Sequence[Any]:
        """J'r with the J of the last `sum_normal` and the residuals at the present parameters plus those at others."""
        assert self._rows is not None and self._normal is not None and self._normal.pull is not None
        parameters = objective.parameters.values()
        residuals = self._rows.summed_residuals(parameters, flattened(parameters), other)
        write_(parameters, self._origin)
        return [self._share * self._normal.pull(residuals)]

    def sum_edge_blocks(self, objective: Objective) -> Sequence[Any]:
        """Blocks of an `ImplicitMatrix`, whose parameters are then those of `sum_times`."""
        self._matrix = ImplicitMatrix(self._row_source(objective), self._place)
        return self._matrix.blocks.parts()

    def sum_times(self, objective: Objective, vector: Tensor) -> Sequence[Any]:
        """Gauss-Newton's matrix times a vector."""
        assert self._matrix is not None
        return [self._share * self._matrix.times(vector)]

    def _row_source(self, objective: Objective) -> RowSource:
        if self._rows is None:
            self._rows = RowSource(objective.network, objective.problem, ParameterSlots(objective.parameters))
        return self._rows

    def sum_edge_grams(self, objective: Objective, rows: Tensor) -> Sequence[Any]:
        """Values of `edge_grams`, in order."""
        with torch.no_grad():
            grams = edge_grams(objective.network, objective.problem.train, int(rows))
        return [self._share * each for layer in grams for each in layer.values()]


class SharedObjective(Objective):
    """The objective of the leading process: its sums are over the samples of all processes."""

    is_shared = True

    def __init__(
        self, network: nn.Module, problem: Problem, penalty: Penalty | None, team: Team, *, is_exact: bool = False
    ) -> None:
        super().__init__(network, problem, penalty)
        self._team = team
        self._is_exact = is_exact
        self.processes = team.count
        self._dtype = next(iter(self.parameters.values())).dtype

    def twin(self, network: nn.Module, dtype: torch.dtype) -> SharedObjective:
        """Same objective for a copy of the network, in float64."""
        assert dtype == torch.float64
        return SharedObjective(network, self.problem.to(dtype), self.penalty, self._team, is_exact=True)

    def summed(self, function: Callable[..., Sequence[Any]], *arguments: Tensor) -> list[Tensor]:
        """Return the sums over all processes of what a method of `Shard` gives at the parameters, in float64."""
        given = tuple(each.detach().cpu().numpy() for each in arguments)
        sums = self._team.summed(SharedSum(function, self._is_exact, self._present(), given))
        device = next(iter(self.parameters.values())).device
        return [torch.from_numpy(each).to(device) for each in sums]

    def _present(self) -> np.ndarray:
        """The present parameters, (P,)."""
        return flattened(self.parameters.values()).double().cpu().numpy()

    def metric(self, parts: Iterable[Data]) -> tuple[str, float] | None:
        """Headline metric of the samples of all processes; `parts` are some of them, for its name."""
        found = super().metric(parts)
        order = self.problem.metric_order
        if found is None or order is None:
            return None
        total, count = self.summed(Shard.sum_metric)
        return found[0], float(total / count) ** (1 / order)

    def predictions(self, parts: Iterable[Data]) -> tuple[Tensor, Tensor]:
        """Outputs of the model and targets of the samples of all processes, in their order."""
        answers = self._team.gathered(partial(Shard.predictions, parameters=self._present()))
        device = next(iter(self.parameters.values())).device
        first, second = (torch.from_numpy(np.concatenate(part)) for part in zip(*answers, strict=True))
        return first.to(device), second.to(device)

    def loss(self, data: Data) -> float:
        """Loss alone."""
        if data is self.problem.validation:
            total, count = self.summed(Shard.sum_validation)
            return float(total / count)
        return float(self.summed(Shard.sum_loss)[0])

    def evaluate(self, data: Data) -> Evaluation:
        """Loss and penalty, without gradients."""
        loss, *magnitudes = self.summed(Shard.sum_values)
        with torch.no_grad():
            return Evaluation(float(loss), self._penalty([each.to(self._dtype) for each in magnitudes]))

    def magnitudes(self, data: Data) -> list[Tensor]:
        """Mean |phi| of every edge; empty where the penalty needs no trace."""
        if self.needs_trace:
            return [each.to(self._dtype) for each in self.summed(Shard.sum_magnitudes)]
        return []

    def backward(self, data: Data) -> Evaluation:
        """Loss and penalty; their gradient is left in the `.grad` of the parameters."""
        self.clear_gradients()
        magnitudes = self.magnitudes(data)
        loss = self.add_gradients(data, self._magnitude_slopes(magnitudes) if magnitudes else [])
        return Evaluation(loss, self._backward_at_fixed_magnitudes(magnitudes))

    def add_gradients(self, data: Data, slopes: Sequence[Tensor], *, with_loss: bool = True) -> float:
        """Add gradients of the loss and of the magnitudes times `slopes`."""
        loss, gradient = self.summed(Shard.sum_gradients, torch.tensor(with_loss), *slopes)
        parameters = list(self.parameters.values())
        for parameter, part in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
            part = part.view_as(parameter).to(parameter.dtype, copy=True)
            if parameter.grad is None:
                parameter.grad = part
            else:
                parameter.grad = parameter.grad + part
        return float(loss)

    def row_source(self, slots: ParameterSlots) -> SharedRows:
        """Return the rows of the Jacobian, which stay where the samples are."""
        return SharedRows(self, slots)

    def implicit_matrix(self, source: RowSource) -> SharedMatrix:
        """Return Gauss-Newton's matrix at the present parameters, by products in all processes."""
        return SharedMatrix(self, source)

    def edge_grams(self, data: Data, rows: int) -> list[dict[str, Tensor]]:
        """Return the sums of `jacobian.rows.edge_grams`."""
        with torch.no_grad():
            named = edge_grams(self.network, self.problem.train.select(slice(0, 1)), 1)
        found = iter(self.summed(Shard.sum_edge_grams, torch.tensor(rows)))
        return [{name: next(found) for name in layer} for layer in named]


class SharedRows(RowSource):
    """Normal equations of all processes, whose rows stay where the samples are."""

    def __init__(self, objective: SharedObjective, slots: ParameterSlots) -> None:
        self.network = objective.network
        self.slots = slots
        self.objective = objective
        self._is_chain = is_chain(self.network, slots, objective.problem.train.x[:2])

    def count(self) -> None:
        """None: no matrix of the rows is formed."""
        return

    @property
    def is_chain(self) -> bool:
        """True if the network is a chain of layers."""
        return self._is_chain

    def normal_equations(self) -> NormalEquations:
        """Gradient and Gauss-Newton's matrix; in place of residuals r and w -> J'w there are J'r and the identity."""
        gradient, matrix, kept = self.objective.summed(Shard.sum_normal)
        if int(kept) < self.objective.processes:
            return NormalEquations(gradient, matrix, None, None)
        return NormalEquations(gradient, matrix, gradient.clone(), lambda pulled: pulled)

    def summed_residuals(self, parameters: Collection[Tensor], behind: Tensor, ahead: Tensor) -> Tensor:
        """J'r (P,) with the J of the last `normal_equations` and r the sum of the residuals at two points."""
        write_(parameters, behind)
        return self.objective.summed(Shard.sum_pulled, ahead)[0]


class SharedMatrix(ImplicitMatrix):
    """The `ImplicitMatrix` of all processes: a product takes two vectors of P numbers to each and one from it."""

    def __init__(self, objective: SharedObjective, source: RowSource) -> None:
        self._objective = objective
        self.blocks = EdgeBlocks(source.network, source.slots)
        for mine, total in zip(self.blocks.parts(), self._objective.summed(Shard.sum_edge_blocks), strict=True):
            mine += total

    def times(self, v: Tensor) -> Tensor:
        """2 J'J v for v (P,)."""
        return self._objective.summed(Shard.sum_times, v)[0]


Report = TypeVar("Report")


def trained_together(
    network: nn.Module, problem: Problem, penalty: Penalty | None, train: Callable[[Problem, Team], Report]
) -> Report:
    """Train a network in all processes at once; each returns the same result, and its network has the same tensors."""
    # The door to several processes, for a fit that has them.
    from edgewise.processes.team import Team

    # Other processes answer with the sums of their rows.
    shard = Shard(network, problem, penalty)
    team = Team(shard)
    shard.number = team.number
    if team.number > 0:
        report, tensors = team.serve()
        with torch.no_grad():
            for name, value in state_tensors(network, problem).items():
                value.copy_(torch.from_numpy(tensors[name]))
        if report is None:
            raise KeyboardInterrupt
        return report
    report = None
    stopped = None
    with team.leading(lambda: (report, _arrays(network, problem))):
        # The leading one checks that all have the same network and problem, and sees some rows of each.
        # Domains are set from so many rows of all processes together: as many as of a DataLoader, and their range is
        # that of all rows to a ten-thousandth of them.
        seen = 10_000
        facts = team.gathered(partial(Shard.facts, rows=-(-seen // team.count)))
        for number, other in enumerate(facts):
            for name, value in other["same"].items():
                if value != facts[0]["same"][name]:
                    raise InputError(
                        f"{name} must be the same in all processes, got {facts[0]['same'][name]} in process 0 and "
                        f"{value} in process {number}"
                    )
        team.gathered(partial(Shard.count, samples=[each["count"] for each in facts]))
        twin = copy.copy(problem)
        like = problem.train.x
        x, y = (torch.cat([torch.from_numpy(each[name]) for each in facts]).to(like.device) for name in "xy")
        twin.train_loader = None
        twin.train_tensors = BatchedData(x, y, count=sum(each["count"] for each in facts))
        try:
            report = train(twin, team)
        except KeyboardInterrupt as error:  # the network has the best parameters, which all processes get
            stopped = error
            team.was_interrupted = True
    if stopped is not None:
        raise stopped
    assert report is not None
    return report


def begun(network: nn.Module, problem: Problem, penalty: Penalty | None, team: Team) -> SharedObjective:
    """Send the network and the unknowns of the problem to all processes; return the objective of all of them."""
    team.gathered(partial(Shard.begin, tensors=_arrays(network, problem)))
    return SharedObjective(network, problem, penalty, team)


def _arrays(network: nn.Module, problem: Problem) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().numpy() for name, value in state_tensors(network, problem).items()}
