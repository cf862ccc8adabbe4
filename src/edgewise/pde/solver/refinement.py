"""Refinement: from a coarse network to fine ones, with more knots where they are needed, or with more terms.

`GradedGrids` are products of splines whose grids follow the residual, for the least-squares tier; `TrainedNetworks` are
sums of products of functions of one coordinate, and KANs, for the tier of networks.

Measured rows need graded grids for unknown coefficients, as of inverse diffusion, and networks for a ball in five
dimensions and for all problems for which `hidden` asks for a KAN.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgewise.nn.layers.base import Chain
from edgewise.outcomes import StopReason
from edgewise.pde.domains.mesh import Mesh, equal_shares, even_lines, graded_to_ends, grown, respaced, separated
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.conditions import Observations
from edgewise.pde.problem.integrals import GIVEN_RULE
from edgewise.pde.problem.strong_form import with_integrals_by
from edgewise.pde.solver import messages
from edgewise.pde.solver.driver import Levels
from edgewise.pde.solver.judging.residuals import SEARCH, integrals_gap
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.network import count_parameters, network_for, separable_network, tensor_network
from edgewise.pde.solver.plan import Plan
from edgewise.pde.solver.record import Record
from edgewise.pde.solver.solution import field_values
from edgewise.pde.solver.training import NETWORK_STEPS, STEPS, Patience, Trainer, solve_step_work
from edgewise.pde.spaces.networks import (
    SEPARABLE,
    TensorNetwork,
    chain_of,
    fields_of,
)
from edgewise.pde.tiers.level import Begun, Doubt, Level
from edgewise.train.blocks import copied_unknowns
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt


@dataclass(frozen=True)
class RefinementSettings:
    """When refinement ends, and how grids and networks begin and grow."""

    race_steps: int = 15  # after which candidates are compared: losses differ by factors of ten by then
    # Loss at rounding, for residuals in units of the field of a solution of size 1: (1e-13)^2; and an estimated error
    # that may come with it; rounding of second derivatives on fine grids makes it so large.
    rounding_loss: float = 1e-26
    error_at_rounding: float = 1e-9
    # Refinement ends after a run of levels each of which lowers the residual by less than a factor: doubling the
    # coefficients of a smooth solution in two dimensions lowers it by 2^2 or more at degree 5. There are more while the
    # equation does not hold: five levels have 32 times as many coefficients, and see what is 32 times narrower.
    worthwhile: float = 1.15
    stalls: int = 3
    unresolved_stalls: int = 5
    # Largest refinement of the points of integrals, and most points of one over a box, of which every point of the
    # equation has as many: 768 points on a line and 24^2 in a box where nothing is given. Points that are denser
    # towards the ends are taken if they lower the error by a factor: it is a thousand at a root, and hardly one at a
    # peak inside.
    most_integral_refinement: int = 32
    most_box_points: int = 576
    less_at_ends: float = 0.1
    # Grids: points of each coordinate in an interval, and the weight of measured values beside the equation, at least,
    # in the first steps towards unknown coefficients: as much as that of the equation; 1e-3, the usual one, leaves
    # coefficients of predators and prey with noise at nonsense.
    points_per_interval: int = 3
    measured_weight: float = 1.0
    # Growth of the coefficients from level to level, and of the last one, where the number of parameters is limited.
    growth: float = 2.0
    least_growth: float = 1.2
    # Relative difference of the residuals of two grids below which they have settled, and the least residual, in units
    # of the field, which means that there is no solution: beyond folds two grids agree to 1e-3 to 1e-10, and coarse
    # ones on a disk to 6e-3.
    settled: float = 1e-2
    least_settled: float = 1e-6
    # Networks: the rank of sums of products at the start, one term more than functions of one product need; residuals
    # for each parameter, for fewer let the network oscillate between the points; points inside, at least, and on the
    # boundary for each one inside, from three dimensions on, where most of the volume is near it.
    first_rank: int = 2
    rows_per_parameter: int = 4
    least_points: int = 1000
    boundary_share: float = 0.5
    most_grid_moves: int = 8  # of hidden grids: activations settle after two or three
    # Steps between the seeds of one start, or of one level, and the next.
    start_seed_step: int = 1000
    rank_seed_step: int = 17

    @staticmethod
    def grading(dimension: int) -> tuple[int, int]:
        """Octaves of grading towards the ends of each coordinate, and intervals in each.

        They resolve layers of 1e-6 in one dimension to three digits, and of 1e-2 in two, where they multiply the number
        of coefficients.
        """
        return {1: (20, 3), 2: (6, 1)}.get(dimension, (0, 1))


SETTINGS = RefinementSettings()


class Refinement(ABC):
    """Refinement of one network, level by level."""

    noun: str  # what is refined, in sentences
    likely_steps: float  # that a training takes, about, for the decision whether the budget suffices for a level
    patience: Callable[[], Patience]

    def __init__(self, problem: Collocation, plan: Plan, record: Record, tolerance: float):
        self.problem = problem
        self.plan = plan
        self.record = record
        self.limits = record.limits
        self.trainer = Trainer(record.limits, plan.method, plan.journal)
        self.tolerance = tolerance

    @abstractmethod
    def starts(self) -> Iterator[Level]:
        """Levels on the coarsest grid, of which the best is refined."""

    @abstractmethod
    def points_for(self, network: Chain, problem: Collocation, seed: int) -> Collocation:
        """A problem at as many points as a network needs, with unknown coefficients of its own."""

    @abstractmethod
    def larger(self, network: Chain) -> list[Chain]:
        """Candidates for the next level."""

    def first(self, start: Level) -> Level:
        """The best start, trained to the end."""
        return self.trained(start, STEPS)

    def has_settled(self, coarse: Level, fine: Level) -> bool:
        """Whether two levels leave the same residual, so that there is no solution."""
        return False

    def levels(self) -> Levels:
        """Levels of which each is better than the one before, at the same fresh points, and why there are no more."""
        record = self.record
        starts = list[Level]()

        def best_start() -> Level | None:
            return min(starts, key=lambda start: start.loss, default=None)

        # The best of several starts, trained to the end.
        if not record.count:
            record.begun = Begun(best_start, messages.Clause.INTERRUPTED_FIRST)
        for start in self.starts():
            starts.append(start)
            if self.limits.past_deadline:
                break
        first = self.first(min(starts, key=lambda start: start.loss))
        if self.problem.form.has_integrals:
            first = self._with_settled_integrals(first)
        if not record.count or record.residual_of(first) < record.residual:
            yield first
        is_unsettled = self.problem.form.has_integrals and self._integrals_gap(first) > SEARCH.largest_gap
        if is_unsettled:  # the judgement names it
            return Ending(StopReason.NO_PROGRESS, messages.Clause.INTEGRALS_NO_HELP)
        return (yield from self._finer_levels(first))

    def sampled_for(self, network: Chain, problem: Collocation) -> Collocation:
        """The problem at as many points as the network needs, with the coefficients of `problem`, but its own."""
        if not self.plan.resample:
            return self.problem.with_unknowns(problem.unknowns)
        return self.points_for(network, problem, self.plan.seed + len(self.record.stages))

    def untrained(self, network: Chain, problem: Collocation) -> Level:
        """A network that is not trained yet, with the coefficients of a problem."""
        sampled = self.sampled_for(network, problem)
        points = sampled.point_count
        return Level(network=network, loss=math.inf, points=points, problem=sampled, is_graded=True)

    def affordable(self, networks: Sequence[Chain]) -> list[Chain]:
        """Networks of no more parameters than the plan allows."""
        return [network for network in networks if count_parameters(network) <= self.plan.most]

    def trained(self, candidate: Level, steps: int) -> Level:
        """A level whose network has been trained in place, by a largest number of steps."""
        outcome = self.trainer.train(candidate.network, self.problem_of(candidate), steps, self.patience())
        return replace(candidate, loss=outcome.loss)

    def problem_of(self, level: Level) -> Collocation:
        """The problem at the points of a level."""
        return level.problem or self.problem

    def _with_settled_integrals(self, first: Level) -> Level:
        """The first level with integrals by a rule that agrees with one of twice as many points, up to a limit.

        Where the first rule does not, one with points that are denser towards the ends is tried at first.
        """
        # Refinement of the quadrature: towards both ends, or with twice the points, until two rules agree.
        x = self.record.fresh_points
        while not self.limits.past_deadline:
            gap = self._integrals_gap(first)
            rule = self.problem.form.integral_rule
            if not SEARCH.integrals_agree < gap < math.inf or 2 * rule.factor > SETTINGS.most_integral_refinement:
                return first
            graded = rule._replace(is_graded=True)
            of_graded = math.inf
            if rule == GIVEN_RULE:
                of_graded = integrals_gap(first.network, self.problem_of(first), x, graded)
            if of_graded < gap * SETTINGS.less_at_ends:
                rule = graded
            else:
                rule = rule._replace(factor=2 * rule.factor)
            # Training goes on with the finer rule.
            form = with_integrals_by(self.problem.form, rule)
            if form.box_points > SETTINGS.most_box_points:
                return first
            self.problem = Collocation(form, self.problem.sampling, self.problem_of(first).unknowns)
            sampled = self.sampled_for(chain_of(first.network), self.problem)
            first = self.trained(replace(first, problem=sampled), STEPS)
        return first

    def _integrals_gap(self, result: Level) -> float:
        return integrals_gap(result.network, self.problem_of(result), self.record.fresh_points)

    def _finer_levels(self, last: Level) -> Levels:
        """Finer grids or more terms while they improve the result.

        Results are compared at fresh points, the same for both: a finer grid has points that see what others missed, so
        that its own loss may be higher. The next grid is finer than the last one even if that was no better.
        """
        stalls = 0
        record = self.record
        while True:
            # Only rounding may be left, or a fault that is in the problem.
            best = record.level
            is_rounding = best.loss < SETTINGS.rounding_loss
            if record.error <= self.tolerance or is_rounding:
                evidence = record.evidence()
                allowed = max(self.tolerance, SETTINGS.error_at_rounding)
                if is_rounding and evidence.is_sound and evidence.estimate <= allowed:
                    return Ending(StopReason.CONVERGED, messages.Clause.ONLY_ROUNDING)
                if evidence.is_final:
                    return Ending(StopReason.NO_PROGRESS, f"A finer {self.noun} would not help")
            if not math.isfinite(best.loss):
                return Ending(StopReason.NO_PROGRESS, messages.Clause.NOT_A_NUMBER)
            # Candidates for the next level, as far as the limits allow.
            larger = self.larger(chain_of(last.network))
            candidates = [self.untrained(network, record.problem) for network in larger]
            if not candidates:
                return Ending(StopReason.BUDGET, f"A finer {self.noun} has more than {self.plan.most:,} parameters")
            one_step = sum(solve_step_work(each.network, self.problem_of(each)) for each in candidates)
            if self.limits.work + self.likely_steps * one_step > self.limits.limit:
                return Ending(StopReason.BUDGET)
            self.limits.check()
            if not self.limits.allows(NETWORK_STEPS, one_step):
                return Ending(StopReason.TIME_LIMIT, messages.Clause.STAGE_OUT_OF_REACH)
            # A race, whose winner is trained to the end.
            steps = STEPS
            if len(candidates) > 1:
                steps = 2 * SETTINGS.race_steps
            candidates = [self.trained(each, steps) for each in candidates]
            was_resolved = record.is_resolved
            most_stalls = SETTINGS.stalls
            if was_resolved:
                candidate = min(candidates, key=lambda each: each.loss)
            else:
                most_stalls = SETTINGS.unresolved_stalls
                candidate = min(candidates, key=record.residual_of)
            if len(candidates) > 1:
                candidate = self.trained(candidate, STEPS)
            # It is kept where it is better, and the refinement ends where the last ones gained little.
            residual = record.residual_of(candidate)
            is_better = residual < record.residual
            if residual * SETTINGS.worthwhile > record.residual:
                stalls += 1
            else:
                stalls = 0
            if best.is_graded:
                last = best
            is_settled = self.has_settled(last, candidate)
            last = candidate
            is_ordinary = best.is_graded and self.problem.form.parts is None
            is_last = is_ordinary and was_resolved and not is_better and len(candidates) == 1
            if is_better:
                yield candidate
            if self.limits.past_deadline:  # which may have cut the last training short; above it ends the refinement
                continue
            if is_settled:
                settled = (
                    "Least squares did not converge: two grids leave the same residual, as where the problem has no "
                    "solution, or where its highest derivatives have no coefficient at the start; a solution of a like "
                    "problem, as `start`, may lead to one."
                )
                record.doubt(Doubt(settled, is_alone=True))
                return Ending(StopReason.NO_PROGRESS, messages.Clause.NO_HELP)
            if is_last or stalls == most_stalls:
                return Ending(StopReason.NO_PROGRESS, f"Finer {self.noun}s lowered the residual no further")


class GradedGrids(Refinement):
    """Products of splines on ever finer grids, with more intervals where the residual or the last derivatives are."""

    noun = "grid"

    def __init__(self, problem: Collocation, plan: Plan, record: Record, tolerance: float):
        super().__init__(problem, plan, record, tolerance)
        # Whether one step solves each grid, so that none needs a start.
        self.is_linear = isinstance(plan.method, LevenbergMarquardt) and not problem.unknowns and problem.form.is_linear
        # Steps as measured on the library.
        if self.is_linear:
            self.likely_steps = 3
            self.patience = Patience.hasty
        else:
            self.likely_steps = 6
            self.patience = Patience.patient

    def starts(self) -> Iterator[Level]:
        """A constant on a coarse even grid, the network of a like problem, or the last even grid, graded."""
        plan = self.plan
        problem = self.problem
        network: Chain
        if self.record.count:
            # As many coefficients as the best even grid has, which follow its residual and begin with its fields.
            even = self.record.level.network
            counts = [max(count - plan.degree, 1) for count in _layer_of(even).coef.shape[:-1]]
            layer = TensorLayer(self._by_residual(counts), problem.form.outputs, degree=plan.degree)
            network = TensorNetwork(layer)
            start = self.untrained(network, problem)
            if not self.is_linear:
                x = self.problem_of(start).train.x
                network.approach_(x, field_values(even, problem, x))
            yield start
        elif plan.start is not None:
            yield self.untrained(copy.deepcopy(plan.start), problem)
        else:
            network = tensor_network(problem, plan.grid_size, plan.degree)
            if problem.unknowns and problem.form.observations:
                problem = self._near_measured_values(network)
            yield self.untrained(network, problem)

    def points_for(self, network: Chain, problem: Collocation, seed: int) -> Collocation:
        """A problem at Gauss-Legendre points of each cell, with unknown coefficients of its own."""
        layer = _layer_of(network)
        per_interval = SETTINGS.points_per_interval
        if problem.form.parts is not None:  # a part has a share of the points only, but as many splines
            counts = zip(layer.coef.shape, layer.grid_sizes, strict=False)
            per_interval = max(per_interval, *(math.ceil(2 * splines / size) for splines, size in counts))
        mesh = Mesh(problem.domain, layer.breakpoints, per_interval)
        return problem.resampled(1, seed=seed, mesh=mesh, own_unknowns=True)

    def has_settled(self, coarse: Level, fine: Level) -> bool:
        """True if two grids leave the same residual of a nonlinear problem, or of one with surplus conditions.

        Least squares then rest where the problem has no solution, as beyond a fold. The residual of a layer or a jump
        that no grid resolves yet changes with the grid, and that of noise in measured values is no fault. A grid that
        is finer in some coordinates alone is no evidence.
        """
        problem = self.problem
        is_sure = problem.form.is_linear and not problem.form.surplus_conditions
        if is_sure or problem.unknowns or problem.form.observations:
            return False
        sizes = zip(fields_of(coarse.network).grid_sizes, fields_of(fine.network).grid_sizes, strict=True)
        is_finer = all(new > old for old, new in sizes)
        is_left = fine.loss > SETTINGS.least_settled**2
        return is_finer and is_left and abs(math.sqrt(fine.loss / coarse.loss) - 1) < SETTINGS.settled

    def larger(self, network: Chain) -> list[Chain]:
        """Finer grids, each with the function of the last one; for linear equations on a box they need no start.

        While the equation does not hold their intervals have equal shares of the residual. Then each interval of large
        last derivatives is halved, or all are placed anew. Beside interfaces these say little, and an even grid
        competes.
        """
        layer = _layer_of(network)
        domain = self.problem.output_domains
        most = self.plan.most
        # On parts between interfaces even grids compete with the graded ones.
        even = list[Chain]()
        if self.problem.form.parts is not None and self.is_linear:
            counts = [math.ceil(SETTINGS.growth ** (1 / layer.in_features) * size) for size in layer.grid_sizes]
            even = self.affordable([self._anew(layer, even_lines(self.problem.domain, counts))])
        if not self.record.is_resolved:
            graded = self._graded(layer) + even
            if graded:
                return graded
        # Equidistribution of the error for linear problems, else insertion of breakpoints, which keeps the function.
        if self.is_linear and not self.problem.is_cut:
            finer = self._anew(layer, respaced(layer, domain, SETTINGS.growth, most=most))
        else:
            previous = self.record.previous
            coarser: TensorLayer | None = None
            if previous is not None and previous.is_graded:
                coarser = _layer_of(previous.network)
            finer = TensorNetwork(layer.with_breakpoints(grown(layer, domain, SETTINGS.growth, coarser, most=most)))
        larger = [*even, finer]
        if count_parameters(larger[0]) < SETTINGS.least_growth * count_parameters(network):
            return []
        return self.affordable(larger)

    def _graded(self, layer: TensorLayer) -> list[Chain]:
        """Finer grids for what is not resolved yet: of equal shares of the residual, and denser towards all ends.

        Least squares leave the residual of a boundary layer that no interval resolves everywhere but in the layer.
        """
        growth = SETTINGS.growth ** (1 / layer.in_features)
        by_residual = self._by_residual([math.ceil(growth * size) for size in layer.grid_sizes])
        octaves, each = SETTINGS.grading(layer.in_features)
        towards_ends = [
            graded_to_ends(line, 0 if repeats else octaves, each)
            for line, repeats in zip(by_residual, layer.periodic, strict=True)
        ]
        # Both gradings, for nonlinear problems together with the breakpoints that there are.
        networks = list[Chain]()
        for lines in (by_residual, towards_ends):
            if self.is_linear:
                networks.append(self._anew(layer, lines))
            else:
                both = [torch.cat([a, b]) for a, b in zip(lines, layer.breakpoints, strict=True)]
                networks.append(TensorNetwork(layer.with_breakpoints([separated(each) for each in both])))
        return self.affordable(networks)

    def _by_residual(self, counts: Sequence[int]) -> list[Tensor]:
        """Breakpoints for `counts` of intervals, with equal shares of the residual of the best level."""
        worst = self.record.worst_case
        return equal_shares(worst.x, worst.weights, worst.squares.sqrt(), self.problem.domain.bounds, counts)

    def _anew(self, layer: TensorLayer, lines: Sequence[Tensor]) -> TensorNetwork:
        """A network of zeros on other breakpoints."""
        return TensorNetwork(TensorLayer(lines, layer.out_features, degree=layer.degrees, periodic=layer.periodic))

    def _near_measured_values(self, network: Chain) -> Collocation:
        """The problem with coefficients that fit fields near the measured values; the network is trained to be these.

        Where the values hardly count, fields that fulfil the equation with the coefficients of the start come first.
        Those of a nonlinear equation, as one that oscillates, may be far from all values, with no way downhill to them.
        """
        form = self.problem.form
        conditions = list(form.conditions)
        for number, condition in enumerate(conditions):
            if isinstance(condition, Observations):
                conditions[number] = replace(condition, weight=max(condition.weight, SETTINGS.measured_weight))
        near = Collocation(
            replace(form, conditions=tuple(conditions)), self.problem.sampling, copied_unknowns(self.problem.unknowns)
        )
        start = self.trained(self.untrained(network, near), SETTINGS.race_steps)
        return self.problem.with_unknowns(self.problem_of(start).unknowns)


def _layer_of(network: nn.Module) -> TensorLayer:
    layer = fields_of(network).grid
    assert layer is not None
    return layer


class TrainedNetworks(Refinement):
    """Sums of products of one function of each coordinate, and KANs, from several starts, with more knots or terms."""

    noun = "network"
    likely_steps = STEPS / 8
    patience = staticmethod(Patience.patient)

    def starts(self) -> Iterator[Level]:
        """Networks with random weights; sums of products compete with a sum of functions of one coordinate."""
        plan = self.plan
        if plan.start is not None:
            yield self.untrained(copy.deepcopy(plan.start), self.problem)
            return
        shapes: list[tuple[tuple | str, int]] = [(plan.shape, number) for number in range(plan.starts)]
        if plan.shape == ():
            shapes = shapes[:1]
        if plan.shape == SEPARABLE and not self.problem.form.periodic:
            shapes.insert(0, ((), 0))
        for shape, number in shapes:
            yield self._start(shape, number)

    def _start(self, shape: tuple | str, number: int) -> Level:
        """A new network, with hidden grids where its activations lie after a few steps."""
        plan = self.plan
        problem = self.problem
        seed = plan.seed + SETTINGS.start_seed_step * number
        network: Chain
        match shape:
            case tuple():
                network = network_for(problem, shape, plan.grid_size, plan.degree, seed)
            case _:
                # A product of many splines must start with factors near 1, or it is nearly zero.
                around = float(number == 0)
                network = separable_network(problem, SETTINGS.first_rank, plan.grid_size, plan.degree, seed, around)
        start = self.untrained(network, problem)
        for count in range(3 if shape else 1):
            if count and self.limits.past_deadline:
                break
            fields_of(network).fit_hidden_grids_(self.problem_of(start).train.x)
            start = self.trained(start, SETTINGS.race_steps)
        self.record.report(f"start {number + 1}: {fields_of(network).describe()}", start.loss)
        return start

    def first(self, start: Level) -> Level:
        """The best start, trained to the end, with hidden grids moved while activations leave them."""
        network = fields_of(start.network)
        for _ in range(SETTINGS.most_grid_moves):
            if self.limits.past_deadline or not network.fit_hidden_grids_(self.problem_of(start).train.x):
                break
            start = self.trained(start, SETTINGS.race_steps)
        if self.limits.past_deadline and math.isfinite(start.loss):
            return start
        return self.trained(start, STEPS)

    def points_for(self, network: Chain, problem: Collocation, seed: int) -> Collocation:
        """A problem at quasi-random points, with unknown coefficients of its own."""
        points = max(SETTINGS.least_points, SETTINGS.rows_per_parameter * count_parameters(network))
        boundary: int | None = None
        if problem.domain.dimension > 2:
            boundary = round(SETTINGS.boundary_share * points)
        return problem.resampled(points, boundary, seed=seed, own_unknowns=True)

    def larger(self, network: Chain) -> list[Chain]:
        """A network with every interval halved, and one with more terms; both have the function of the last one."""
        seed = self.plan.seed + SETTINGS.rank_seed_step * len(self.record.stages)
        return self.affordable(fields_of(network).larger(seed))
