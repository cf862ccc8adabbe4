"""Reads the mobility edge that a network has learned, as a formula, without help.

Three kinds of formulas are candidates: those of the network's output, with a threshold of their own; those of the
log-odds of extended states, from their labels alone; and those of the edge solved for the strength lambda of the
potential above which states are localised, as a function of the other columns. The last need only the places where the
output equals its threshold, and not the slope there. The validation states
decide: the shortest formula within a standard error of the best one is returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from edgewise import find_formula
from edgewise.formulas import Front
from edgewise_experiments.data.anderson import Chain

STRENGTH = 1  # the column of the potential's strength, lambda, in every chain
CUTS = 201  # strengths at which a network is evaluated
NEAR = 0.2  # of the range of strengths: the largest distance of the edge from a known state
FEWEST = 50  # the least number of places of the edge from which a formula is searched


class SearchOptions(TypedDict):
    """Options of each `find_formula`: its seed, and its time limit in seconds."""

    seed: int
    time_limit: float


@dataclass(frozen=True, eq=False)
class ReadEdge:
    """An edge as a formula."""

    text: str
    symbols: int
    extended: Callable[[np.ndarray], np.ndarray]

    def accuracy(self, x: Tensor, label: Tensor) -> float:
        """Return the share of states (N, d) whose label, 1 where extended, agrees with the inequality."""
        return float((self.extended(x.numpy()) == label.numpy().astype(bool)).mean())


def read_edge(
    model: nn.Module,
    threshold: float,
    chain: Chain,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    **search: Unpack[SearchOptions],
) -> ReadEdge:
    """Return the shortest formula whose validation accuracy is within a standard error of the best."""
    with torch.no_grad():
        output = model(train[0])[:, 0].numpy()
    extended = train[1].numpy().astype(bool)
    candidates = [
        *formulas_of_states(output, chain, train, search),
        *formulas_of_states(extended, chain, train, search),
        *formulas_of_strength(model, threshold, chain, train[0], search),
    ]
    accuracies = [candidate.accuracy(*validation) for candidate in candidates]
    best = max(accuracies)
    error = math.sqrt(best * (1 - best) / len(validation[1]))
    pairs = zip(candidates, accuracies, strict=True)
    return min((one for one, share in pairs if share >= best - error), key=lambda candidate: candidate.symbols)


def edge_in_strength(model: nn.Module, threshold: float, chain: Chain, x: Tensor) -> tuple[Tensor, Tensor]:
    """Find the strength at which the output falls to the threshold, for states near the edge.

    States are left out if the output crosses the threshold more than once, upwards, or too far from the state.
    """
    low, high = chain.ranges[STRENGTH - 1]
    strengths = torch.linspace(low, high, CUTS, dtype=x.dtype)
    moved = x[:, None, :].repeat(1, CUTS, 1)
    moved[:, :, STRENGTH] = strengths
    with torch.no_grad():
        above = model(moved.flatten(0, 1))[:, 0].view(len(x), CUTS) - threshold
    crosses, localises = (above[:, 1:] > 0) != (above[:, :-1] > 0), above[:, -1] <= 0
    interval = crosses.double().argmax(1, keepdim=True)
    left, right = above.gather(1, interval)[:, 0], above.gather(1, interval + 1)[:, 0]
    edge = strengths[interval[:, 0]] + (strengths[1] - strengths[0]) * left / (left - right)
    kept = localises & (crosses.sum(1) == 1) & ((edge - x[:, STRENGTH]).abs() <= NEAR * (high - low))
    return x[kept], edge[kept]


def formulas_of_states(
    target: np.ndarray, chain: Chain, train: tuple[Tensor, Tensor], search: SearchOptions
) -> Iterator[ReadEdge]:
    """Yield formulas for an output or the labels, each with the threshold that is correct for most training states."""
    x, extended = train[0].numpy(), train[1].numpy().astype(bool)
    front = find_formula(x, target, names=chain.columns, **search)
    assert isinstance(front, Front), "one target has one front"
    for entry in front:
        formula = entry.formula
        cut = best_cut(formula(x), extended)
        yield ReadEdge(f"{formula.text(3)} > {cut:.3g}", formula.complexity, lambda x, f=formula, cut=cut: f(x) > cut)


def formulas_of_strength(
    model: nn.Module, threshold: float, chain: Chain, x: Tensor, search: SearchOptions
) -> Iterator[ReadEdge]:
    """Yield formulas for the strength above which states are localised; none if the edge is found at too few places."""
    rows, strength = edge_in_strength(model, threshold, chain, x)
    if len(rows) < FEWEST:
        return
    others = [column for column in range(x.shape[1]) if column != STRENGTH]
    names = [chain.columns[column] for column in others]
    for entry in find_formula(rows[:, others].numpy(), strength.numpy(), names=names, **search).entries:
        formula = entry.formula
        yield ReadEdge(
            f"`{chain.columns[STRENGTH]}` < {formula.text(3)}",  # in the quotes that formulas use for this name
            formula.complexity + 1,  # the strength itself
            lambda x, f=formula: x[:, STRENGTH] < f(x[:, others]),
        )


def best_cut(values: np.ndarray, above: np.ndarray) -> float:
    """Return the threshold that separates values (N,) best: most of those that `above` marks exceed it, no others."""
    order = np.argsort(values)
    values, above = values[order], above[order]
    correct = np.concatenate([[0], np.cumsum(~above)]) + np.concatenate([[above.sum()], above.sum() - np.cumsum(above)])
    correct[1:-1][values[1:] == values[:-1]] = -1  # no threshold lies between equal values
    between = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
    return float(between[correct.argmax()])
