"""Evolution with memory: delays, and integrals of the fields up to now."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from edgewise.pde.problem.evaluation import EquationResiduals, EvaluationContext
from edgewise.pde.problem.fields import Field
from edgewise.pde.problem.integrals import Rule
from edgewise.pde.problem.strong_form import probes, with_integrals_by
from edgewise.pde.spaces.networks import TensorNetwork, WindowNetwork
from edgewise.pde.spaces.statement import Statement
from edgewise.pde.tiers.collocation.stationary import network_of
from edgewise.pde.tiers.evolution.slabs import Known, SlabMarch, Watch

SAME_MOMENT = 1e-10  # of the whole time: moments that are closer are the same; far above rounding
PAST_WORK = 5e3  # multiply-adds in the time in which a solution is evaluated at a point. Measured
JUMP_FOUND = 52  # halvings of a slab after which a moment is known to rounding


class MemoryMarch(SlabMarch):
    """A pass through time in which the slabs so far are the past of the next one [1] [2].

    Slabs are no longer than delays, so that delayed values are known. A solution has a jump in its first derivative at
    the first moment, where its history ends; a delay carries each jump on, to one of an order higher. Slabs end at
    these moments, so that each is smooth. Integrals up to now are sums over the slabs, each by a rule of its own, and
    over the part of the slab that is sought.

    [1] A. Bellen, M. Zennaro, "Numerical Methods for Delay Differential Equations", 2003, chapters 2 and 3.

    [2] H. Brunner, "Collocation Methods for Volterra Integral and Related Functional Differential Equations", 2004,
    chapters 2 and 3.
    """

    def __init__(self, statement: Statement, tolerance: float, watch: Watch, finer: float = 1.0, known: Known = None):
        super().__init__(replace(statement, past=self.past), tolerance, watch, finer, known)
        self.jumps = [(self.ends[0], 0)]  # moments, and numbers of delays since the first one
        self._windows: list[TensorNetwork] = []
        self._probes, _ = probes(self.domain)
        self.whole = float(self.domain.size[self.time])

    def rule(self, slabs: int = 1) -> Rule:
        """Rule of integrals with so many slabs between two cuts, and with one where a derivative jumps."""
        ends = self.ends[1 : len(self.slabs) + 1]
        jumps = {place for place, _ in self.jumps}
        return Rule(axis=self.time, cuts=tuple(sorted({*ends[slabs - 1 :: slabs], *jumps.intersection(ends)})))

    def past(self, number: int, points: Tensor) -> Tensor:
        """Values of a field at earlier moments, (b, q), at points (b, q, n)."""
        if not self.slabs:
            return points.new_zeros(points.shape[:2])  # the history takes their place
        self._windows += [network_of(*slab) for slab in self.slabs[len(self._windows) :]]
        ends = torch.tensor(self.ends[: len(self.slabs) + 1], dtype=torch.float64)
        network = WindowNetwork(self._windows, ends, self.time)
        flat = points.flatten(0, 1).clone()
        # Moments after the last one that is known belong to a slab that is too long, or to fresh points by rounding.
        flat[:, self.time].clamp_(max=float(ends[-1]))
        self.work += PAST_WORK * len(flat) if self.statement.form.has_quadratures else 0.0
        with torch.no_grad():
            return network(flat)[:, number].reshape(points.shape[:2])

    def bounded(self, moment: float, length: float) -> float:
        """Length of a slab that needs known delayed values and ends where a derivative jumps; 0 where there is none."""
        self.statement = replace(self.statement, form=with_integrals_by(self.statement.form, self.rule()))
        begin = self._places(moment)
        end = moment + super().bounded(moment, length)
        same = SAME_MOMENT * self.whole
        for number, (lowest, highest) in enumerate(begin):
            if highest > moment - same:
                return 0.0  # this delay vanishes
            if self._places(end)[number][1] > moment + same:
                end = self._moment_of(number, moment, moment, end)
            if highest - lowest > same:
                continue  # a delay that depends on the place carries jumps everywhere
            for place, generation in list(self.jumps):
                if abs(highest - place) <= same:
                    self._add_jump(moment, generation + 1)
                elif highest < place < self._places(end)[number][0] - same:
                    end = self._moment_of(number, place, moment, end)
        return end - moment

    def _moment_of(self, number: int, place: float, begin: float, end: float) -> float:
        """Moment between two others at which a delayed moment is a given one, by bisection."""
        for _ in range(JUMP_FOUND):
            middle = (begin + end) / 2
            begin, end = (middle, end) if self._places(middle)[number][1] < place else (begin, middle)
        return end

    def _add_jump(self, moment: float, generation: int) -> None:
        """Remember a jump in a derivative that the degree of a slab resolves."""
        if generation <= self.degree and all(place != moment for place, _ in self.jumps):
            self.jumps.append((moment, generation))

    def _places(self, moment: float) -> list[tuple[float, float]]:
        """Earliest and latest moment that each delay asks for at a moment, over the places of space."""
        if not self.statement.form.has_delays:
            return []
        x, asked, names = self._probes.clone(), list[Tensor](), self.domain.coordinates
        x[:, self.time] = moment
        ones = x.new_ones(len(x))

        def past(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            asked.append(moments.expand(len(x)))
            return asked[-1], ones > 0, ones

        field = Field(lambda _: ones, names, lambda _, places, *__: torch.ones_like(places), past)
        residuals = self.statement.form.equation_term.residuals
        assert isinstance(residuals, EquationResiduals)
        fields = dict.fromkeys(self.statement.form.fields, field)
        EvaluationContext(names, x, fields, {}).call(residuals.equation, "equation")
        return [(float(each.min()), float(each.max())) for each in asked]
