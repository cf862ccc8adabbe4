"""Unknown fields from noisy measurements: as smooth as the data allow, with standard errors.

The table of inverse problems needs it, as the conductivity of a rod; no other tier has such fields.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.linalg import LinAlgError

from edgewise.errors import InputError
from edgewise.native import interruptible
from edgewise.outcomes import foreseen
from edgewise.pde.algebra.dense import CholeskyFactor
from edgewise.pde.algebra.newton import Advance, newton
from edgewise.pde.algebra.system import Solver
from edgewise.pde.domains.mesh import Mesh, even_lines
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.conditions import HardConditions, UnknownField, of_kind
from edgewise.pde.problem.dry_run import Requirements
from edgewise.pde.problem.evaluation import EvaluationContext
from edgewise.pde.problem.fields import stencil
from edgewise.pde.problem.residuals import BlockResiduals
from edgewise.pde.spaces.networks import TensorNetwork, UncertainNetwork
from edgewise.pde.tiers.level import Begun, Level
from edgewise.pde.tiers.strengths import EVERY, LOG_FACTORS, averaged_over_strengths
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import BlockRole, ResidualBlock
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import ParameterSlots, trainable_slots
from edgewise.train.problems import BlockProblem


@dataclass(frozen=True)
class FieldSettings:
    """Grids, strengths and error bars of unknown fields."""

    degree: int = 5  # of the splines; an equation of high order gets a higher one
    # Intervals of each coordinate on the first grid, by dimension, and factor to the next one: curvature at half the
    # period of eight waves, and seconds of work.
    first_intervals: tuple[int, ...] = (24, 8, 4)
    finer: float = 1.5
    points_per_interval: int = 4  # of each coordinate, for the residuals of the equation: more rows than splines
    most_coefficients: int = 1600  # of a dense normal matrix, which is factorised in seconds
    # Weight of the equation, relative to all measurements together: it is left to a hundredth of their noise.
    # Smaller factors come first, for Newton's steps are short where the equation is to hold all the way.
    exactnesses: tuple[float, ...] = (1.0, 1e2, 1e4)
    # Steps of Newton's method, also on the likelihood's profile; relative change of all strengths, and fall of the sum
    # of squares in units of the noise's variance, at which it ends; and a damped step, as a part of the whole one.
    steps: int = 60
    profile_steps: int = 6
    settled: float = 1e-2
    shortest_step: float = 1e-3
    strength_change: float = 30.0  # largest factor by which a strength changes in one step
    # Effective parameters of a field beyond those of straight fields; with fewer its strength rises no more, because
    # only the ridge would change, which acts on straight fields too.
    least_curved: float = 1e-2
    ridge: float = 1e-12  # of the scaled normal matrix: rounding
    # Orders of the derivatives whose mean square is the roughness: the curvature, and what splines of degree 5 have
    # beyond.
    orders: tuple[int, ...] = (2, 3, 4)
    # By how much the logarithm of generalised cross-validation, times the number of values, must fall for a higher
    # order: a difference of 2 of Akaike's criterion, which it approaches, is the least that tells models apart (Burnham
    # and Anderson, "Model selection and multimodel inference", 2002, section 2.6).
    least_fall_of_order: float = 2.0
    # Of the spread of the measured values, or of their size where they are all equal: above what splines and rounding
    # leave.
    least_noise: float = 1e-5
    first_roughness: float = 1e-3  # of the measurements' sum of squares, for the first smoothing, which steps correct
    # Measured values beyond the parameters that they determine, above which there are standard errors: Student's t with
    # this many degrees of freedom, an error in units of an estimated standard error, has no variance.
    least_spare: float = 2.0
    # Standard errors on both sides at which the likelihood is profiled, those of an interval of 95 %, and the least
    # rise for the width of error bars: ten times wider ones mean that nothing is known.
    profiled: float = 2.0
    least_rise: float = 0.2


SETTINGS = FieldSettings()


@dataclass(frozen=True, eq=False, kw_only=True)
class InverseFit(Level):
    """Fields and unknown coefficients on one grid; the loss is the mean squared residual."""

    network: UncertainNetwork
    problem: Collocation
    noise: float  # standard deviation of the measurements
    values: int  # number of measurements
    freedom: float  # effective number of parameters
    order: int  # order of the derivatives whose mean square is the roughness
    strengths: Mapping[str, float]  # strength of the smoothness of each unknown field
    standard_errors: Mapping[str, float]  # standard errors of unknown coefficients
    # for each unknown field, by how many standard errors of a linear problem the likelihood falls at `profiled` of them
    # on both sides along the least known direction, with all else at its best; empty without standard errors
    rises: Mapping[str, tuple[float, float]]
    is_settled: bool = True  # whether fields, strengths and noise changed no more at the end

    @property
    def has_noise(self) -> bool:
        """True if there are values enough to know their noise, and so standard errors, which are nan without."""
        return self.values - self.freedom > SETTINGS.least_spare

    @property
    def cross_validation(self) -> float:
        """Logarithm of generalised cross-validation, times the number of values."""
        return self.values * (2 * math.log(self.noise) - math.log1p(-self.freedom / self.values))


@dataclass(frozen=True)
class _Derivatives:
    """All derivatives of one order of a field, in units of the domain, whose mean square is its roughness."""

    field: str
    order: int

    def __call__(self, context: EvaluationContext) -> list[Tensor]:
        field = context.fields[self.field]
        names = context.coordinates
        return [
            field.derivative(*each) * math.sqrt(repeats)
            for each, repeats in Counter(map(tuple, map(sorted, product(names, repeat=self.order)))).items()
        ]


def _roughness_block(problem: Collocation, mesh: Mesh, name: str, order: int) -> ResidualBlock:
    """Block whose loss is the roughness of a field."""
    form = problem.form
    sides = problem.domain.size
    names = form.domain.coordinates
    # Different derivatives of the order, in units of the domain.
    groups = list(dict.fromkeys(map(tuple, map(sorted, product(names, repeat=order)))))
    indices = [tuple(group.count(each) for each in names) for group in groups]
    sizes = torch.stack([sides.pow(torch.tensor(index)).prod().reciprocal() for index in indices])
    derivatives = {each: frozenset(indices if each == name else ()) for each in form.fields}
    plan = stencil(indices, len(sides))
    hard = HardConditions(form.domain, form.fields)
    needs = Requirements(derivatives, sizes)
    residuals = BlockResiduals("roughness", _Derivatives(name, order), names, hard, plan, needs, {})
    return ResidualBlock("roughness", points_with(*mesh.interior()), residuals, 1.0, plan.directions, plan.order)


def inverse_fits(
    problem: Collocation,
    names: Sequence[str],
    watch: Callable[[float, float], bool],
    begin: Callable[[Begun], None],
) -> Iterator[InverseFit]:
    """Fit fields to measurements on finer and finer grids, and tell `begin` what there is of the next fit."""
    # The equation and the conditions hold but for a hundredth of the noise; among their solutions the sum of squared
    # deviations from the measurements plus strength times roughness, the mean square of all second derivatives, of each
    # unknown field is least. Strengths and noise are those of the largest restricted likelihood of the problem
    # linearised about the solution, by the update of [1] after every Newton step; the order of the derivatives in the
    # roughness is that of the least generalised cross-validation on the first grid [3]. Fields and covariance are means
    # over a common factor of all strengths, see `averaged_over_strengths`, given the data; such intervals cover in the
    # mean over the domain [2]. The covariance is of the linearised problem, and wider where the profile of the
    # likelihood falls more slowly [4].
    # [1] S. Wood, M. Fasiolo, "A generalized Fellner-Schall method for smoothing parameter optimization with
    # application to Tweedie location, scale and shape models", Biometrics 73, 2017, 1071.
    # [2] D. Nychka, "Bayesian confidence intervals for smoothing splines", J. American Statistical Association 83,
    # 1988, 1134.
    # [3] G. Wahba, J. Wendelberger, "Some new mathematical methods for variational objective analysis using splines and
    # cross validation", Monthly Weather Review 108, 1980, 1122.
    # [4] D. Bates, D. Watts, "Nonlinear regression analysis and its applications", Wiley, 1988, chapter 6.
    # The first grid has as many intervals as dense matrices allow.
    domain = problem.domain
    start = None
    if domain.dimension > len(SETTINGS.first_intervals):
        raise InputError(f"unknown fields need a domain of at most three coordinates, got {domain.dimension}")
    count = SETTINGS.first_intervals[domain.dimension - 1]
    degree = max(SETTINGS.degree, problem.form.order + 1)
    periodic = [name in problem.form.periodic for name in domain.coordinates]

    def sizes() -> list[int]:  # a periodic coordinate has no fewer intervals
        return [max(count, repeats * (degree + 1)) for repeats in periodic]

    def coefficients() -> int:
        splines = (size + (not repeats) * degree for size, repeats in zip(sizes(), periodic, strict=True))
        return math.prod(splines) * len(problem.fields)

    # Fewer intervals, as long as dense matrices are too large.
    while coefficients() > SETTINGS.most_coefficients:
        count -= 1
        if not count:
            raise InputError(
                f"problems with UnknownField must have at most {SETTINGS.most_coefficients:,} coefficients, got "
                f"{len(problem.fields)} fields of {domain.dimension} coordinates, which have more on the coarsest grid"
            )
    # Finer grids; on the first one the order of the roughness is chosen.
    while coefficients() <= SETTINGS.most_coefficients:
        lines = even_lines(domain, sizes())
        layer = TensorLayer(lines, len(problem.fields), degree=degree, periodic=periodic)
        mesh = Mesh(domain, lines, SETTINGS.points_per_interval)
        fit = None
        spent = 0.0
        orders = SETTINGS.orders
        if start is not None:
            orders = (start.order,)
        for order in orders:
            sampled = problem.resampled(1, seed=1, mesh=mesh, own_unknowns=True)
            try:
                smoothing = _Smoothing(sampled, mesh, copy.deepcopy(layer), names, watch, order, spent)
                # The fields of the first order are kept as far as they came, those of a finer grid with their bars.
                if fit is None and start is None:
                    sentence = "Interrupted; the solution is that of the last step on the first grid."
                    begin(Begun(smoothing.result, sentence))
                smoothing.fit(start)
                if fit is None:
                    begin(Begun(smoothing.result))
                smoothing.find_bars()
                tried = smoothing.result()
            except LinAlgError as error:
                if fit is None and start is None:
                    raise InputError(
                        "the equation and its derivatives by the fields must be finite near the measured values, got "
                        "some that are not"
                    ) from error
                if fit is None:
                    return
                break
            assert tried is not None
            spent = tried.work
            goes_on = tried.is_settled or watch(tried.work, tried.loss)
            if start is not None and not goes_on:
                return
            # The order with the least generalised cross-validation.
            is_better = fit is None or (
                tried.has_noise
                and tried.is_settled
                and tried.cross_validation < fit.cross_validation - SETTINGS.least_fall_of_order
            )
            if is_better or fit is None:
                fit = tried
            fit = replace(fit, work=spent)
            begin(Begun(partial(replace, fit, work=0.0)))
            if not (is_better and goes_on and fit.has_noise):
                break
        assert fit is not None
        yield fit
        # The next grid begins with these fields.
        start, problem, count = fit, fit.problem, math.ceil(SETTINGS.finer * count)


@dataclass(frozen=True, eq=False)
class _Penalty:
    """Weights of the parts of the sum of squares: minus twice the logarithm of the penalised likelihood."""

    smooth: Tensor  # strengths times roughness of all fields, (P, P)
    noise: float  # standard deviation of the measurements
    weight: float  # of the equation and the conditions


@dataclass(frozen=True, eq=False)
class _Found:
    """Parameters (P,) and their covariance (P, P) after a Newton step, and what the strengths and noise became."""

    parameters: Tensor
    strengths: tuple[float, ...]
    noise: float
    freedom: float
    covariance: Tensor
    is_settled: bool


class _Smoothing:
    """Newton's method for fields and coefficients, with strengths and noise that follow the restricted likelihood."""

    def __init__(
        self,
        problem: Collocation,
        mesh: Mesh,
        layer: TensorLayer,
        names: Sequence[str],
        watch: Callable[[float, float], bool],
        order: int,
        work: float,
    ):
        self.order = order
        self.work = work
        self.watch = watch
        self.rough = dict[str, Tensor]()
        self.found: _Found | None = None  # after the last Newton step
        self.is_starting = True  # whether these steps serve the start
        self.is_likeliest = False  # whether they are over
        self.root: Tensor | None = None  # of the covariance of the error bars, once they are found
        self.rises = dict[str, tuple[float, float]]()  # see `InverseFit.rises`
        self.problem = problem
        self.mesh = mesh
        self.names = names
        self.network = TensorNetwork(layer)
        self.slots: ParameterSlots = trainable_slots(self.network, problem)
        observed = problem.with_role(BlockRole.OBSERVATION)
        self.count = sum(len(block.data) for block in observed)
        self.data = [replace(block, weight=float(len(block.data))) for block in observed]
        values = torch.cat([each.values.double() for each in problem.form.observations])
        size = float(values.abs().max())
        spread = float(values.std(unbiased=False))
        # equal but for rounding
        if spread > torch.finfo(values.dtype).eps * size:
            self.spread = spread
        else:
            self.spread = size or 1.0
        others = [block for block in problem.blocks() if block.role is not BlockRole.OBSERVATION]
        self.exact = [replace(block, weight=1.0) for block in others]
        self.origin, self.first = self._coefficients(), self._squares(self.data)  # linear in the parameters

    def fit(self, before: InverseFit | None) -> None:
        """Find the likeliest fields, strengths and noise from the result on a coarser grid, or from the data."""
        # A start: a smoothing of the measured values, or the fields of the coarser grid.
        if before is None:
            strengths, noise = self._start()
        else:
            strengths = tuple(before.strengths[name] for name in self.names)
            noise = before.noise
            x = self.mesh.interior()[0]
            self.network.approach_(x, before.network(x).detach())
        # Strengths and noise of the largest likelihood, with the equation holding more and more.
        self.found = None
        self.is_starting = False
        exactnesses = SETTINGS.exactnesses
        if before is not None:
            exactnesses = exactnesses[-1:]
        for exactness in exactnesses:
            if exactness < SETTINGS.exactnesses[-1] and not self.watch(self.work, self._size(self.exact)):
                continue  # no time for the way there
            self._likeliest(self.names, strengths, noise, exactness)
            assert self.found is not None
            strengths = self.found.strengths
            noise = self.found.noise
        assert self.found is not None
        self._set(self.found.parameters)
        self.is_likeliest = True

    def find_bars(self) -> None:
        """Find error bars: means over strengths, and wider where the likelihood falls slowly."""
        found = self.found
        assert found is not None
        if found.is_settled and self.count - found.freedom > SETTINGS.least_spare:
            self.rises = self._rises(found)
        self.root = self._averaged(found)

    def result(self) -> InverseFit | None:
        """The fit after the last Newton step, None before the first one; without bars those of its strengths."""
        found = self.found
        if self.is_starting or found is None:
            return None
        root = self.root
        if root is None:
            self._set(found.parameters)
            root = _factor_of(found.covariance).root()
        # Standard errors are wider by the slowest rise of the profile likelihood, and unknown without spare
        # measurements.
        size = self.network.tensor_layer.coef.numel()
        ends = [min(each) for each in self.rises.values()]
        wider = max((SETTINGS.profiled / max(each, SETTINGS.least_rise) for each in ends), default=1.0)
        has_noise = self.count - found.freedom > SETTINGS.least_spare
        if has_noise:
            root = root * max(wider, 1.0)
        else:
            root = root * math.nan
        return InverseFit(
            network=UncertainNetwork(self.network.tensor_layer, root[:size].contiguous()),
            problem=self.problem,
            noise=found.noise,
            values=self.count,
            freedom=found.freedom,
            order=self.order,
            strengths=dict(zip(self.names, found.strengths, strict=True)),
            standard_errors=dict(zip(self.problem.unknowns, root[size:].norm(dim=1).tolist(), strict=True)),
            loss=self._size(self.exact),
            points=self.problem.point_count,
            work=self.work,
            rises=self.rises,
            is_settled=found.is_settled and self.is_likeliest,
        )

    def _averaged(self, found: _Found) -> Tensor:
        """Last step: take the mean over strengths, on the equation, and return the root (P, r) of its covariance."""
        # Hessian of the penalised likelihood, in parts: measurements, equation, roughness.
        smooth = self._smooth(found)
        weight = SETTINGS.exactnesses[-1] * self.count / found.noise**2
        exact = weight * self._squares(self.exact)[0]
        half = _factor_of(self.first[0] / found.noise**2 + exact + smooth).root()

        # The posterior of the common factor of the strengths on a grid of its logarithms.
        def averaged() -> tuple[Tensor, Tensor]:
            factors = LOG_FACTORS[::EVERY].exp()
            held = [each * (_factor_of(exact + each * smooth).inverse() * smooth).sum() for each in factors]
            return averaged_over_strengths(found.parameters, half, smooth, torch.stack(held))

        mean, root = interruptible(averaged)
        self.work += 20 * len(mean) ** 3
        # Back onto the equation: Newton steps to the solution that is nearest to the mean, in the metric of
        # measurements and roughness.
        self._set(mean)
        self.first = self.first[0] + found.noise**2 * smooth, torch.zeros_like(mean), 0.0
        self.origin = mean
        self._minimise(_Penalty(torch.zeros_like(smooth), found.noise, weight), SETTINGS.profile_steps)
        return root

    def _smooth(self, found: _Found) -> Tensor:
        """Strengths times roughness of all fields, (P, P)."""
        parts = [s * self._roughness(name) for s, name in zip(found.strengths, self.names, strict=True)]
        return torch.stack(parts).sum(0)

    def _start(self) -> tuple[tuple[float, ...], float]:
        """Smooth the measured fields alone, and take for the others what then fulfils the equation best."""
        layer = self.network.tensor_layer
        fields = self.problem.fields
        measured = sorted({observed.field or fields[0] for observed in self.problem.form.observations})
        unknown = [name for name in self.names if name not in measured]
        slots = torch.arange(layer.coef.numel()) % len(fields)
        # Smoothing splines of the measured fields, without the equation.
        with torch.no_grad():
            layer.coef.zero_()
            for name in unknown:
                layer.coef[..., fields.index(name)] = 1.0
        first = [self.count / self.spread**2 * SETTINGS.first_roughness] * len(measured)
        self._likeliest(measured, first, self.spread / 10, 0.0)
        assert self.found is not None
        strengths = dict(zip(measured, self.found.strengths, strict=True))
        noise = self.found.noise
        # The strength of another field makes its roughness as large as its part in the equation.
        matrix, gradient, _ = self._squares(self.exact)
        weight = SETTINGS.exactnesses[0] * self.count / noise**2
        chosen = torch.zeros(len(gradient), dtype=torch.bool)
        whole = weight * matrix
        for name in unknown:
            own = (slots == fields.index(name)).nonzero()[:, 0]
            rough = self._roughness(name)
            size = float(matrix.diagonal()[own].sum()) / max(float(rough.diagonal().sum()), ABOVE_ZERO)
            strengths[name] = weight * size
            whole = whole + strengths[name] * rough
            chosen[own] = True
        # A Gauss-Newton step of the other fields, by the penalised normal equations.
        if unknown:
            step = torch.zeros_like(gradient)
            step[chosen] = -_factor_of(whole[chosen][:, chosen]).solve(weight * gradient[chosen][:, None])[:, 0]
            self._set(self._coefficients() + step)
        return tuple(strengths[name] for name in self.names), noise

    def _likeliest(self, names: Sequence[str], strengths: Sequence[float], noise: float, exactness: float) -> None:
        """Newton steps, after each of which strengths and noise follow the restricted likelihood.

        They end where nothing changes, or the watch ends them. Without exactness the equation and the conditions do not
        count.
        """
        # Penalty for given strengths and noise.
        rough = [self._roughness(name) for name in names]
        nothing = torch.zeros_like(self.first[0])

        def penalty_of(strengths: Sequence[float], noise: float) -> _Penalty:
            smooth = sum((s * p for s, p in zip(strengths, rough, strict=True)), nothing)
            return _Penalty(smooth, noise, exactness * self.count / noise**2)

        def updated(before: _Penalty, whole: CholeskyFactor, exact: Tensor, fall: float) -> _Penalty | None:
            nonlocal strengths
            # Effective parameters of the measurements, and of each field beyond what the equation leaves of it.
            with foreseen("strengths of unknown fields", len(nothing) ** 3):
                covariance = whole.inverse()
                free = _factor_of(before.weight * exact + before.smooth)
                curved = [float(free.solve(matrix).diagonal().sum()) for matrix in rough]
            c = self._coefficients()
            self.work += 4 * len(c) ** 3
            freedom = float((covariance * self.first[0]).sum()) / before.noise**2
            # The update of strengths by Fellner and Schall, and the noise of the deviations.
            changes = []
            fresh = []
            for strength, matrix, of_field in zip(strengths, rough, curved, strict=True):
                given = of_field - float((covariance * matrix).sum())
                ratio = max(given, ABOVE_ZERO) / max(float(c @ matrix @ c), ABOVE_ZERO)
                most = 1.0
                if strength * given > SETTINGS.least_curved:
                    most = SETTINGS.strength_change
                ratio = min(max(ratio, 1 / SETTINGS.strength_change), most)
                fresh.append(strength * ratio)
                changes.append(abs(math.log(ratio)))
            deviation = math.sqrt(self._deviations(c) / max(self.count - freedom, 1.0))
            ratio = max(deviation, SETTINGS.least_noise * self.spread) / before.noise
            ratio = min(max(ratio, 1 / SETTINGS.strength_change), SETTINGS.strength_change)
            changes.append(abs(math.log(ratio)))
            is_settled = max(fall, *changes) < SETTINGS.settled
            strengths = fresh
            self.found = _Found(c, tuple(fresh), before.noise * ratio, freedom, covariance, is_settled)
            if is_settled or not self.watch(self.work, self._size(self.exact)):
                return None
            return penalty_of(fresh, before.noise * ratio)

        self._minimise(penalty_of(strengths, noise), SETTINGS.steps, updated)

    def _minimise(
        self,
        penalty: _Penalty,
        steps: int,
        updated: Callable[[_Penalty, CholeskyFactor, Tensor, float], _Penalty | None] | None = None,
        held: Tensor | None = None,
    ) -> None:
        """Newton's method for the least sum of squares, with steps that keep g'c for held g (P,).

        `updated` gives the penalty of the next step, None after the last one, from the one before, the factor of the
        whole matrix, that of the equation and the conditions, and by how much the step would lower the linearised sum;
        without it the method ends where that is next to nothing.
        """
        # The last linearisation.
        whole: CholeskyFactor
        exact: Tensor
        gradient: np.ndarray  # half of it

        def factorised(point: np.ndarray) -> Solver:
            nonlocal whole, exact, gradient
            with foreseen("a step for unknown fields", len(point) ** 3):
                whole, exact, gradient = self._linearised(torch.from_numpy(point), penalty)

            def solver(values: np.ndarray) -> np.ndarray:
                step = whole.solve(torch.from_numpy(values)[:, None])[:, 0]
                if held is not None:
                    aside = whole.solve(held[:, None])[:, 0]
                    step -= aside * (held @ step) / (held @ aside)
                return step.numpy()

            return solver

        def damped(point: np.ndarray, step: np.ndarray, solver: Solver) -> Advance:
            """The longest step of halves that does not raise the sum, or none: strengths may still change."""
            nonlocal penalty
            # Line search by halves.
            size = self._objective(penalty)
            factor = 1.0
            while factor > SETTINGS.shortest_step:
                self._set(torch.from_numpy(point + factor * step))
                if self._objective(penalty) <= size:
                    break
                factor /= 2
            else:
                self._set(torch.from_numpy(point))
            moved = self._coefficients().numpy()
            fall = -float(step @ gradient)
            # The end, or the penalty of the next step.
            if updated is None:
                return Advance(moved, is_last=fall < SETTINGS.settled)
            following = updated(penalty, whole, exact, fall)
            penalty = following or penalty
            return Advance(moved, is_last=following is None)

        newton(self._coefficients().numpy(), lambda point: gradient, factorised, damped, steps)

    def _linearised(self, c: Tensor, penalty: _Penalty) -> tuple[CholeskyFactor, Tensor, np.ndarray]:
        """Factor of the whole matrix about c, the matrix of the equation and the conditions, and half the gradient."""
        exact, pull, _ = self._squares(self.exact)
        whole = _factor_of(self.first[0] / penalty.noise**2 + penalty.weight * exact + penalty.smooth)
        towards = (self.first[1] + self.first[0] @ (c - self.origin)) / penalty.noise**2
        gradient = (towards + penalty.weight * pull + penalty.smooth @ c).numpy()
        if not np.isfinite(gradient).all():
            raise LinAlgError("a gradient is not finite")
        return whole, exact, gradient

    def _deviations(self, c: Tensor) -> float:
        """Sum of squared deviations from the measured values."""
        moved = c - self.origin
        return max(self.first[2] + float(2 * self.first[1] @ moved + moved @ self.first[0] @ moved), 0.0)

    def _objective(self, penalty: _Penalty) -> float:
        """Minus twice the logarithm of the penalised likelihood, but for a constant."""
        c = self._coefficients()
        exact = penalty.weight * self._size(self.exact)
        return self._deviations(c) / penalty.noise**2 + exact + float(c @ penalty.smooth @ c)

    def _rises(self, found: _Found) -> dict[str, tuple[float, float]]:
        """Profile of the likelihood of each unknown field, see `InverseFit.rises`."""
        coef = self.network.tensor_layer.coef
        fields = self.problem.fields
        rises = {}
        weight = SETTINGS.exactnesses[-1] * self.count / found.noise**2
        penalty = _Penalty(self._smooth(found), found.noise, weight)
        least = self._objective(penalty)
        one = self.network.splines(self.mesh.interior()[0])
        root = _factor_of(one.mT @ one).root()
        for name in (each.field for each in of_kind(self.problem.form.conditions, UnknownField)):
            slots = slice(fields.index(name), coef.numel(), len(fields))
            # The principal component of the covariance of the field, along which it is least certain.
            sizes, vectors = torch.linalg.eigh(root.mT @ found.covariance[slots, slots] @ root)
            held = torch.zeros_like(found.parameters)
            held[slots] = root @ vectors[:, -1]
            move = found.covariance @ held / sizes[-1].sqrt()
            # Rise of the profile likelihood on both sides: all else is optimal while this component is held.
            ends = []
            for side in (-SETTINGS.profiled, SETTINGS.profiled):
                self._set(found.parameters + side * move)
                self._minimise(penalty, SETTINGS.profile_steps, held=held)
                ends.append(math.sqrt(max(self._objective(penalty) - least, 0.0)))
            rises[name] = ends[0], ends[1]
        self._set(found.parameters)
        return rises

    def _roughness(self, name: str) -> Tensor:
        """Matrix of the roughness of a field, (P, P); the same for all parameters."""
        if name not in self.rough:
            self.rough[name] = self._squares([_roughness_block(self.problem, self.mesh, name, self.order)])[0]
        return self.rough[name]

    def _squares(self, blocks: Sequence[ResidualBlock]) -> tuple[Tensor, Tensor, float]:
        """J'J, J'r and r'r of a sum of squares."""
        problem = BlockProblem(list(blocks), self.problem.unknowns)
        model = RowSource(self.network, problem, self.slots).normal_equations()
        assert model.residuals is not None
        matrix = model.matrix.triu()
        return (matrix + matrix.triu(1).mT) / 2, model.gradient / 2, float(model.residuals.square().sum()) / 2

    def _size(self, blocks: Sequence[ResidualBlock]) -> float:
        """Sum of squares."""
        with torch.no_grad():
            return sum(float(block.loss(self.network, block.data, self.problem.unknowns)) for block in blocks)

    def _coefficients(self) -> Tensor:
        """All parameters, (P,)."""
        parts = [self.network.tensor_layer.coef, *self.problem.unknowns.values()]
        return torch.cat([part.detach().flatten() for part in parts])

    @torch.no_grad()
    def _set(self, c: Tensor) -> None:
        """Take over all parameters, (P,)."""
        coef = self.network.tensor_layer.coef
        coef.copy_(c[: coef.numel()].view_as(coef))
        for value, number in zip(self.problem.unknowns.values(), c[coef.numel() :], strict=True):
            value.copy_(number)


def _factor_of(matrix: Tensor) -> CholeskyFactor:
    """Factor of a normal matrix (P, P); a LinAlgError where it is not finite."""
    return CholeskyFactor(matrix, SETTINGS.ridge)
