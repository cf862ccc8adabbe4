"""From a coarse network to fine ones: more knots where they are missed, or more terms, the function kept each time."""

import math
from dataclasses import dataclass, replace

from torch import nn

from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.pde.domains.domain import Box
from edgewise.pde.domains.mesh import Mesh, grown, respaced
from edgewise.pde.problem.equation import PDE
from edgewise.pde.solver.history import Account, Arm, step_work
from edgewise.pde.solver.network import (
    SeparableNetwork,
    TensorNetwork,
    described,
    fit_hidden_grids_,
    network_for,
    refined,
    separable_network,
    tensor_network,
)
from edgewise.pde.solver.training import HASTY, PATIENT, STEPS, count, trained
from edgewise.train.methods.base import Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt

TENSOR, SEPARABLE = "tensor", "separable"
FIRST_RANK = 2
RACE_STEPS = 15
ROUNDS = 8  # of moving hidden grids, at most
ROWS = 4  # residuals for each parameter
LEAST_POINTS = 1000
FACES = 0.5  # points on the boundary for each one inside, from three dimensions on
ROUNDING = 1e-26  # of the loss, in units of a squared error of a solution of size 1
WORTHWHILE = 1.3  # stages that lower the loss by less than this factor, three in a row, end the refinement
STALLS = 3
LINEAR_STEPS, TENSOR_STEPS = 3, 6  # about as many a tensor network takes, if the equation is linear, and if not
GROWTH = 2.0  # of the coefficients of a tensor network, from stage to stage
LEAST_GROWTH = 1.2  # of the last stage, where parameters end


@dataclass(frozen=True)
class Plan:
    """What `solve` was asked for, or chose.

    shape: hidden layers of a KAN, `TENSOR` or `SEPARABLE`. most: parameters. resample: False for the problem's points.
    """

    shape: tuple | str
    grid_size: int
    degree: int
    method: Method
    starts: int
    seed: int
    most: int
    resample: bool = True


class Growth:
    """One solution at work, noted stage by stage in an account."""

    def __init__(self, problem: PDE, plan: Plan, account: Account, tolerance: float):
        self.problem, self.plan, self.account, self.tolerance = problem, plan, account, tolerance
        self._coarser: nn.Module | None = None  # the network of the stage before the best
        self._all_linear = (
            plan.shape == TENSOR
            and isinstance(plan.method, LevenbergMarquardt)
            and not problem.unknowns
            and problem.is_linear
        )

    def run(self) -> tuple[str, str]:
        """Until it is good enough, or of no use any more: how it ended, and a sentence."""
        starts = [self._started(shape, number) for shape, number in self._starts()]
        self.account.note(self._settled(min(starts, key=lambda arm: arm.loss)))
        try:
            return self._grown()
        except KeyboardInterrupt:
            return "interrupted", "Interrupted; the solution is that of the last complete stage."

    def _starts(self) -> list[tuple[tuple | str, int]]:
        """Shapes and seeds. Separable functions race against a sum of functions of one coordinate each."""
        shape = self.plan.shape
        if shape in (TENSOR, ()):
            return [(shape, 0)]
        first = [((), 0)] if shape == SEPARABLE and not self.problem.periodic else []
        return first + [(shape, number) for number in range(self.plan.starts)]

    def _started(self, shape: tuple | str, number: int) -> Arm:
        plan, problem = self.plan, self.problem
        seed = plan.seed + 1000 * number
        if shape == TENSOR:
            network = tensor_network(problem, plan.grid_size, plan.degree)
            return Arm(network, self._sampled(problem, network))
        if shape == SEPARABLE:
            # A product of many splines must start with factors near 1, or it is next to nothing.
            around = 1.0 if number == 0 else 0.0
            network = separable_network(problem, FIRST_RANK, plan.grid_size, plan.degree, seed, around)
        else:
            network = network_for(problem, shape, plan.grid_size, plan.degree, seed)
        arm = Arm(network, self._sampled(problem, network))
        for _ in range(3 if shape else 1):
            fit_hidden_grids_(network, arm.problem.train.x)
            arm = self._trained(arm, RACE_STEPS)
        self.account.tell(f"start {number + 1}: {described(network)}", arm.loss)
        return arm

    def _sampled(self, problem: PDE, network: nn.Module) -> PDE:
        """The problem at as many points as the network needs, with coefficients of its own."""
        seed = self.plan.seed + len(self.account.stages)
        if not self.plan.resample:
            return problem.with_own_unknowns(self.problem)
        if isinstance(network, TensorNetwork):
            return problem.with_own_unknowns(
                problem.resampled(1, seed=seed, mesh=Mesh(problem.domain, network.layers[0].breakpoints))
            )
        points = max(LEAST_POINTS, ROWS * count(network))
        boundary = round(FACES * points) if problem.domain.dimension > 2 else None
        return problem.with_own_unknowns(problem.resampled(points, boundary, seed=seed))

    def _settled(self, arm: Arm) -> Arm:
        """The coarse grid to the end, with hidden grids moved while activations leave them."""
        for _ in range(ROUNDS):
            if not fit_hidden_grids_(arm.network, arm.problem.train.x):
                break
            arm = self._trained(arm, RACE_STEPS)
        return self._trained(arm, STEPS)

    def _trained(self, arm: Arm, steps: int) -> Arm:
        patience = HASTY if self._all_linear else PATIENT
        report = trained(arm.network, arm.problem, self.plan.method, steps, patience)
        self.account.spend(arm.network, arm.problem, report.steps)
        return replace(arm, loss=report.loss)

    def _grown(self) -> tuple[str, str]:
        """Finer grids or more terms while it pays; says why it ended."""
        stalls, account = 0, self.account
        while True:
            estimate, before = account.estimate, account.best.loss
            if estimate <= self.tolerance:
                return "converged", f"Two stages agree to {estimate:.1g}, within the tolerance."
            if before < ROUNDING:
                return "converged", "The loss is at rounding."
            if not math.isfinite(before):
                return "no_progress", "The loss is no number: the equation or a condition gives none there."
            arms = [Arm(network, self._sampled(account.best.problem, network)) for network in self._larger()]
            if not arms:
                return "budget", account.unfinished(f"A finer network has more than {self.plan.most:,} parameters")
            cost = sum(self._likely_steps * step_work(arm.network, arm.problem) for arm in arms)
            if account.work + cost > account.limit:
                return "budget", account.unfinished("The budget is spent")
            if account.late:
                return "time", account.unfinished("The time is over")
            arms = [self._trained(arm, STEPS if len(arms) == 1 else 2 * RACE_STEPS) for arm in arms]
            arm = min(arms, key=lambda arm: arm.loss)
            if len(arms) > 1:
                arm = self._trained(arm, STEPS)
            stalls = stalls + 1 if arm.loss * WORTHWHILE > before else 0
            if arm.loss < before:
                self._coarser = account.best.network
                account.note(arm)
            if stalls == STALLS or (arm.loss >= before and len(arms) == 1):
                return "no_progress", account.unfinished("Larger networks lowered the loss no further")

    def _finer(self, layer: TensorLayer) -> TensorLayer:
        """A layer with more intervals. What is linear needs no start, so that all of them may move."""
        domain, most = self.problem.domain, self.plan.most
        if self._all_linear and isinstance(domain, Box):
            points = respaced(layer, domain, GROWTH, most=most)
            return TensorLayer(points, layer.out_features, degree=layer.degree, periodic=layer.periodic)
        coarser = None if self._coarser is None else self._coarser.layers[0]
        return layer.with_breakpoints(grown(layer, domain, GROWTH, coarser, most=most))

    @property
    def _likely_steps(self) -> float:
        if self.plan.shape != TENSOR:
            return STEPS / 8
        return LINEAR_STEPS if self._all_linear else TENSOR_STEPS

    def _larger(self) -> list[nn.Module]:
        """What may come next, each with the function of the best so far."""
        network = self.account.best.network
        if isinstance(network, TensorNetwork):
            layer = network.layers[0]
            larger = [TensorNetwork(self._finer(layer))]
            if count(larger[0]) < LEAST_GROWTH * count(network):
                return []
        else:
            larger = [refined(network, 2)]
        if isinstance(network, SeparableNetwork):
            rank = network.rank + max(1, network.rank // 2)
            larger.append(network.with_rank(rank, self.plan.seed + 17 * len(self.account.stages)))
        return [network for network in larger if count(network) <= self.plan.most]
