"""Refinement: from a coarse network to fine ones, with more knots where they are needed, or with more terms."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import torch

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
from edgewise.pde.solver.judging.residuals import INTEGRALS_AGREE, LARGEST_GAP, integrals_gap
from edgewise.pde.solver.limits import Ending
from edgewise.pde.solver.network import (
    count_parameters,
    fit_hidden_grids_,
    network_for,
    separable_network,
    tensor_network,
)
from edgewise.pde.solver.plan import SEPARABLE, TENSOR, Plan
from edgewise.pde.solver.record import Record
from edgewise.pde.solver.training import STEPS, Patience, Trainer, solve_step_work
from edgewise.pde.spaces.networks import SeparableNetwork, TensorNetwork, described, grid_sizes, refined
from edgewise.pde.tiers.level import NO_SOLUTION, Doubt, Level
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.problems.blocks import copied_unknowns

FIRST_RANK = 2  # terms of a separable network at the start: one term more than functions of one product need
# Weight of measured values beside the equation, at least, in the first steps towards unknown coefficients: as much as
# that of the equation; 1e-3, the usual one, leaves coefficients of predators and prey with noise at nonsense.
MEASURED_FIRST = 1.0
RACE_STEPS = 15  # steps after which candidates are compared: losses differ by factors of ten by then
# Largest number of times that hidden grids are moved: activations settle after two or three.
MOST_GRID_MOVES = 8
ROWS_PER_PARAMETER = 4  # residuals for each parameter: fewer let the network oscillate between the points
POINTS_PER_CELL_SIDE = 3  # of each coordinate: nine for about one coefficient of a spline in two dimensions
LEAST_POINTS = 1000  # points inside the domain, at least
# Points on the boundary for each one inside, from three dimensions on: there most of the volume is near it.
BOUNDARY_PER_INTERIOR_POINT = 0.5
# Loss at rounding, for residuals in units of the field of a solution of size 1: (1e-13)^2; and an estimated error that
# may come with it; rounding of second derivatives on fine grids makes it so large.
ROUNDING_LOSS = 1e-26
ERROR_AT_ROUNDING = 1e-9
# Refinement ends when three stages in a row lower the residual by less than this factor each: doubling the coefficients
# of a smooth solution in two dimensions lowers it by 2^2 or more at degree 5.
WORTHWHILE = 1.15
STALLS = 3
# The same while the residual at fresh points is above `LARGEST_RESIDUAL`: five stages have 32 times as many
# coefficients, and see what is 32 times narrower.
MORE_STALLS = 5
# Octaves of grading towards the ends of each coordinate, and intervals in each, by dimension: layers of 1e-6 in one
# dimension to three digits, and of 1e-2 in two, where they multiply the number of coefficients.
GRADING = {1: (20, 3), 2: (6, 1)}
# Steps that a tensor network takes, about, if the equation is linear and if it is not (measured on the library), and
# the share of `STEPS` that other networks take: for the decision whether the budget suffices for a stage.
LINEAR_STEPS = 3
NONLINEAR_STEPS = 6
STEPS_SHARE = 1 / 8
# Largest refinement of the points of integrals, and most points of one over a box, of which every point of the equation
# has as many: 768 points on a line and 24^2 in a box where nothing is given.
MOST_INTEGRAL_REFINEMENT = 32
MOST_BOX_POINTS = 576
# Factor by which points that are denser towards the ends of integrals must lower their error to be taken: they lower it
# a thousand times at a root, and hardly where a peak lies inside.
LESS_AT_ENDS = 0.1
# Relative difference of the residuals of two grids below which they have settled, and the least residual, in units of
# the field, which means that there is no solution: beyond folds two grids agree to 1e-3 to 1e-10, and coarse ones on a
# disk to 6e-3.
SETTLED = 1e-2
LEAST_SETTLED = 1e-6
GROWTH = 2.0  # factor of the coefficients of a tensor network from stage to stage
LEAST_GROWTH = 1.2  # the same of the last stage, where the number of parameters is limited
RANK_GROWTH = 2  # the rank of a separable network grows by one part in so many
# between the seeds of one start, or of one stage, and the next
START_SEED_STEP = 1000
RANK_SEED_STEP = 17


class Refinement:
    """Refinement of one network, level by level."""

    def __init__(self, problem: Collocation, plan: Plan, record: Record, tolerance: float):
        self.problem = problem
        self.plan = plan
        self.record = record
        self.limits = record.limits
        self.trainer = Trainer(record.limits, plan.method, plan.journal)
        self.tolerance = tolerance
        self._coarser: TensorNetwork | None = None  # the network of the level before the best
        self._all_linear = (
            plan.shape == TENSOR
            and isinstance(plan.method, LevenbergMarquardt)
            and not problem.unknowns
            and problem.form.is_linear
        )

    def levels(self) -> Levels:
        """Levels of which each is better than the one before, at the same fresh points, and why there are no more."""
        starts = list[Level]()
        try:
            for shape, number in self._starts():
                if not starts or not self.limits.past_deadline:
                    starts.append(self._start(shape, number))
            first = self._first_level(min(starts, key=lambda start: start.loss))
            if self.problem.form.has_integrals:
                first = self._with_settled_integrals(first)
        except KeyboardInterrupt:
            if not starts:
                raise
            yield min(starts, key=lambda start: start.loss)
            return Ending(StopReason.INTERRUPTED, messages.INTERRUPTED_FIRST)
        yield first
        is_unsettled = self.problem.form.has_integrals and self._integrals_gap(first) > LARGEST_GAP
        if is_unsettled:  # the judgement names it
            return Ending(StopReason.NO_PROGRESS, messages.INTEGRALS_NO_HELP)
        return (yield from self._finer_levels(first))

    def _starts(self) -> list[tuple[tuple | str, int]]:
        """Shapes and numbers of the starts; separable functions compete with a sum of functions of one coordinate."""
        shape = self.plan.shape
        if shape in (TENSOR, ()) or self.plan.start is not None:
            return [(shape, 0)]
        additive: list[tuple[tuple | str, int]] = [((), 0)]
        if shape == SEPARABLE and not self.problem.form.periodic:
            first = additive
        else:
            first = []
        return first + [(shape, number) for number in range(self.plan.starts)]

    def _start(self, shape: tuple | str, number: int) -> Level:
        plan = self.plan
        problem = self.problem
        seed = plan.seed + START_SEED_STEP * number
        network: Chain
        if isinstance(plan.start, Chain):
            network = copy.deepcopy(plan.start)
            return self._level(network, self._sampled_for(network, problem))
        if shape == TENSOR:
            network = tensor_network(problem, plan.grid_size, plan.degree)
            if problem.unknowns and problem.form.observations:
                problem = self._near_measured_values(network)
            return self._level(network, self._sampled_for(network, problem))
        if shape == SEPARABLE:
            # A product of many splines must start with factors near 1, or it is nearly zero.
            around = 1.0 if number == 0 else 0.0
            network = separable_network(problem, FIRST_RANK, plan.grid_size, plan.degree, seed, around)
        else:
            assert isinstance(shape, tuple)
            network = network_for(problem, shape, plan.grid_size, plan.degree, seed)
        start = self._level(network, self._sampled_for(network, problem))
        for count in range(3 if shape else 1):
            if count and self.limits.past_deadline:
                break
            fit_hidden_grids_(network, self._problem_of(start).train.x)
            start = self._trained(start, RACE_STEPS)
        self.record.report(f"start {number + 1}: {described(network)}", start.loss)
        return start

    def _near_measured_values(self, network: Chain) -> Collocation:
        """The problem with coefficients that fit fields near the measured values; the network is trained to be these.

        Where the values hardly count, fields that fulfil the equation with the coefficients of the start come first.
        Those of a nonlinear equation, as one that oscillates, may be far from all values, with no way downhill to them.
        """
        form = self.problem.form
        conditions = [
            replace(each, weight=max(each.weight, MEASURED_FIRST)) if isinstance(each, Observations) else each
            for each in form.conditions
        ]
        near = Collocation(
            replace(form, conditions=tuple(conditions)), self.problem.sampling, copied_unknowns(self.problem.unknowns)
        )
        start = self._trained(self._level(network, self._sampled_for(network, near)), RACE_STEPS)
        return self.problem.with_unknowns(self._problem_of(start).unknowns)

    def _sampled_for(self, network: Chain, problem: Collocation) -> Collocation:
        """The problem at as many points as the network needs, with the coefficients of `problem`, but its own."""
        seed = self.plan.seed + len(self.record.stages)
        if not self.plan.resample:
            return self.problem.with_unknowns(problem.unknowns)
        if isinstance(network, TensorNetwork):
            layer = network.tensor_layer
            per_interval = POINTS_PER_CELL_SIDE
            if problem.form.parts is not None:  # a part has a share of the points only, but as many splines
                counts = zip(layer.coef.shape, layer.grid_sizes, strict=False)
                per_interval = max(per_interval, *(math.ceil(2 * splines / size) for splines, size in counts))
            mesh = Mesh(problem.domain, layer.breakpoints, per_interval)
            return problem.resampled(1, seed=seed, mesh=mesh, own_unknowns=True)
        points = max(LEAST_POINTS, ROWS_PER_PARAMETER * count_parameters(network))
        if problem.domain.dimension > 2:
            boundary = round(BOUNDARY_PER_INTERIOR_POINT * points)
        else:
            boundary = None
        return problem.resampled(points, boundary, seed=seed, own_unknowns=True)

    def _first_level(self, start: Level) -> Level:
        """The coarse grid, trained to the end, with hidden grids moved while activations leave them."""
        assert isinstance(start.network, Chain)
        for _ in range(MOST_GRID_MOVES):
            if self.limits.past_deadline or not fit_hidden_grids_(start.network, self._problem_of(start).train.x):
                break
            start = self._trained(start, RACE_STEPS)
        is_over = self.limits.past_deadline and math.isfinite(start.loss)
        if is_over:
            return start
        return self._trained(start, STEPS)

    def _with_settled_integrals(self, first: Level) -> Level:
        """The first stage with integrals by a rule that agrees with one of twice as many points, up to a limit.

        Where the first rule does not, one with points that are denser towards the ends is tried at first.
        """
        x = self.record.fresh_points
        while not self.limits.past_deadline:
            gap = self._integrals_gap(first)
            rule = self.problem.form.integral_rule
            if not INTEGRALS_AGREE < gap < math.inf or 2 * rule.factor > MOST_INTEGRAL_REFINEMENT:
                return first
            graded = rule._replace(is_graded=True)
            of_graded = math.inf
            if rule == GIVEN_RULE:
                of_graded = integrals_gap(first.network, self._problem_of(first), x, graded)
            if of_graded < gap * LESS_AT_ENDS:
                rule = graded
            else:
                rule = rule._replace(factor=2 * rule.factor)
            form = with_integrals_by(self.problem.form, rule)
            if form.box_points > MOST_BOX_POINTS:
                return first
            self.problem = Collocation(form, self.problem.sampling, self._problem_of(first).unknowns)
            assert isinstance(first.network, Chain)
            first = self._trained(replace(first, problem=self._sampled_for(first.network, self.problem)), STEPS)
        return first

    def _integrals_gap(self, result: Level) -> float:
        return integrals_gap(result.network, self._problem_of(result), self.record.fresh_points)

    def _trained(self, candidate: Level, steps: int) -> Level:
        patience = Patience.hasty() if self._all_linear else Patience.patient()
        outcome = self.trainer.train(candidate.network, self._problem_of(candidate), steps, patience)
        return replace(candidate, loss=outcome.loss)

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
            is_rounding = best.loss < ROUNDING_LOSS
            if record.error <= self.tolerance or is_rounding:
                evidence = record.evidence()
                if is_rounding and evidence.is_sound and evidence.estimate <= max(self.tolerance, ERROR_AT_ROUNDING):
                    return Ending(StopReason.CONVERGED, messages.ONLY_ROUNDING)
                if evidence.is_final:
                    return Ending(StopReason.NO_PROGRESS, messages.NETWORK_NO_HELP)
            if not math.isfinite(best.loss):
                return Ending(StopReason.NO_PROGRESS, messages.NOT_A_NUMBER)
            # Candidates for the next level, as far as the limits allow.
            assert isinstance(last.network, Chain)
            larger = self._larger(last.network)
            candidates = [self._level(network, self._sampled_for(network, record.problem)) for network in larger]
            if not candidates:
                return Ending(StopReason.BUDGET, messages.too_many_parameters(self.plan.most))
            steps = LINEAR_STEPS if self._all_linear else NONLINEAR_STEPS
            likely_steps = steps if self.plan.shape == TENSOR else STEPS * STEPS_SHARE
            one_step = sum(solve_step_work(each.network, self._problem_of(each)) for each in candidates)
            if self.limits.work + likely_steps * one_step > self.limits.limit:
                return Ending(StopReason.BUDGET)
            self.limits.check()
            if not self.trainer.ends_in_time(one_step):
                return Ending(StopReason.TIME_LIMIT, messages.STAGE_OUT_OF_REACH)
            # A race, whose winner is trained to the end.
            candidates = [self._trained(each, STEPS if len(candidates) == 1 else 2 * RACE_STEPS) for each in candidates]
            was_resolved = record.is_resolved
            candidate = min(candidates, key=lambda each: each.loss if was_resolved else record.residual_of(each))
            if len(candidates) > 1:
                candidate = self._trained(candidate, STEPS)
            # It is kept where it is better, and the refinement ends where the last ones gained little.
            residual = record.residual_of(candidate)
            is_better = residual < record.residual
            stalls = stalls + 1 if residual * WORTHWHILE > record.residual else 0
            last = candidate
            is_settled = self._has_settled(best, candidate)
            is_last = was_resolved and not is_better and len(candidates) == 1 and self.problem.form.parts is None
            if is_better:
                if isinstance(best.network, TensorNetwork):
                    self._coarser = best.network
                else:
                    self._coarser = None
                yield candidate
            if self.limits.past_deadline:  # which may have cut the last training short; above it ends the refinement
                continue
            if is_settled:
                record.doubt(Doubt(NO_SOLUTION, is_alone=True))
                return Ending(StopReason.NO_PROGRESS, messages.NO_HELP)
            if is_last or stalls == (STALLS if was_resolved else MORE_STALLS):
                return Ending(StopReason.NO_PROGRESS, messages.NOT_LOWERED)

    def _level(self, network: Chain, problem: Collocation) -> Level:
        """A network that is not trained yet."""
        points = problem.point_count
        is_linear = isinstance(network, TensorNetwork)
        return Level(network=network, loss=math.inf, points=points, problem=problem, is_linear=is_linear)

    def _problem_of(self, level: Level) -> Collocation:
        """The problem at the points of a level."""
        return self.problem if level.problem is None else level.problem

    def _has_settled(self, coarse: Level, fine: Level) -> bool:
        """True if two grids leave the same residual of a nonlinear problem, or of one with surplus conditions.

        Least squares then rest where the problem has no solution, as beyond a fold. The residual of a layer or a jump
        that no grid resolves yet changes with the grid, and that of noise in measured values is no fault. A grid that
        is finer in some coordinates alone is no evidence.
        """
        problem = self.problem
        is_sure = problem.form.is_linear and not problem.form.surplus
        if self.plan.shape != TENSOR or is_sure or problem.unknowns or problem.form.observations:
            return False
        sizes = zip(grid_sizes(coarse.network), grid_sizes(fine.network), strict=True)
        is_finer = all(new > old for old, new in sizes)
        return is_finer and fine.loss > LEAST_SETTLED**2 and abs(math.sqrt(fine.loss / coarse.loss) - 1) < SETTLED

    def _larger(self, network: Chain) -> list[Chain]:
        """Candidates for the next stage, each with the function of the best network so far.

        Only a network that is linear in its parameters, for a linear equation on a box, starts anew: it needs no start.
        """
        larger: list[Chain]
        if isinstance(network, TensorNetwork):
            layer = network.tensor_layer
            domain = self.problem.output_domains
            most = self.plan.most
            has_parts = self.problem.form.parts is not None
            even = self._even(layer) if has_parts and self._all_linear else []
            if not self.record.is_resolved:
                graded = self._graded(layer) + even
                if graded:
                    return graded
            if self._all_linear and not self.problem.is_cut:
                points = respaced(layer, domain, GROWTH, most=most)
                finer = TensorLayer(points, layer.out_features, degree=layer.degrees, periodic=layer.periodic)
            else:
                if self._coarser is None:
                    coarser = None
                else:
                    coarser = self._coarser.tensor_layer
                finer = layer.with_breakpoints(grown(layer, domain, GROWTH, coarser, most=most))
            larger = [*even, TensorNetwork(finer)]
            if count_parameters(larger[0]) < LEAST_GROWTH * count_parameters(network):
                return []
        else:
            larger = [refined(network, 2)]
        if isinstance(network, SeparableNetwork):
            rank = network.rank + max(1, network.rank // RANK_GROWTH)
            larger.append(network.with_rank(rank, self.plan.seed + RANK_SEED_STEP * len(self.record.stages)))
        return [network for network in larger if count_parameters(network) <= self.plan.most]

    def _even(self, layer: TensorLayer) -> list[Chain]:
        """A finer even grid: beside an interface the last derivatives, by which grids are refined, say little."""
        counts = [math.ceil(GROWTH ** (1 / layer.in_features) * size) for size in layer.grid_sizes]
        lines = even_lines(self.problem.domain, counts)
        finer = TensorLayer(lines, layer.out_features, degree=layer.degrees, periodic=layer.periodic)
        if count_parameters(finer) <= self.plan.most:
            return [TensorNetwork(finer)]
        return []

    def _graded(self, layer: TensorLayer) -> list[Chain]:
        """Finer grids for what is not resolved yet: of equal shares of the residual, and denser towards all ends.

        Least squares leave the residual of a boundary layer that no interval resolves everywhere but in the layer.
        """
        bounds = self.problem.domain.bounds
        growth = GROWTH ** (1 / layer.in_features)
        counts = [math.ceil(growth * size) for size in layer.grid_sizes]
        sought = self.record.sought
        by_residual = equal_shares(sought.x, sought.weights, sought.squares.sqrt(), bounds, counts)
        octaves, each = GRADING.get(layer.in_features, (0, 1))
        towards_ends = [
            graded_to_ends(line, 0 if repeats else octaves, each)
            for line, repeats in zip(by_residual, layer.periodic, strict=True)
        ]
        networks: list[Chain] = []
        for lines in (by_residual, towards_ends):
            if self._all_linear:
                finer = TensorLayer(lines, layer.out_features, degree=layer.degrees, periodic=layer.periodic)
            else:
                both = [torch.cat([a, b]) for a, b in zip(lines, layer.breakpoints, strict=True)]
                finer = layer.with_breakpoints([separated(each) for each in both])
            networks.append(TensorNetwork(finer))
        return [network for network in networks if count_parameters(network) <= self.plan.most]
