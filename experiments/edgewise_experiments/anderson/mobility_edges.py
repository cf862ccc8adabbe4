"""Reads the mobility edge that a network has learned, as a formula, without help.

In two ways: the network's output itself, with a threshold of its own; and the edge solved for the strength of the
potential, lambda, from which on states are localised, as a function of the other columns. The second asks a formula
only where the output meets its threshold, and not how steep it is there. Validation states decide between all
candidates: the shortest within a standard error of the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgewise import find_formula
from edgewise_experiments.data.anderson import Chain

STRENGTH = 1  # column of the potential's strength, lambda, in every chain
CUTS = 201  # strengths at which a network is looked at
NEAR = 0.2  # of the range of strengths: so far may the edge be from a state that is known
FEWEST = 50  # places of the edge from which a formula is sought


@dataclass(frozen=True, eq=False)
class ReadEdge:
    """text: where states are extended, an inequality. symbols: of its formula. extended: columns (N, d) -> bool."""

    text: str
    symbols: int
    extended: Callable[[np.ndarray], np.ndarray]

    def share_right(self, x: Tensor, label: Tensor) -> float:
        return float((self.extended(x.numpy()) == label.numpy().astype(bool)).mean())


def read_edge(
    model: nn.Module,
    threshold: float,
    chain: Chain,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    seed: int,
    time_limit: float,
) -> ReadEdge:
    """train, validation: columns (N, d) and labels (N,), 1 where extended. time_limit: seconds of each search."""
    asked = {"seed": seed, "time_limit": time_limit}
    candidates = [*_of_output(model, chain, train, asked), *_of_strength(model, threshold, chain, train[0], asked)]
    shares = [candidate.share_right(*validation) for candidate in candidates]
    best = max(shares)
    error = math.sqrt(best * (1 - best) / len(validation[1]))
    near = [one for one, share in zip(candidates, shares, strict=True) if share >= best - error]
    return min(near, key=lambda candidate: candidate.symbols)


def edge_in_strength(model: nn.Module, threshold: float, chain: Chain, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of states near the edge the columns, (n, d), and the strength at which the output falls to the threshold, (n,).

    States for which it meets it more than once, upwards, or nowhere near, are left out.
    """
    low, high = chain.ranges[STRENGTH - 1]
    strengths = torch.linspace(low, high, CUTS, dtype=x.dtype)
    moved = x[:, None, :].repeat(1, CUTS, 1)
    moved[:, :, STRENGTH] = strengths
    with torch.no_grad():
        above = model(moved.flatten(0, 1))[:, 0].view(len(x), CUTS) - threshold
    meets, localises = (above[:, 1:] > 0) != (above[:, :-1] > 0), above[:, -1] <= 0
    place = meets.double().argmax(1, keepdim=True)
    left, right = above.gather(1, place)[:, 0], above.gather(1, place + 1)[:, 0]
    met = strengths[place[:, 0]] + (strengths[1] - strengths[0]) * left / (left - right)
    kept = localises & (meets.sum(1) == 1) & ((met - x[:, STRENGTH]).abs() <= NEAR * (high - low))
    return x[kept], met[kept]


def _of_output(model: nn.Module, chain: Chain, train: tuple[Tensor, Tensor], asked: dict) -> Iterator[ReadEdge]:
    """Formulas for the output, each with the threshold that is right for most of the training states."""
    x, extended = train[0].numpy(), train[1].numpy().astype(bool)
    with torch.no_grad():
        output = model(train[0])[:, 0].numpy()
    for entry in find_formula(x, output, names=chain.columns, **asked).entries:
        formula = entry.formula
        cut = best_cut(formula(x), extended)
        yield ReadEdge(f"{formula.text(3)} > {cut:.3g}", formula.complexity, lambda x, f=formula, cut=cut: f(x) > cut)


def _of_strength(model: nn.Module, threshold: float, chain: Chain, x: Tensor, asked: dict) -> Iterator[ReadEdge]:
    """Formulas for the strength from which on states are localised; none where the edge is met at too few places."""
    rows, met = edge_in_strength(model, threshold, chain, x)
    if len(rows) < FEWEST:
        return
    others = [column for column in range(x.shape[1]) if column != STRENGTH]
    names = [chain.columns[column] for column in others]
    for entry in find_formula(rows[:, others].numpy(), met.numpy(), names=names, **asked).entries:
        formula = entry.formula
        yield ReadEdge(
            f"`{chain.columns[STRENGTH]}` < {formula.text(3)}",  # as formulas write the name
            formula.complexity + 1,  # the strength itself
            lambda x, f=formula: x[:, STRENGTH] < f(x[:, others]),
        )


def best_cut(values: np.ndarray, above: np.ndarray) -> float:
    """The threshold for which most values are on the side, above or not, where they belong."""
    order = np.argsort(values)
    values, above = values[order], above[order]
    right = np.concatenate([[0], np.cumsum(~above)]) + np.concatenate([[above.sum()], above.sum() - np.cumsum(above)])
    right[1:-1][values[1:] == values[:-1]] = -1  # no threshold lies between equal values
    between = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
    return float(between[right.argmax()])
