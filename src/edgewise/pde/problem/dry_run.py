"""The dry run of an equation or a condition: its residuals on plane waves, before any network.

It finds the derivatives and integrals that residuals use, their sizes, whether they are linear in the fields, and
whether the residuals of a point depend on that point alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.pde.domains.domain import Domain
from edgewise.pde.problem.evaluation import EvaluationContext, Residuals
from edgewise.pde.problem.fields import Field, Index, field_leaf
from edgewise.pde.problem.integrals import GIVEN_RULE, IntegralCalls, IntegralKey, Rule, at_places, axes_of
from edgewise.presentation import typed_text

# Points of a dry run: enough for stable sizes of residuals (they change by a few per cent with the points), few enough
# that stating a problem takes milliseconds.
PROBES = 64
PROBE_SEEDS = 11, 12  # of these points in the domain and on its boundary: fixed, so that sizes never change
ROUNDING = 1e-9  # relative: far above that of fourth derivatives (1e-12), far below the effect of a nonlinear term


def probes(domain: Domain, pieces: Sequence[str] | None = None, count: int = PROBES) -> tuple[Tensor, Tensor | None]:
    """Points of a dry run inside a domain, or on pieces of its boundary and normals there, about (count, n) each."""
    if pieces is None:
        return domain.interior(count, "sobol", seed=PROBE_SEEDS[0]), None
    return domain.boundary(count, "sobol", PROBE_SEEDS[1], pieces)


class Trial(NamedTuple):
    """Functions on which residuals are tried: level + height cos(...), one period along each side of the domain."""

    level: float  # mean value
    height: float  # amplitude


# Trials in their order: a wave of amplitude 1; one that is positive everywhere, for roots and logarithms, negative, or
# smaller than 1 in magnitude.
WAVE = Trial(0.0, 1.0)
WAVE_TRIALS = (WAVE, Trial(2.0, 1.0), Trial(-2.0, 1.0), Trial(0.5, 0.25), Trial(0.0, 0.5), Trial(-0.5, 0.25))


@dataclass(frozen=True)
class Requirements:
    """Quantities that residuals are computed from, as determined by a dry run."""

    derivatives: Mapping[str, frozenset[Index]]  # multi-indices of the derivatives of each field
    # size of each residual, (r,), for fields that are waves of amplitude 1 with one period along each side of the
    # domain: divided by it, a residual is about as large as the error of the field that it stands for
    sizes: Tensor
    # number of quadrature points of each integral, by key
    integrals: Mapping[IntegralKey, int] = field(default_factory=dict)
    rule: Rule = GIVEN_RULE  # the rule by which integrals are computed
    # mean slope of the residuals by each derivative, by the field and the multi-index, with its sign
    jacobian: Mapping[tuple[str, Index], float] = field(default_factory=dict)
    trial: Trial = WAVE  # functions on which the residuals are finite

    def with_rule(self, rule: Rule) -> Requirements:
        """The same with integrals that are computed by another rule."""
        points = dict(self.integrals)
        for key, count in self.integrals.items():
            if key[2] >= 0:  # a delay has one point that no rule chose
                points[key] = count // self.rule.multiple(key[1]) * rule.multiple(key[1])
        return replace(self, integrals=points, rule=rule)

    @property
    def keys(self) -> list[tuple[int, Index]]:
        """All derivatives, each with the number of its field."""
        return [(slot, index) for slot, indices in enumerate(self.derivatives.values()) for index in indices]

    @property
    def integrated_fields(self) -> frozenset[str]:
        """Names of the fields that are integrated."""
        return frozenset(name for name, _, _ in self.integrals)

    def order(self, name: str, axes: Sequence[int]) -> int:
        """Highest derivative of a field by these coordinates together."""
        return max((sum(index[axis] for axis in axes) for index in self.derivatives[name]), default=0)

    def acts_as_time(self, name: str, axis: int, axes: Iterable[int]) -> bool:
        """Return whether a field may evolve along a coordinate, among these, from all of its conditions at one end.

        It may where the order is 1, where no other coordinate has derivatives, and where the order is 2 while another
        coordinate has derivatives of second order with the opposite sign, or of a higher order.
        """
        order = self.order(name, [axis])
        others = {other: self.order(name, [other]) for other in axes if other != axis}
        if order <= 1 or not any(others.values()):
            return True

        def second(other: int) -> float:
            """Mean slope of the residuals by the second derivative of the field by a coordinate; 0 without one."""
            return sum(
                slope
                for (each, index), slope in self.jacobian.items()
                if each == name and index[other] == sum(index) == 2
            )

        return order == 2 and any(highest > 2 or second(axis) * second(other) < 0 for other, highest in others.items())


@dataclass(frozen=True, eq=False)
class DryRun:
    """Residuals and the points at which they are tried."""

    residuals: Residuals  # those of the equation or of a condition
    fields: Sequence[str]  # names of the fields
    domain: Domain  # domain of the equation
    coefficients: Mapping[str, float]  # values of the unknown coefficients
    x: Tensor  # points, (b, n)
    normal: Tensor | None = None  # outward normals, (b, n), on a boundary

    def requirements(self) -> Requirements:
        """Derivatives and integrals that the residuals use, and their sizes."""
        # The waves are the first of `WAVE_TRIALS` on which the residuals are finite. The size of a residual is the root
        # of the sum of squares of its Jacobian by each derivative, times the size of that derivative for a wave of one
        # period along the domain.
        plain = self._tried(WAVE)
        is_finite = bool(plain.sizes.isfinite().all())
        most = 2 if is_finite else len(WAVE_TRIALS)
        others = (self._tried(trial) for trial in WAVE_TRIALS[1 : 1 + most])
        other = next((each for each in others if bool(each.sizes.isfinite().all())), None)
        # Residuals of the first trial a hundred times those of the second show an equation that is singular at zero.
        if other is None or (is_finite and not bool((plain.sizes > 100.0 * other.sizes).any())):
            return plain
        return other

    def _tried(self, trial: Trial) -> Requirements:
        """Requirements by the functions of one trial."""
        derivatives: dict[tuple[str, Index], Tensor] = {}
        integrated: list[Tensor] = []
        domain = self.domain

        # Leaves: the wave of each derivative that the residuals ask for, and its values at the places of integrals.
        def values_elsewhere(key: IntegralKey, places: Tensor) -> Tensor:
            # Places must follow from the coordinates alone, and lie in the domain.
            is_delay = key[2] < 0
            if places.requires_grad:
                what = "a delay" if is_delay else "the limits of an integral"
                raise InputError(f"{what} must not depend on fields or unknown coefficients")
            points = at_places(self.x, key[1], places)
            outside = domain.level(points.flatten(0, 1)).amax() / domain.size.max()
            if outside > ROUNDING:
                raise InputError(
                    f"the limits of an integral of {key[0]} must lie in the domain, got points outside it along "
                    f"{', '.join(domain.coordinates[axis] for axis in axes_of(key))}"
                )
            # The wave there, a leaf of the Jacobian.
            values = _wave(domain, points, self.fields.index(key[0]), trial)
            values.requires_grad_()
            if is_delay:
                field_leaf(values)
            integrated.append(values)
            return values

        calls = IntegralCalls(values_elsewhere)

        def derivative(name: str, index: Index) -> Tensor:
            if (name, index) not in derivatives:
                wave = _wave(domain, self.x, self.fields.index(name), trial, index)
                derivatives[name, index] = field_leaf(wave)
            return derivatives[name, index]

        # The Jacobian by all leaves, weighted by the sizes of derivatives of a wave as long as the domain.
        context = self._context(derivative, calls)
        with torch.enable_grad():
            for number in context.coefficients.values():
                number.requires_grad_()
            results = self.residuals(context)
            sizes = []
            mean_jacobian = dict.fromkeys(derivatives, 0.0)
            # Size of each residual: root mean square of what all waves contribute.
            for residual in results:
                total = residual.new_zeros(())
                leaves = [*derivatives.values(), *integrated]
                if residual.requires_grad and leaves:
                    jacobian = torch.autograd.grad(residual.sum(), leaves, retain_graph=True, materialize_grads=True)
                    for slope in jacobian[len(derivatives) :]:
                        total = total + slope.abs().sum(1).square().mean()
                    for (name, index), slope in zip(derivatives, jacobian[: len(derivatives)], strict=True):
                        total = total + wave_scale(domain, index) ** 2 * slope.square().mean()
                        mean_jacobian[name, index] += float(slope.mean())
                sizes.append(total.sqrt() + 0 * residual.detach().sum())  # not a number where the residual is not
        # Derivatives that occur.
        indices = {name: frozenset(index for other, index in derivatives if other == name) for name in self.fields}
        return Requirements(indices, torch.stack(sizes), calls.points, jacobian=mean_jacobian, trial=trial)

    @torch.no_grad()
    def values(self, trial: Trial = WAVE) -> Tensor:
        """Residuals of the waves of a trial, (b, residuals)."""
        domain = self.domain
        calls = IntegralCalls(
            lambda key, places: _wave(domain, at_places(self.x, key[1], places), self.fields.index(key[0]), trial)
        )

        def derivative(name: str, index: Index) -> Tensor:
            return _wave(domain, self.x, self.fields.index(name), trial, index)

        return torch.stack(self.residuals(self._context(derivative, calls)), 1)

    def check_pointwise(self, trial: Trial = WAVE) -> None:
        """Check that residuals are the same at each call and that those of a point depend on that point alone."""
        every_other = slice(None, None, 2)
        whole = self.values(trial)
        part_of = replace(self, x=self.x[every_other])
        if self.normal is not None:
            part_of = replace(part_of, normal=self.normal[every_other])
        part = part_of.values(trial)
        rounding = torch.finfo(whole.dtype).eps ** 0.5 * float(whole.abs().amax())
        same_count = whole.shape[1] == part.shape[1]
        # The rounding is finite where the dry run was, unless the residuals are others at each call.
        if not (same_count and math.isfinite(rounding) and torch.allclose(whole[every_other], part, 0.0, rounding)):
            raise InputError(
                "residuals must be the same at every call and depend at each point on the values there alone, without "
                "random numbers or means over the points; got other values for half of the points"
            )

    def is_linear(self) -> bool:
        """Test whether residuals are linear in the fields: r(u + v) - r(u) - r(v) + r(0) = 0 for random u and v."""
        generator = torch.Generator().manual_seed(1)
        drawn: dict[tuple[str, Index] | IntegralKey, Tensor] = {}
        x = self.x

        def evaluate(u_share: float, v_share: float) -> Tensor:
            def combination(key: tuple[str, Index] | IntegralKey, *shape: int) -> Tensor:
                if key not in drawn:
                    drawn[key] = torch.randn(2, *shape, generator=generator, dtype=x.dtype)
                u, v = drawn[key]
                return u_share * u + v_share * v

            calls = IntegralCalls(lambda key, places: combination(key, len(x), places.shape[1]))

            def derivative(name: str, index: Index) -> Tensor:
                return combination((name, index), len(x))

            return torch.stack(self.residuals(self._context(derivative, calls)))

        # The difference in units of its terms.
        parts = torch.stack([evaluate(1.0, 1.0), -evaluate(1.0, 0.0), -evaluate(0.0, 1.0), evaluate(0.0, 0.0)])
        sizes = parts.abs().sum(0).amax(1)  # of each residual: they may have different units
        return bool(sizes.isfinite().all()) and bool((parts.sum(0).abs().amax(1) <= ROUNDING * sizes).all())

    def _context(self, derivative: Callable[[str, Index], Tensor], calls: IntegralCalls) -> EvaluationContext:
        """Context of fields whose derivatives, by name and index, are those of a function."""
        x = self.x
        names = self.domain.coordinates

        def field_of(name: str) -> Field:
            return Field(lambda index: derivative(name, index), names, calls.of(name))

        numbers = {name: x.new_full((len(x),), value) for name, value in self.coefficients.items()}
        return EvaluationContext(names, x, {name: field_of(name) for name in self.fields}, numbers, self.normal)


def wave_scale(domain: Domain, index: Index) -> float:
    """Size of a derivative of a wave of amplitude 1 with one period along each side of the domain."""
    return math.prod(float(k) ** times for k, times in zip(2 * math.pi / domain.size, index, strict=True))


def _wave(domain: Domain, x: Tensor, number: int, trial: Trial, index: Index | None = None) -> Tensor:
    """Values of the wave of a field at points x (..., n), or of one of its derivatives.

    Each field has a phase of its own: waves in step would cancel in some equations.
    """
    if index is None:
        index = (0,) * domain.dimension
    phase = x @ (2 * math.pi / domain.size) + 1.3 * number + 0.4 + sum(index) * math.pi / 2
    wave = trial.height * wave_scale(domain, index) * phase.cos()
    if any(index):
        return wave
    return trial.level + wave


def place_words(coordinates: Sequence[str], x: Tensor, wrong: Tensor) -> str:
    """Words for the first of the points x (b, n) where `wrong` (b,) is true, as "x = 0.5, y = 1"."""
    place = x[wrong][0].tolist()
    return ", ".join(f"{name} = {typed_text(value, 4)}" for name, value in zip(coordinates, place, strict=True))


def not_finite_words(values: Tensor, domain: Domain, x: Tensor) -> str:
    """Words for the first point at which residuals (b, r) are no finite numbers, or derivatives of them."""
    wrong = ~values.isfinite().all(1)
    if not bool(wrong.any()):
        return "derivatives by the fields that are not"
    first = values[wrong][0]
    return f"{float(first[~first.isfinite()][0])} at {place_words(domain.coordinates, x, wrong)}"
