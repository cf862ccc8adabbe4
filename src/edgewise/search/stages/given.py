"""Stages of a network whose shape, grid or regularisation the user has fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgewise.search.candidates import Candidate
from edgewise.search.fixed_shape import SETTINGS, FixedShape
from edgewise.search.stages.base import Stage

if TYPE_CHECKING:
    from edgewise.search.nested import Search


class GivenNetwork(Stage):
    """The network of what the user has fixed, with first values of what was left open."""

    name = "given network"
    share = 0.1

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Return the network, whatever its held-out loss, which is needed where something was left open."""
        # The shape as given, with first values for what was left open.
        settings = search.settings
        has_strength = settings.strength is not None
        strength = settings.strength
        if strength is None:
            strength = SETTINGS.first_strength
        grid_size = settings.grid_size or SETTINGS.first_grid
        shape = FixedShape(settings.hidden or (), grid_size, strength, has_given_strength=has_strength)
        network = Candidate(search.family, shape=shape)
        # With something left open, the held-out loss of this network is what the others have to beat.
        if settings.hidden is not None and settings.grid_size is not None and has_strength:
            search.sentences.append("Shape, grid and regularisation were given.")
        elif search.divided():
            search.cross_validate((network,), self.share)
            search.table.decide(network, "It is what was given.", True, quiet=True)
        return network


class Strength(Stage):
    """The strength of the regularisation of a given network, by factors while the held-out loss falls."""

    name = "strength"
    share = 0.2

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether no strength was given and folds can tell."""
        return search.settings.strength is None and best in search.table.by_folds

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Train the networks of the folds further with other strengths."""
        return with_best_strength(search, best, self.share)


class Width(Stage):
    """A hidden layer, and a larger one, where a grid or a strength was given and no shape."""

    name = "width"
    share = 0.4

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether no shape was given and folds can tell."""
        return search.settings.hidden is None and best in search.table.by_folds

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Widen while that lowers the held-out loss by more than its standard error."""
        for size in SETTINGS.hidden_sizes:
            assert best.shape is not None
            rich = Candidate(search.family, shape=replace(best.shape, hidden=(size,)))
            search.cross_validate((rich,), self.share)
            if not search.validate(best, rich, f"A hidden layer of {size} nodes", search.policy.margin):
                break
            search.best = rich  # it stays if the time ends before more nodes
            best = rich
            if search.settings.strength is None:
                best = with_best_strength(search, rich, self.share)
        return best


class Grid(Stage):
    """Finer grids of a given network: each halving keeps its functions exactly."""

    name = "grid"
    share = 0.6

    def applies(self, search: Search, best: Candidate) -> bool:
        """Return whether no grid was given and folds can tell."""
        return search.settings.grid_size is None and best in search.table.by_folds

    def propose(self, search: Search, best: Candidate) -> Candidate:
        """Halve while that lowers the held-out loss by more than its standard error and parameters are few."""
        rows, inputs = search.samples.x.shape
        outputs = search.settings.outputs
        while best.shape is not None and 2 * best.shape.parameters(inputs, outputs) <= rows * outputs:
            size = 2 * best.shape.grid_size
            rich = Candidate(search.family, shape=replace(best.shape, grid_size=size), before=best)
            search.cross_validate((rich,), self.share)
            if not search.validate(best, rich, f"Grid {size}", search.policy.margin):
                break
            best = search.best = rich  # it stays if the time ends before a finer one
        return best


def with_best_strength(search: Search, best: Candidate, share: float, most: int | None = None) -> Candidate:
    """Return a network with the strength of regularisation at which steps up or down no longer lower the loss.

    `most` is the largest number of folds; all by default.
    """
    shape = best.shape
    assert shape is not None
    tried = {1.0: best}

    def is_better(factor: float, other_factor: float) -> bool:
        one = tried[factor]
        strength = float(f"{shape.strength * other_factor:.0e}")
        other = Candidate(search.family, shape=replace(shape, strength=strength), before=one)
        tried[other_factor] = other
        search.cross_validate((other,), share, most)
        if not search.validate(one, other, f"Regularisation {strength:.0e}", is_quiet=True):
            return False
        search.best = other  # it stays if the time ends before further steps
        return True

    return tried[search.policy.for_networks().best_factor(is_better)]
