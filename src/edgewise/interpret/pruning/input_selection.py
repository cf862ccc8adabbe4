"""Selection of inputs: significance tests of effects and products, then the pruning of a small network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from edgewise.checks import check_count
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.pruning.pruning import PruneReport, prune
from edgewise.nn.model import KAN
from edgewise.presentation import number_text
from edgewise.scaling import AffineScaling
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Sparsity
from edgewise.train.problems import Classification, OrdinalClassification, Problem


@dataclass(frozen=True)
class InputSelection:
    """Inputs that matter, from `select_inputs`."""

    kept: tuple[int, ...]  # their columns, ascending
    # (inputs,), the strongest standardised effect of each input: alone, squared, or in a product of two or three
    z: Tensor
    threshold: tuple[float, ...]  # effects of useless inputs hardly exceed this z, per order (1, 2, 3)
    screened: tuple[int, ...]  # columns that pass the comparison with useless inputs, on which the network was trained
    # of the columns `kept`; None if no column is kept. Fit it again before it orders classes: its thresholds are others
    model: KAN | None
    report: PruneReport | None  # of the pruning
    sentences: tuple[str, ...]  # the steps in words


def select_inputs(problem: Problem, *, most: int = 20, hidden: int = 5, seed: int = 0) -> InputSelection:
    """Select the inputs that a target depends on, among many.

    A network of all inputs overlooks products of inputs that have no effect alone once there are many of them. So the
    inputs are screened first, on the training data: the correlation of the target (in normal scores) with each input
    and its square, and the correlation of the residual with products of two and of three inputs, each compared with
    the largest correlation that as many useless inputs would show with a probability of 1 %. A KAN of the inputs that
    pass, at most `most`, is trained with `Sparsity` and pruned by the loss on the validation data.

    An input that acts only in products of more than three, or only through a high frequency, is not detected.

    Parameters
    ----------
    problem : Regression, Classification or OrdinalClassification
        Of tensors.
    most : int
        Largest number of inputs of the network.
    hidden : int
        Number of its hidden nodes.
    seed : int
        Seed of its initial weights.

    Returns
    -------
    InputSelection
        Columns `kept` and `screened`, the strongest effect `z` of each input beside the `threshold` of each order, the
        pruned `model` of the columns kept (None without any), its `report`, and `sentences`.

    Raises
    ------
    InputError
        An argument is not as above.

    References
    ----------
    J. Fan and J. Lv, "Sure independence screening", JRSS B 70, 2008; with products: N. Hao and H. Zhang, JASA 109,
    2014.

    Examples
    --------
    >>> import torch
    >>> from edgewise import Regression
    >>> from edgewise.interpret import select_inputs
    >>> x = torch.rand(60, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> select_inputs(Regression(x, x[:, 4] ** 2), hidden=1).kept
    (4,)
    """
    judging_data(problem)
    check_count(most, "most")
    check_count(hidden, "hidden")
    data = problem.train
    sparsity = 1e-3  # weight of the penalty, for a target of variance 1
    # Scores of the target, on which the sizes of effects are comparable.
    if isinstance(problem, OrdinalClassification):
        y = _normal_scores(data.y[:, None].double())
        outputs = 1
    elif isinstance(problem, Classification):
        y = _standardised(one_hot(data.y, problem.classes).double())
        outputs = problem.classes
    else:
        y = _normal_scores(data.y.double())
        outputs = data.y.shape[1]
        sparsity *= float(data.y.var(0, correction=0).mean().sqrt())  # the penalty has the unit of the target
    # Screening: the strongest effect of each input beside what useless ones would show (Bonferroni).
    orders = _strongest_effects(_normal_scores(data.x.double()), y)
    thresholds = tuple(_threshold(count) for _, count in orders)
    z = torch.stack([effect for effect, _ in orders]).amax(0)
    excess = torch.stack([effect / limit for (effect, _), limit in zip(orders, thresholds, strict=True)]).amax(0)
    strongest = excess.argsort(descending=True, stable=True)
    passed = strongest[: min(most, int((excess > 1).sum()))].sort().values
    # What was found, in words.
    sentences = [
        f"Of {data.x.shape[1]} inputs {int((excess > 1).sum())} have an effect, alone or in a product, that useless "
        f"inputs would hardly show (z above {', '.join(number_text(limit, 2) for limit in thresholds)} for orders 1 "
        f"to {len(orders)})."
    ]
    if len(orders) < 3:
        sentences.append("Products of three inputs were not tested: there are too few or too many.")
    if len(passed) == 0:
        return InputSelection((), z, thresholds, (), None, None, tuple(sentences))
    # A sparse network of the inputs that passed, pruned; a coarse one, since it only has to rank them.
    part = problem.with_inputs(passed).with_copied_unknowns()
    model = KAN([len(passed), hidden, outputs], grid_size=3, seed=seed, dtype=data.x.dtype)
    fit(model, part, LBFGS(), steps=100, penalty=Sparsity(sparsity))
    pruned, report = prune(model, part, drop_inputs=True)
    kept = tuple(passed[list(report.kept_inputs)].tolist())
    sentences.append(f"A KAN of {len(passed)} of them was pruned to {len(kept)}: {', '.join(map(str, kept))}.")
    return InputSelection(kept, z, thresholds, tuple(passed.tolist()), pruned, report, tuple(sentences))


def _normal_scores(values: Tensor) -> Tensor:
    """Each column's ranks as quantiles of the normal distribution, equal for ties; mean 0, variance 1."""
    # Midranks, so that ties have equal scores (van der Waerden).
    ordered = values.sort(0).values
    columns = [
        (torch.searchsorted(o, v) + torch.searchsorted(o, v, right=True)) / 2
        for o, v in zip(ordered.T.contiguous(), values.T.contiguous(), strict=True)
    ]
    return _standardised(torch.special.ndtri(torch.stack(columns, 1).double() / len(values)))


def _standardised(values: Tensor) -> Tensor:
    """Columns with mean 0 and variance 1; a constant column becomes 0."""
    scaling = AffineScaling.standard(values.cpu().numpy(), np.ones(len(values)))
    return torch.from_numpy(scaling.transform(values.cpu().numpy())).to(values)


def _strongest_effects(x: Tensor, y: Tensor) -> list[tuple[Tensor, int]]:
    """For each order the strongest |z| in which each input takes part, (d,), and the number of effects tested.

    The orders are 1, 2 and, if that is not too costly, 3. Orders above 1 are tested on the residual of a linear
    combination of the significant inputs and their squares.
    """
    # Order 1: correlations with each input and its square.
    rows, d = x.shape
    both = torch.cat([x, _standardised(x.square())], 1)
    alone = (both.T @ y).abs().amax(1) / rows**0.5
    alone = torch.maximum(alone[:d], alone[d:])
    count = 2 * d * y.shape[1]
    significant = alone > _threshold(count)
    # The residual of a regression on the significant ones, where the rows determine it.
    residual = y
    if bool(significant.any()) and 2 * int(significant.sum()) < rows // 4:
        design = both[:, significant.repeat(2)]
        gram = design.T @ design
        gram.diagonal().add_(1e-6 * rows)
        rest = y - design @ torch.linalg.solve(gram, design.T @ y)
        is_rounding = rest.square().mean(0).sqrt() <= 1e-12
        residual = _standardised(torch.where(is_rounding, 0.0, rest))
    # Orders 2 and 3: products of inputs, or of their squares, with the residual.
    pairs = _product_effects(both, both, residual)
    pairs = torch.maximum(pairs[:d], pairs[d:]).view(d, 2, d).amax(1).fill_diagonal_(0)
    orders = [(alone, count), (pairs.amax(1), 4 * d * (d - 1) // 2 * y.shape[1])]
    if d >= 3 and rows * d**3 * y.shape[1] <= 5e9:  # multiply-adds, some seconds on one core
        triples = torch.zeros(d, dtype=x.dtype)
        for i in range(d):
            z = _product_effects(x * x[:, i : i + 1], x, residual).fill_diagonal_(0)
            z[i] = 0
            z[:, i] = 0
            triples = torch.maximum(triples, z.amax(1))
        orders.append((triples, d * (d - 1) * (d - 2) // 6 * y.shape[1]))
    return orders


def _product_effects(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """|z| of the correlation of y with every product of a column of a and one of b, (a, b), the strongest over y."""
    size = (a.square().T @ b.square()).sqrt()
    size = torch.where(size > 0, size, torch.inf)
    return torch.stack([(a * column[:, None]).T @ b / size for column in y.T]).abs().amax(0)


def _threshold(count: int) -> float:
    """The |z| that the largest of `count` useless effects exceeds with a probability of 1 % (Bonferroni)."""
    return float(-torch.special.ndtri(torch.tensor(0.01 / (2 * max(count, 1)), dtype=torch.float64)))
