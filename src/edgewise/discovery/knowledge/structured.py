"""The search for laws of a known structure: smooth functions, a law for each, then all constants together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from edgewise.discovery.engine.archive import Archive
from edgewise.discovery.engine.running import Engine, Stages, likely_laws
from edgewise.discovery.knowledge.smooth_parts import PartsFit, fitted_parts, part_problem
from edgewise.discovery.knowledge.templates import Template
from edgewise.discovery.losses import is_as_good
from edgewise.discovery.problem import LawProblem
from edgewise.discovery.reduction.steps import first_step
from edgewise.formulas.constants import FreeConstants, without_redundant_constants
from edgewise.formulas.expression import Expression, Number
from edgewise.outcomes import Budget
from edgewise.presentation import percent_text


@dataclass(frozen=True)
class StructureSettings:
    """Shares of the work, and what ends the search of a structure."""

    smooth_functions_share: float = 0.15  # of the work, for the smooth functions of a round: they take seconds
    first_round_share: float = 0.35  # of the work, for the first round, without models of curves
    rounds: int = 3  # at most: the second has exact targets where the first has one exact law
    most_part_combinations: int = 64  # combinations of laws that are judged in a round
    # A law is good enough for a part, and its search ends soon after, once its error is this multiple of that of the
    # part's target: an exact law has exactly that error.
    enough_for_part: float = 1.1
    clean_noise: float = 1e-3  # relative error of a target below which it is that of smooth functions, not of noise
    # Ratio of the held-out error of the structure to that of a model without it, from which on the data contradict the
    # structure, if a paired test agrees: smooth models of different kinds differ by less on data with noise.
    contradiction: float = 2.0
    constant_starts: int = 30  # random starts of a structure that has only constants; each takes a few milliseconds


SETTINGS = StructureSettings()


@dataclass
class StructureSearch:
    """The stage that searches for laws of a known structure.

    It yields the structure with laws of its functions and reads from the archive of the search which combination of
    them is the best so far.
    """

    archive: Archive  # of the whole problem; receives what the stage yields
    stages: Stages  # the search for a law of each unknown function
    template: Template  # the structure

    def __post_init__(self) -> None:
        self.failures: list[str] = []
        self._smooth: PartsFit | None = None
        self._best_parts: dict[int, Expression] = {}

    def __call__(self, problem: LawProblem, budget: Budget) -> Iterator[Expression]:
        """Fit the functions, search a law of each, and yield all combinations, in rounds."""
        if not self.template.functions:
            yield from self._constants()
            return
        for number in range(SETTINGS.rounds):
            share = budget.share(SETTINGS.first_round_share) if number == 0 else budget
            yield from self._round(number, share)
            is_ended = budget.is_over or self.archive.solved is not None
            if is_ended or len(self._best_parts) < len(self.template.functions):
                return
            if number and self.archive.leaves_noise:
                return

    def _constants(self) -> Iterator[Expression]:
        """The structure from several values of its constants: it has no unknown functions."""
        random = np.random.default_rng([6, self.archive.problem.seed])
        node = self.template.outer
        constants = FreeConstants.of(node)
        count = len(constants.places)
        for number in range(SETTINGS.constant_starts):
            if number and self.archive.solved is not None:
                return
            values = np.exp(1.5 * random.normal(size=count)) if number else np.ones(count)
            if number % 2:
                values *= random.choice([-1.0, 1.0], size=count)
            yield constants.formula(values)

    def _round(self, number: int, budget: Budget) -> Iterator[Expression]:
        """Search a law of each function, given the laws of the others from the round before."""
        functions = range(len(self.template.functions))
        laws: dict[int, list[Expression]] = {}
        for place, function in enumerate(functions):
            if number and (budget.is_over or self.archive.solved is not None):
                break
            share = budget.share(1 / (len(functions) - place))
            known = {k: law for k, law in self._best_parts.items() if k != function}
            # The smooth function, beside the known laws of the others
            if number == 0 and self._smooth is not None:
                fit: PartsFit | None = self._smooth
            else:
                budget.report(f"smooth functions of {self.template.text}")
                smoothing = share.share(SETTINGS.smooth_functions_share)
                fit = fitted_parts(self.template, self.archive.problem, known, smoothing)
            if fit is None:
                self.failures.append("No smooth functions of the structure are finite at all rows.")
                self._best_parts = {}
                return
            if number == 0:
                self._smooth = fit
            # Its laws, and after the first round the best of them in the whole
            likely = self._laws_of(fit, function, share, whole=number > 0)
            laws[function] = likely or laws.get(function, [])
            if number and likely:
                yield from self._combinations({**{k: [law] for k, law in known.items()}, function: likely}, fit)
        if number == 0 and self._smooth is not None and len(laws) == len(functions):
            yield from self._combinations(laws, self._smooth)

    def _laws_of(self, fit: PartsFit, function: int, budget: Budget, whole: bool) -> list[Expression]:
        """Likely laws of one function by the stages; those of a whole run have models of curves as well."""
        problem = part_problem(fit, self.archive.problem, function)
        if problem is None:
            return [Number(1.0)]
        options = problem.options
        # With noise many formulas have the error of the target, and the engine ends by its own rule.
        if problem.noise < SETTINGS.clean_noise:
            options = replace(options, target_error=max(options.target_error, SETTINGS.enough_for_part * problem.noise))
        name = self.template.functions[function]
        named = budget.reporting(lambda at: budget.report(f"{name}: {at.stage}"))
        stages = self.stages if whole else replace(self.stages, smooth=None, search=None)
        archive = Archive(replace(problem, options=options), budget)
        engine = Engine(archive, named, stages)
        engine.run()
        self.failures += engine.failures
        return likely_laws(archive, problem.noise)

    def _combinations(self, laws: dict[int, list[Expression]], fit: PartsFit) -> Iterator[Expression]:
        """Combinations of laws, whose constants the archive fits together; the laws of the best one are kept."""
        # As many laws of each function that the product of their numbers stays within the limit.
        most = max(1, int(SETTINGS.most_part_combinations ** (1 / len(laws))))
        best = self.archive.best
        for parts in product(*(laws[k][:most] for k in range(len(laws)))):
            yield fit.template.rebuild(parts)
            # A better combination: its scale factors that others make up for are fixed, and its parts are the known
            # laws of the next round.
            judged = self.archive.best
            if judged is not None and judged is not best:
                problem = self.archive.problem
                fixed = without_redundant_constants(judged.expression, problem.x, problem.y, problem.weights)
                if fixed != judged.expression:
                    yield fixed
                best = self.archive.best
                self._best_parts = dict(enumerate(parts))
            if self.archive.solved is not None:
                return
        if not self._best_parts:
            self._best_parts = {k: likely[0] for k, likely in laws.items() if likely}

    @property
    def messages(self) -> list[str]:
        """Sentences on the structure: whether the data contradict it; and on stages that failed."""
        return [
            f"Searched among formulas of the structure {self.template.text}.",
            *self._contradiction(),
            *self.failures,
        ]

    def _contradiction(self) -> Sequence[str]:
        """A sentence if a model without the structure predicts held-out rows clearly better."""
        problem = self.archive.problem
        best = self.archive.best
        if best is not None and best.is_exact:
            return ()
        # Squared held-out errors of the best formula and of the smooth functions in the structure, beside a smooth
        # model without it.
        known = [] if best is None else [problem.held_squares(best.expression)]
        known += [] if self._smooth is None else [self._smooth.squares]
        free = first_step(problem)
        if free is None or not known:
            return ()
        squares = min(known, key=np.mean)
        without = free.squares
        # Both at the last held-out rows that they share.
        shared = min(len(squares), len(without))
        squares = squares[-shared:]
        without = without[-shared:]
        errors = [math.sqrt(float(np.mean(each)) / problem.held_variance) for each in (squares, without)]
        # A paired test on the same rows, and a difference large enough to matter.
        if errors[0] < SETTINGS.contradiction * errors[1] or is_as_good(squares, without):
            return ()
        shown = [percent_text(error) for error in errors]
        return (
            f"The data contradict the structure: the best function of this form leaves an error of {shown[0]} of the "
            f"deviation of the target on held-out rows, a smooth model without it {shown[1]}.",
        )
