"""Refinement: from a coarse network to fine ones, with more knots where they are needed, or with more terms."""

import math
from dataclasses import dataclass, replace

from edgewise.nn.layers.base import Chain
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import Box
from edgewise.pde.domains.mesh import Mesh, grown, respaced
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.solver.history import History, TrainedNetwork, solve_step_work
from edgewise.pde.solver.network import (
    SeparableNetwork,
    TensorNetwork,
    count_parameters,
    described,
    fit_hidden_grids_,
    network_for,
    refined,
    separable_network,
    tensor_network,
)
from edgewise.pde.solver.training import STEPS, Patience
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

TENSOR, SEPARABLE = "tensor", "separable"
FIRST_RANK = 2  # terms of a separable network at the start. A choice: one term more than functions of one product need
RACE_STEPS = 15  # steps after which candidates are compared. A choice: losses differ by factors of ten by then
# Largest number of times that hidden grids are moved. A choice: activations settle after two or three.
MOST_GRID_MOVES = 8
ROWS_PER_PARAMETER = 4  # residuals for each parameter. A choice: fewer let the network oscillate between the points
LEAST_POINTS = 1000  # points inside the domain, at least. A choice
# Points on the boundary for each one inside, from three dimensions on. A choice: there most of the volume is near it.
BOUNDARY_PER_INTERIOR_POINT = 0.5
ROUNDING_LOSS = 1e-26  # loss at rounding, for residuals in units of an error of a solution of size 1: (1e-13)^2
# Refinement ends when three stages in a row lower the loss by less than this factor each. A choice: doubling the
# coefficients of a smooth solution in two dimensions lowers it by 2^6 at degree 5.
WORTHWHILE, STALLS = 1.3, 3
# Steps that a tensor network takes, about, if the equation is linear and if it is not (measured on the library), and
# the share of `STEPS` that other networks take: for the decision whether the budget suffices for a stage.
LINEAR_STEPS, NONLINEAR_STEPS, STEPS_SHARE = 3, 6, 1 / 8
GROWTH = 2.0  # factor of the coefficients of a tensor network from stage to stage. A choice
LEAST_GROWTH = 1.2  # the same of the last stage, where the number of parameters is limited
RANK_GROWTH = 2  # the rank of a separable network grows by one part in so many
START_SEED_STEP, RANK_SEED_STEP = 1000, 17  # between the seeds of one start, or of one stage, and the next


@dataclass(frozen=True)
class Plan:
    """Choices of a solve, by the user or by default.

    Parameters
    ----------
    shape : tuple or str
        Hidden layers of a KAN, `TENSOR` or `SEPARABLE`.
    grid_size, degree : int
        Intervals of the coarsest grid, and degree of the splines.
    method : Method
        Optimisation method.
    starts : int
        Number of starts of networks that are not linear in their parameters.
    seed : int
        Seed of points and weights.
    most : int
        Largest number of parameters.
    resample : bool
        Whether points are chosen anew for each network; if not, those of the problem are kept.
    """

    shape: tuple | str
    grid_size: int
    degree: int
    method: Method
    starts: int
    seed: int
    most: int
    resample: bool = True


class Refinement:
    """Refinement of one network, stage by stage, recorded in a history.

    Parameters
    ----------
    problem : Collocation
        The problem.
    plan : Plan
        Choices of the solve.
    history : History
        Record of work and stages.
    tolerance : float
        Estimated relative error at which the refinement ends.
    """

    def __init__(self, problem: Collocation, plan: Plan, history: History, tolerance: float):
        self.problem, self.plan, self.history, self.tolerance = problem, plan, history, tolerance
        self._coarser: TensorNetwork | None = None  # the network of the stage before the best
        self._all_linear = (
            plan.shape == TENSOR
            and isinstance(plan.method, LevenbergMarquardt)
            and not problem.unknowns
            and problem.is_linear
        )

    def run(self) -> tuple[StopReason, str]:
        """Refine until the result is good enough or nothing improves; return the reason of the end and a sentence."""
        starts = [self._start(shape, number) for shape, number in self._starts()]
        self.history.add_stage(self._first_stage(min(starts, key=lambda start: start.loss)))
        try:
            return self._refine()
        except KeyboardInterrupt:
            return StopReason.INTERRUPTED, "Interrupted; the solution is that of the last complete stage."

    def _starts(self) -> list[tuple[tuple | str, int]]:
        """Shapes and numbers of the starts; separable functions compete with a sum of functions of one coordinate."""
        shape = self.plan.shape
        if shape in (TENSOR, ()):
            return [(shape, 0)]
        additive: list[tuple[tuple | str, int]] = [((), 0)]
        first = additive if shape == SEPARABLE and not self.problem.periodic else []
        return first + [(shape, number) for number in range(self.plan.starts)]

    def _start(self, shape: tuple | str, number: int) -> TrainedNetwork:
        plan, problem = self.plan, self.problem
        seed = plan.seed + START_SEED_STEP * number
        network: Chain
        if shape == TENSOR:
            network = tensor_network(problem, plan.grid_size, plan.degree)
            return TrainedNetwork(network, self._sampled_for(network, problem))
        if shape == SEPARABLE:
            # A product of many splines must start with factors near 1, or it is nearly zero.
            around = 1.0 if number == 0 else 0.0
            network = separable_network(problem, FIRST_RANK, plan.grid_size, plan.degree, seed, around)
        else:
            assert isinstance(shape, tuple)
            network = network_for(problem, shape, plan.grid_size, plan.degree, seed)
        start = TrainedNetwork(network, self._sampled_for(network, problem))
        for _ in range(3 if shape else 1):
            fit_hidden_grids_(network, start.problem.train.x)
            start = self._trained(start, RACE_STEPS)
        self.history.report_progress(f"start {number + 1}: {described(network)}", start.loss)
        return start

    def _sampled_for(self, network: Chain, problem: Collocation) -> Collocation:
        """The problem at as many points as the network needs, with the coefficients of `problem`, but its own."""
        seed = self.plan.seed + len(self.history.stages)
        if not self.plan.resample:
            return self.problem.with_unknowns(problem.unknowns)
        if isinstance(network, TensorNetwork):
            mesh = Mesh(problem.domain, network.tensor_layer.breakpoints)
            return problem.resampled(1, seed=seed, mesh=mesh, own_unknowns=True)
        points = max(LEAST_POINTS, ROWS_PER_PARAMETER * count_parameters(network))
        boundary = round(BOUNDARY_PER_INTERIOR_POINT * points) if problem.domain.dimension > 2 else None
        return problem.resampled(points, boundary, seed=seed, own_unknowns=True)

    def _first_stage(self, start: TrainedNetwork) -> TrainedNetwork:
        """The coarse grid, trained to the end, with hidden grids moved while activations leave them."""
        assert isinstance(start.network, Chain)
        for _ in range(MOST_GRID_MOVES):
            if not fit_hidden_grids_(start.network, start.problem.train.x):
                break
            start = self._trained(start, RACE_STEPS)
        return self._trained(start, STEPS)

    def _trained(self, candidate: TrainedNetwork, steps: int) -> TrainedNetwork:
        patience = Patience.hasty() if self._all_linear else Patience.patient()
        outcome = self.history.train(candidate.network, candidate.problem, self.plan.method, steps, patience)
        return replace(candidate, loss=outcome.loss)

    def _refine(self) -> tuple[StopReason, str]:
        """Finer grids or more terms while they improve the result."""
        stalls, history = 0, self.history
        while True:
            best = history.best
            assert best is not None and isinstance(best.network, Chain)
            if history.error_estimate <= self.tolerance:
                message = f"Two stages agree to {history.error_estimate:.1g}, within the tolerance."
                return StopReason.CONVERGED, message
            if best.loss < ROUNDING_LOSS:
                return StopReason.CONVERGED, "The loss is at rounding."
            if not math.isfinite(best.loss):
                message = "The loss is no number: the equation or a condition gives none there."
                return StopReason.NO_PROGRESS, message
            larger = self._larger(best.network)
            candidates = [TrainedNetwork(network, self._sampled_for(network, best.problem)) for network in larger]
            if not candidates:
                reason = f"A finer network has more than {self.plan.most:,} parameters"
                return StopReason.BUDGET, history.message_with_residual(reason)
            steps = LINEAR_STEPS if self._all_linear else NONLINEAR_STEPS
            likely_steps = steps if self.plan.shape == TENSOR else STEPS * STEPS_SHARE
            cost = sum(likely_steps * solve_step_work(each.network, each.problem) for each in candidates)
            if history.work + cost > history.limit:
                return StopReason.BUDGET, history.message_with_residual("The budget is spent")
            if history.past_deadline:
                return StopReason.TIME_LIMIT, history.message_with_residual("The time is over")
            candidates = [self._trained(each, STEPS if len(candidates) == 1 else 2 * RACE_STEPS) for each in candidates]
            candidate = min(candidates, key=lambda each: each.loss)
            if len(candidates) > 1:
                candidate = self._trained(candidate, STEPS)
            stalls = stalls + 1 if candidate.loss * WORTHWHILE > best.loss else 0
            if candidate.loss < best.loss:
                self._coarser = best.network if isinstance(best.network, TensorNetwork) else None
                history.add_stage(candidate)
            if stalls == STALLS or (candidate.loss >= best.loss and len(candidates) == 1):
                reason = "Larger networks lowered the loss no further"
                return StopReason.NO_PROGRESS, history.message_with_residual(reason)

    def _larger(self, network: Chain) -> list[Chain]:
        """Candidates for the next stage, each with the function of the best network so far.

        Only a network that is linear in its parameters, for a linear equation on a box, starts anew: it needs no start.
        """
        larger: list[Chain]
        if isinstance(network, TensorNetwork):
            layer, domain, most = network.tensor_layer, self.problem.domain, self.plan.most
            if self._all_linear and isinstance(domain, Box):
                points = respaced(layer, domain, GROWTH, most=most)
                finer = TensorLayer(points, layer.out_features, degree=layer.degree, periodic=layer.periodic)
            else:
                coarser = None if self._coarser is None else self._coarser.tensor_layer
                finer = layer.with_breakpoints(grown(layer, domain, GROWTH, coarser, most=most))
            larger = [TensorNetwork(finer)]
            if count_parameters(larger[0]) < LEAST_GROWTH * count_parameters(network):
                return []
        else:
            larger = [refined(network, 2)]
        if isinstance(network, SeparableNetwork):
            rank = network.rank + max(1, network.rank // RANK_GROWTH)
            larger.append(network.with_rank(rank, self.plan.seed + RANK_SEED_STEP * len(self.history.stages)))
        return [network for network in larger if count_parameters(network) <= self.plan.most]
