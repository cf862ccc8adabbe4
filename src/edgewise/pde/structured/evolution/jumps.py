"""Moments at which an equation or a condition jumps, as by a source that is switched on: slabs end there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.strong_form import PROBE_SEEDS, ResidualTerm
from edgewise.pde.structured.statement import Statement, scattered_block
from edgewise.settings import ABOVE_ZERO

# Moments that are compared, places of space at each, and halvings after which a moment is known to rounding. Choices.
SWITCH_MOMENTS, OFF_MIDDLE, SWITCH_PLACES, SWITCH_HALVINGS = 1025, 0.4142, 4, 60
# Least jump, relative to the largest residual, and least difference of a step from the mean of its neighbours, relative
# to itself, below which values are smooth. Choices: smooth values that the moments resolve differ by a few per cent.
LEAST_JUMP, UNLIKE_NEIGHBOURS = 1e-6, 0.3
BEFORE_JUMP = 4  # units in the last place of the largest moment, by which a slab ends before a jump: it has rounding


def moments_of_jumps(statement: Statement) -> list[tuple[float, float]]:
    """Moments just before and after which residuals for fixed fields jump at most places, in order."""
    form = statement.form
    time, bounds = form.time, form.domain.bounds
    assert time is not None
    begin, end = bounds[time].tolist()
    moments = begin + (end - begin) * np.concatenate(
        [[0.0], (np.arange(SWITCH_MOMENTS) + OFF_MIDDLE) / SWITCH_MOMENTS, [1.0]]
    )
    terms: list[tuple[tuple[int, int] | None, ResidualTerm]] = [(None, form.equation_term)]
    if isinstance(form.domain, Box):
        terms += [((a, end), form.condition_terms[number]) for number, a, end in statement.faces() if a != time]
    found: list[float] = []
    for face, term in terms:
        places = form.domain.interior(SWITCH_PLACES if form.domain.dimension > 1 else 1, "sobol", seed=PROBE_SEEDS[0])
        if face is not None:
            places[:, face[0]] = bounds[face]
        generator = torch.Generator().manual_seed(PROBE_SEEDS[1])
        jet = {
            (slot, index): torch.rand(len(places), generator=generator, dtype=torch.float64) + 0.5
            for slot, name in enumerate(form.fields)
            for index in term.requirements.derivatives[name]
        }

        def at(
            line: np.ndarray,
            term: ResidualTerm = term,
            face: tuple[int, int] | None = face,
            places: Tensor = places,
            jet: Mapping = jet,
        ) -> np.ndarray:
            """Residuals at moments (m,), (m, residuals, places)."""
            x = places.repeat(len(line), 1)
            x[:, time] = torch.from_numpy(line).repeat_interleave(len(places))
            repeated = {key: each.repeat(len(line)) for key, each in jet.items()}
            values, _ = scattered_block(form, term, x, face).evaluate_jet(repeated, with_slopes=False)
            return values.reshape(len(values), len(line), -1).swapaxes(0, 1)

        found += _jumps(at, moments)
    margin = BEFORE_JUMP * float(np.spacing(max(abs(begin), abs(end))))
    return sorted((each - margin, each + margin) for each in found if begin + margin < each < end - margin)


def _jumps(at: Callable[[np.ndarray], np.ndarray], moments: np.ndarray) -> list[float]:
    """Moments of jumps of a function on a line, each the last one before, to rounding."""
    values = at(moments)
    if not np.isfinite(values).all():
        return []
    least = LEAST_JUMP * max(float(np.abs(values).max()), ABOVE_ZERO)
    steps = np.diff(values, axis=0)
    around = np.pad(steps, [(1, 1), (0, 0), (0, 0)], "edge")
    unlike = np.abs(steps - (around[:-2] + around[2:]) / 2) > np.maximum(UNLIKE_NEIGHBOURS * np.abs(steps), least)
    chosen = np.flatnonzero(unlike.any((1, 2)))
    if not len(chosen):
        return []
    left, right = moments[chosen], moments[chosen + 1]
    for _ in range(SWITCH_HALVINGS):
        middle = (left + right) / 2
        first, mean, last = (at(each) for each in (left, middle, right))
        is_left = np.abs(mean - first).sum((1, 2)) > np.abs(last - mean).sum((1, 2))
        left, right = np.where(is_left, left, middle), np.where(is_left, middle, right)
    are_jumps = (np.abs(at(right) - at(left)).max(1) > least).mean(1) > 0.5
    return left[are_jumps].tolist()
