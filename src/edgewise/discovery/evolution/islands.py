"""An island of a genetic search: a population, its best programs of each size, and one generation after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.discovery.evolution.batches import Batch, ScaledFits
from edgewise.discovery.evolution.operations import OperationTable, Program
from edgewise.discovery.evolution.variation import Variation

# Programs of an island, and new ones of a generation.
POPULATION = 600
OFFSPRING = 300
CONTENDERS = 6  # Programs of a tournament.
# Exponent by which programs of sizes that are frequent in the population lose tournaments, so that all sizes are
# searched (PySR's adaptive parsimony).
CROWDING = 10.0
# Levenberg-Marquardt steps of a new program, and of the best of each size.
CHILD_STEPS = 2
ELITE_STEPS = 10
FORM_TRIALS = 3  # Times that one form is fitted, from different constants.
FROM_ELITE = 0.3  # Probability that a parent is one of the best of each size.
PROGRAM_WORK = 1.5e5  # Work of making one program, most of it Python's, whatever the number of rows.
NODE_WORK = 1000.0  # Work for each row of a new program: values and derivatives of its nodes, twice or thrice.
ROUNDING_LOSS = 1e-26  # Share of the variance below which errors are rounding, so that shorter programs win.


@dataclass
class Island:
    """State of an island: plain numbers and programs, so that it can be sent to another process."""

    rng: np.random.Generator  # source of all its choices
    programs: list[Program] = field(default_factory=list)  # the population, the oldest first
    losses: list[float] = field(default_factory=list)  # their losses as shares of the variance of the target
    # for each size the smallest loss and its program
    elite: dict[int, tuple[float, Program]] = field(default_factory=dict)
    forms: Counter[tuple[int, ...]] = field(default_factory=Counter)  # how often each form was fitted

    def front(self) -> list[tuple[float, Program]]:
        """The best programs that are better than all shorter ones, the shortest first."""
        kept: list[tuple[float, Program]] = []
        for size in sorted(self.elite):
            if not kept or self.elite[size][0] < kept[-1][0]:
                kept.append(self.elite[size])
        return kept


class Breeder:
    """Runs generations of islands on one problem. Shapes: x (inputs, R), y, weights (R,)."""

    def __init__(self, table: OperationTable, most: int, x: np.ndarray, y: np.ndarray, weights: np.ndarray):
        self.table = table
        self.most = most
        self.x = x
        self.fits = ScaledFits(y, weights)

    def work(self, programs: int) -> float:
        """Work of making so many programs and fitting them, about."""
        return programs * (PROGRAM_WORK + NODE_WORK * self.x.shape[1])

    def founded(self, seed: int, number: int, seeds: Sequence[Program]) -> Island:
        """A new island of random programs and of seeds with their variations."""
        island = Island(np.random.default_rng([seed, number]))
        variation = Variation(self.table, self.most, island.rng)
        seeds = [program for program in seeds if variation.keeps_rules(program)]
        made = list(seeds)[: POPULATION // 2]
        if made:
            made += [
                variation.child(made[k % len(made)], made[(7 * k + 1) % len(made)]) for k in range(POPULATION // 4)
            ]
        made += [Program((1 + k,), ()) for k in range(self.table.inputs)]
        made += [variation.new_program() for _ in range(POPULATION - len(made))]
        self._join(island, made, CHILD_STEPS)
        return island

    def generations(self, island: Island, count: int) -> Island:
        """The island after some generations."""
        variation = Variation(self.table, self.most, island.rng)
        for _ in range(count):
            made = []
            parents = self._parents(island, 2 * OFFSPRING)
            for first, second in zip(parents[::2], parents[1::2], strict=True):
                child = variation.child(first, second)
                if island.forms[child.codes] >= FORM_TRIALS:
                    child = variation.child(child, second)
                island.forms[child.codes] += 1
                made.append(child)
            self._join(island, made, CHILD_STEPS)
        # The best of each size are fitted further, since a form is judged by its best constants.
        best = [program for _, program in island.front() if program.numbers]
        if best:
            self._join(island, best, ELITE_STEPS)
        return island

    def _parents(self, island: Island, count: int) -> list[Program]:
        """Winners of tournaments, some of them from the best of each size."""
        sizes = np.array([len(program) for program in island.programs])
        frequency = np.bincount(sizes, minlength=self.most + 1) / len(sizes)
        with np.errstate(divide="ignore"):
            score = np.log(np.maximum(np.array(island.losses), ROUNDING_LOSS)) + CROWDING * frequency[sizes]
        contenders = island.rng.integers(len(sizes), size=(count, CONTENDERS))
        winners = contenders[np.arange(count), np.argmin(score[contenders], axis=1)]
        elite = [program for _, program in island.front()]
        chosen = [island.programs[k] for k in winners]
        for place in np.flatnonzero(island.rng.random(count) < FROM_ELITE) if elite else ():
            chosen[place] = elite[int(island.rng.integers(len(elite)))]
        return chosen

    def _join(self, island: Island, programs: Sequence[Program], steps: int) -> None:
        """Fit programs, let them replace the oldest, and keep the best of each size."""
        with np.errstate(all="ignore"):
            batch = Batch(programs, self.table, self.x)
            numbers, losses = self.fits.fitted(batch, steps)
        stops = np.cumsum(batch.widths)
        for program, loss, stop, width in zip(programs, losses.tolist(), stops, batch.widths, strict=True):
            if not np.isfinite(loss):
                continue
            fitted = Program(program.codes, tuple(numbers[stop - width : stop].tolist()))
            loss = max(loss, ROUNDING_LOSS)
            island.programs.append(fitted)
            island.losses.append(loss)
            size = len(fitted)
            if size not in island.elite or loss < island.elite[size][0]:
                island.elite[size] = (loss, fitted)
        del island.programs[:-POPULATION], island.losses[:-POPULATION]
