"""A model that a search chose on a sample, fitted to all rows of a table, in memory or larger (`AllRows`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from edgewise.gam.all_rows import held_out_losses, refined
from edgewise.gam.families.base import Family
from edgewise.gam.model import AdditiveModel
from edgewise.gam.rows import working
from edgewise.gam.solving import with_strengths
from edgewise.outcomes import Budget, OutOfTime, Progress, StopReason
from edgewise.presentation import counted, number_text
from edgewise.search.candidates import Fitted, Samples, with_doubled_margins, with_own_covariances
from edgewise.search.fixed_shape import TrainedShape, trained_further
from edgewise.search.hidden_nodes import HiddenNodes
from edgewise.search.policy import SearchPolicy
from edgewise.search.validation import RowPart, random_parts
from edgewise.train.problems import Classification, Problem, Regression

Sums = tuple[np.ndarray, ...]


# Functions of rows are sent to other processes, so they are objects that can be pickled.


@dataclass(frozen=True)
class WithNodes:
    """A function of rows, for rows to which the values of hidden nodes are added."""

    function: Callable[..., Sums]
    nodes: HiddenNodes
    limits: np.ndarray

    def __call__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Sums:
        return self.function(self.nodes.beside(np.clip(x, *self.limits.T), self.limits), y, weight)


@dataclass(frozen=True)
class OfFamily:
    """A function of rows that receives targets in the form that a family takes."""

    function: Callable[..., Sums]
    family: Family
    offset: float

    def __call__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Sums:
        return self.function(x, self.family.response(y, self.offset), weight)


@dataclass(frozen=True)
class AllRows:
    """All rows of a table of which the search sees a sample."""

    # sums a function of scaled inputs, targets and weights over the table, see `RowSum`; targets are in the form of
    # `Samples.targets`. Its second argument is the number of seconds after which it is to raise OutOfTime, its third a
    # `RowPart`, or None for all rows
    total: Callable[[Callable[..., Sums], float, RowPart | None], Sums]
    rows: float  # sum of the weights
    count: int  # number of rows
    seed: int = 0  # seed of the parts for means of models
    # returns an iterator over inputs, responses and weights of all rows, batch by batch
    batches: Callable[[], Iterator[Sums]] = lambda: iter(())

    @classmethod
    def of(cls, samples: Samples, seed: int) -> AllRows:
        """Return the sums over rows in memory; rows of one block are in the same part."""

        def total(function: Callable[..., Sums], seconds: float, part: RowPart | None) -> Sums:
            rows = samples
            if part is not None:
                parts = random_parts(len(samples), part.parts, part.seed, samples.blocks)
                rows = samples.select(np.flatnonzero(parts != part.number))
            with Budget(seconds).holds():
                return function(rows.x, rows.targets, rows.weight)

        return cls(total, samples.total, len(samples), seed)

    def loader(self) -> DataLoader[Any]:
        """Return a DataLoader of the rows, with weights of mean 1."""
        return DataLoader(_Stream(self), batch_size=None)

    def fitted(
        self, chosen: Fitted, samples: Samples, budget: Budget, policy: SearchPolicy
    ) -> tuple[Fitted, str, bool]:
        """Fit the chosen candidate to all rows; return it with a sentence on that, and whether the time ended it.

        If the time is over before the end of the first pass, the candidate stays as it is; else the last complete pass
        counts.
        """
        # Candidates that are no sum of columns stay as they are.
        if chosen.network is not None:
            return self._trained(chosen, chosen.network, samples, budget)
        family = chosen.family
        candidate = chosen.candidate
        kept = f"the model is that of the sample of {len(samples):,} of {counted(self.count, 'row')}"
        if not candidate.has_sums:
            words = candidate.describe()
            article = "an" if words[0] in "aeiou" else "a"
            return chosen, f"Sums over all rows are for additive models and not for {article} {words}; {kept}.", False
        # The iteration over all rows, from the estimate of the sample, whose margins may become finer.
        start = chosen.model
        if chosen.nodes is None and start.pairs:
            start = with_doubled_margins(start, samples, self.rows)
        plain = family.is_least_squares
        start = replace(start, family=family)
        try:
            solution, passes, converged, factor = self._refined(start, chosen, samples, budget, policy)
        except OutOfTime:
            return chosen, f"The {budget.limit_words} ended the first pass over all rows; {kept}.", True
        # Predictors and working residuals of the sample under the new coefficients, with Duan's smearing estimate.
        if chosen.nodes is None:
            x = samples.x
        else:
            x = chosen.nodes.beside(np.clip(samples.x, *chosen.limits.T), chosen.limits)
        eta = solution.design.link(solution.coef, x)
        y = samples.response(family)
        if family.is_normal and family.log_link:
            shift, family = family.final_shift(y, eta[:, 0], samples.weight)
            coef = solution.fits[0].coef.copy()
            coef[0] += shift
            solution = replace(solution, fits=(replace(solution.fits[0], coef=coef),))
            eta = eta + shift
        if plain:
            residual = samples.y - eta
            steps = max(fit.iterations for fit in solution.fits)
        else:
            _, residual = working(family, y, samples.weight, eta)
            steps = passes
        # The estimate as those of all candidates, and how it ended in a sentence.
        low = min(chosen.range[0], float(eta.min()))
        high = max(chosen.range[1], float(eta.max()))
        model = replace(solution, family=family, residual=residual, range=(low, high), steps=steps, converged=converged)
        is_single = plain and candidate.models == 1  # a single pass is complete if it is not OutOfTime
        is_ended = not (is_single or converged) and budget.is_over
        words = "one pass"
        if passes != 1:
            words = f"{passes} passes"
        if is_ended:
            words += ", which the time limit ended"
        sentence = (
            f"Chosen on a sample of {counted(len(samples), 'row')}; its coefficients and penalties are those of all "
            f"{counted(self.count, 'row')}, in {words}."
        )
        if not (plain or converged or is_ended):
            sentence += " The penalised likelihood still rose in the last pass; no more are made."
        if factor != candidate.factor:
            candidate = replace(candidate, factor=factor)
            sentence += f" Folds of their groups chose {number_text(factor)} times the penalty."
        fitted = replace(chosen, candidate=candidate, model=model.of_low_rank())
        # Bands of each of several predictors by its own information.
        if family.predictors > 1:  # each row of the sample stands for as many
            weight = samples.weight * (self.rows / samples.total)
            fitted = with_own_covariances(fitted, replace(samples, weight=weight))
        return fitted, sentence, is_ended

    def _trained(
        self, chosen: Fitted, network: TrainedShape, samples: Samples, budget: Budget
    ) -> tuple[Fitted, str, bool]:
        """Train the network of the sample further on all rows, see `fitted`."""
        # The penalty of the sample's strength counts as often as there are rows.
        shape = network.shape
        budget.stage = f"{shape.describe()}, all {counted(self.count, 'row')}"
        share = 1.0
        if not shape.has_given_strength:
            share = samples.total / self.rows

        def listener(event: Progress) -> bool:
            budget.report(share=event.share, loss=event.loss)
            return budget.is_over

        # Steps that read all rows in batches, from the network of the sample.
        loader = self.loader()
        whole: Problem = Regression(loader)
        if chosen.family.is_classes:
            whole = Classification(loader, classes=network.model.config.width[-1])
        trained = trained_further(whole, samples.problem(chosen.family), network, share, listener)
        sentence = (
            f"Chosen on a sample of {counted(len(samples), 'row')}; its parameters are those of all "
            f"{counted(self.count, 'row')}, after {trained.report.steps} steps that read them."
        )
        return replace(chosen, network=trained), sentence, trained.report.stopped == StopReason.TIME_LIMIT

    def _refined(
        self, start: AdditiveModel, chosen: Fitted, samples: Samples, budget: Budget, policy: SearchPolicy
    ) -> tuple[AdditiveModel, int, bool, float]:
        """Estimate the design of the sample with all rows, and its coefficients as the mean of models of parts of them.

        Each model of a mean starts from the estimate of all rows, and finds strengths of its own. If the time is over,
        the mean is that of the models so far. Squared errors of rows in groups get the factor of the strengths that
        folds of the groups choose, as in the search, but by the sums of all rows.
        """
        candidate = chosen.candidate
        passes = 0
        factor = candidate.factor
        models = candidate.models if candidate.models > 1 else 0
        parts = round(1 / (1 - policy.bag_share))
        found = list[np.ndarray]()

        def of_rows(start: AdditiveModel, part: RowPart | None, factor: float) -> tuple[AdditiveModel, bool]:
            def total(function: Callable[..., Sums]) -> Sums:
                if chosen.nodes is not None:
                    function = WithNodes(function, chosen.nodes, chosen.limits)
                if not start.family.is_least_squares:
                    function = OfFamily(function, start.family, samples.offset)
                return self.total(function, max(budget.seconds_left, 0.0), part)

            def report(number: int) -> None:
                budget.report(f"pass {passes + number} over all {counted(self.count, 'row')}", 0.97)

            nonlocal passes
            solution, more, is_done = refined(start, total, factor=factor, report=report)
            passes += more
            return solution, is_done

        whole, converged = of_rows(start, None, factor)
        # Factor of the strengths for rows in groups: folds of the groups are parts of the sums.
        try:
            if samples.blocks is not None and start.family.is_least_squares and len(whole.fits) == 1:
                folds = [of_rows(whole, RowPart(number, parts, self.seed), 1.0)[0] for number in range(parts)]
                loss = cache(lambda f: sum(held_out_losses(one, whole.normal, f) for one in folds))
                factor = policy.best_factor(lambda one, other: loss(other) < loss(one))
                if factor != candidate.factor:
                    strength = factor / candidate.factor * whole.fits[0].strength
                    fit = with_strengths(whole.normal, whole.design, whole.fits[0], strength)
                    whole = replace(whole, fits=(fit,))
            # Models of parts of the rows, whose coefficients have a mean.
            for number in range(models):
                part = RowPart(number % parts, parts, self.seed + number // parts)
                one, is_done = of_rows(whole, part, factor)
                converged = converged and is_done
                found.append(one.coef)
        except OutOfTime:
            converged = False
        if not found:
            return whole, passes, converged, factor
        fits = (replace(fit, coef=coef) for fit, coef in zip(whole.fits, np.mean(found, 0).T.copy(), strict=True))
        return replace(whole, fits=tuple(fits)), passes, converged, factor


class _Stream(IterableDataset[Any]):
    """Inputs, responses and weights of mean 1 of all rows, as tensors."""

    def __init__(self, rows: AllRows) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        mean = self.rows.rows / self.rows.count
        for x, y, weight in self.rows.batches():
            yield tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in (x, y, weight / mean))
