"""Evolution with memory: delays, and integrals of the fields up to now."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewise.pde.problem.dry_run import probes
from edgewise.pde.problem.evaluation import EquationResiduals, EvaluationContext
from edgewise.pde.problem.fields import Field
from edgewise.pde.problem.integrals import Rule
from edgewise.pde.problem.strong_form import Feature, with_integrals_by
from edgewise.pde.spaces.networks import TensorNetwork, TimeElementNetwork
from edgewise.pde.tiers.collocation.stationary import network_of
from edgewise.pde.tiers.evolution.problem import Evolution, TimeElement


@dataclass(frozen=True)
class MemorySettings:
    """Rounding of moments, and the cost of the past."""

    same_moment: float = 1e-10  # of the whole time: moments that are closer are the same; far above rounding
    past_work: float = 5e3  # multiply-adds in the time in which a solution is evaluated at a point. Measured
    halvings: int = 52  # of a time element after which a moment is known to rounding


class Memory:
    """The time elements so far as the past of the next one [1] [2].

    Time elements are no longer than delays, so that delayed values are known. A solution has a jump in its first
    derivative at the first moment, where its history ends; a delay carries each jump on, to one of an order higher.
    Time elements end at these moments, so that each is smooth. Integrals up to now are sums over the time elements,
    each by a rule of its own, and over the part of the time element that is being solved.

    [1] A. Bellen, M. Zennaro, "Numerical Methods for Delay Differential Equations", 2003, chapters 2 and 3.

    [2] H. Brunner, "Collocation Methods for Volterra Integral and Related Functional Differential Equations", 2004,
    chapters 2 and 3.
    """

    settings = MemorySettings()

    def __init__(self, evolution: Evolution):
        self.evolution = evolution
        evolution.grid_problem = replace(evolution.grid_problem, past=self.past)
        self.ends = [evolution.begin]
        self.jumps = [(evolution.begin, 0)]  # moments, and numbers of delays since the first one
        self._networks: list[TensorNetwork] = []
        self._probes, _ = probes(evolution.domain)
        self._same = self.settings.same_moment * float(evolution.domain.size[evolution.time])

    def keep(self, element: TimeElement, end: float) -> None:
        """Add a time element that ends at a moment to the past."""
        self._networks.append(network_of(element.axes, element.coef))
        self.ends.append(end)

    def rule(self, elements: int = 1) -> Rule:
        """Rule of integrals with a number of time elements between two cuts, and with one where a derivative jumps."""
        ends = self.ends[1:]
        jumps = {place for place, _ in self.jumps}
        cuts = {*ends[elements - 1 :: elements], *jumps.intersection(ends)}
        return Rule(axis=self.evolution.time, cuts=tuple(sorted(cuts)))

    def past(self, number: int, points: Tensor) -> Tensor:
        """Values of a field at earlier moments, (b, q), at points (b, q, n)."""
        if not self._networks:
            return points.new_zeros(points.shape[:2])  # the history takes their place
        ends = torch.tensor(self.ends, dtype=torch.float64)
        network = TimeElementNetwork(self._networks, ends, self.evolution.time)
        flat = points.flatten(0, 1).clone()
        # Moments after the last one that is known belong to a time element that is too long, or to fresh points by
        # rounding.
        flat[:, self.evolution.time].clamp_(max=float(ends[-1]))
        if Feature.INTEGRALS in self.evolution.grid_problem.form.features:
            self.evolution.spend(self.settings.past_work * len(flat))
        with torch.no_grad():
            return network(flat)[:, number].reshape(points.shape[:2])

    def bounded(self, moment: float, length: float) -> float:
        """Length of an element that needs known delayed values and ends where a derivative jumps; 0 without one."""
        grid_problem = self.evolution.grid_problem
        self.evolution.grid_problem = replace(grid_problem, form=with_integrals_by(grid_problem.form, self.rule()))
        begin = self._places(moment)
        end = moment + length
        # Method of steps: a time element is no longer than the delay at its end.
        for number, (lowest, highest) in enumerate(begin):
            if highest > moment - self._same:
                return 0.0  # this delay vanishes
            if self._places(end)[number][1] > moment + self._same:
                end = self._moment_of(number, moment, moment, end)
            if highest - lowest > self._same:
                continue  # a delay that depends on the place carries jumps everywhere
            # Breaking points: a delayed moment reaches an earlier jump at this moment, or within the time element,
            # which ends there.
            for place, generation in list(self.jumps):
                if abs(highest - place) <= self._same:
                    # A derivative of one order more jumps here; beyond the degree of time elements none matters.
                    is_new = all(each != moment for each, _ in self.jumps)
                    if generation < self.evolution.degree and is_new:
                        self.jumps.append((moment, generation + 1))
                elif highest < place < self._places(end)[number][0] - self._same:
                    end = self._moment_of(number, place, moment, end)
        return end - moment

    def _moment_of(self, number: int, place: float, begin: float, end: float) -> float:
        """Moment between two others at which a delayed moment is a given one, by bisection."""
        for _ in range(self.settings.halvings):
            middle = (begin + end) / 2
            if self._places(middle)[number][1] < place:
                begin = middle
            else:
                end = middle
        return end

    def _places(self, moment: float) -> list[tuple[float, float]]:
        """Earliest and latest moment that each delay asks for at a moment, over the places of space."""
        form = self.evolution.grid_problem.form
        if Feature.DELAYS not in form.features:
            return []
        x = self._probes.clone()
        asked = list[Tensor]()
        names = self.evolution.domain.coordinates
        x[:, self.evolution.time] = moment
        ones = x.new_ones(len(x))

        # The equation is evaluated for fields of value 1, and notes the moments that its delays ask for.
        def past(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            asked.append(moments.expand(len(x)))
            return asked[-1], ones > 0, ones

        field = Field(lambda _: ones, names, lambda _, places, *__: torch.ones_like(places), past)
        residuals = form.equation_term.residuals
        assert isinstance(residuals, EquationResiduals)
        fields = dict.fromkeys(form.fields, field)
        EvaluationContext(names, x, fields, {}).call(residuals.equation, "equation")
        return [(float(each.min()), float(each.max())) for each in asked]
