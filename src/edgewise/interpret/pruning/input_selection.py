"""Which few of many inputs matter: significant effects and products first, then a small network that is pruned."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from edgewise.checks import check_count
from edgewise.interpret.attribution.removal import judging_data
from edgewise.interpret.pruning.pruning import PruneReport, columns_of, prune
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Sparsity
from edgewise.train.problems.base import Problem
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.ordinal import OrdinalClassification

CHANCE = 0.01  # of one or more useless inputs among all effects that are looked at, per order
TRIPLES = 5e9  # multiply-adds that products of three may cost
STRENGTH = 1e-3  # of the sparsity of the network, for a target of variance 1


@dataclass(frozen=True)
class InputSelection:
    """Which inputs matter.

    kept: their columns, ascending. z: (inputs,), the strongest standardised effect that each takes part in: alone,
    squared, or in a product of two or three; threshold: what chance would hardly exceed, per order (1, 2, 3).
    screened: the columns the network was trained on. model: it, pruned, of the columns `kept`; None if there are none;
    for ordered classes it has had thresholds of its own, so fit it to the problem again before it classifies.
    report: of that pruning. sentences: what was done.
    """

    kept: tuple[int, ...]
    z: Tensor
    threshold: tuple[float, ...]
    screened: tuple[int, ...]
    model: KAN | None
    report: PruneReport | None
    sentences: tuple[str, ...]


def select_inputs(problem: Problem, *, most: int = 20, hidden: int = 5, seed: int = 0) -> InputSelection:
    """The inputs that a target depends on, among many.

    A network of all inputs overlooks products of inputs that have no effect alone once there are many of them. So the
    inputs are screened first, on the training data: the correlation of the target (in normal scores) with each input
    and its square, and of what these leave of it with products of two and of three inputs, each compared with the
    largest that as many useless ones would show with a chance of 1 % (J. Fan and J. Lv, "Sure independence screening",
    JRSS B 70, 2008; with products: N. Hao and H. Zhang, JASA 109, 2014). A KAN of those that pass, at most `most`, is
    trained with `Sparsity` and pruned by the loss on the validation data.

    An input that acts only in products of more than three, or only through a high frequency, is not found.

    Args:
        problem: `Regression`, `Classification` or `OrdinalClassification` of tensors.
        most: inputs of the network. hidden: its hidden nodes. seed: of its initial weights.

    Raises:
        InputError: an argument is not as above.
    """
    judging_data(problem)
    check_count(most, "most")
    check_count(hidden, "hidden")
    x = _normal_scores(problem.train.x.double())
    y = _targets(problem)
    alone, pairs, triples = _effects(x, y)
    orders = [alone, pairs] + ([triples] if triples is not None else [])
    thresholds = [_threshold(count) for _, count in orders]
    z = torch.stack([effect for effect, _ in orders]).amax(0)
    excess = torch.stack([effect / limit for (effect, _), limit in zip(orders, thresholds, strict=True)]).amax(0)
    strongest = excess.argsort(descending=True, stable=True)
    passed = strongest[: min(most, int((excess > 1).sum()))].sort().values
    said = [
        f"Of {x.shape[1]} inputs {int((excess > 1).sum())} have an effect, alone or in a product, that chance would "
        f"hardly give (z above {', '.join(f'{limit:.1f}' for limit in thresholds)} for orders 1 to {len(orders)})."
    ]
    if triples is None:
        said.append("Products of three were not looked at: too many.")
    if len(passed) == 0:
        return InputSelection((), z, tuple(thresholds), (), None, None, tuple(said))
    model, report = _pruned(problem, passed, hidden, seed)
    kept = passed[list(report.kept_inputs)]
    said.append(f"A KAN of {len(passed)} of them was pruned to {len(kept)}: {', '.join(map(str, kept.tolist()))}.")
    return InputSelection(
        tuple(kept.tolist()), z, tuple(thresholds), tuple(passed.tolist()), model, report, tuple(said)
    )


def _pruned(problem: Problem, columns: Tensor, hidden: int, seed: int) -> tuple[KAN, PruneReport]:
    """A KAN of these columns, trained and pruned."""
    part = columns_of(problem, columns)
    strength = STRENGTH
    if isinstance(problem, OrdinalClassification):
        outputs, part = 1, part.to(part.train.x.dtype)  # whose thresholds are its own
    elif isinstance(problem, Classification):
        outputs = problem.classes
    else:
        outputs = part.train.y.shape[1]
        strength *= float(part.train.y.var(0, correction=0).mean().sqrt())  # the penalty has the unit of the target
    model = KAN([len(columns), hidden, outputs], grid_size=3, seed=seed, dtype=part.train.x.dtype)
    fit(model, part, LBFGS(), steps=100, penalty=Sparsity(strength))
    return prune(model, part, drop_inputs=True, report=True)


def _targets(problem: Problem) -> Tensor:
    """The target as columns (N, m) of mean 0 and variance 1: normal scores, of ordered classes too, or one indicator
    per class."""
    if isinstance(problem, OrdinalClassification):
        return _normal_scores(problem.train.y[:, None].double())
    if isinstance(problem, Classification):
        return _standardised(one_hot(problem.train.y, problem.classes).double())
    return _normal_scores(problem.train.y.double())


def _normal_scores(values: Tensor) -> Tensor:
    """Each column's ranks as quantiles of the normal distribution, ties sharing theirs; mean 0, variance 1."""
    ordered = values.sort(0).values
    columns = [
        (torch.searchsorted(o, v) + torch.searchsorted(o, v, right=True)) / 2
        for o, v in zip(ordered.T.contiguous(), values.T.contiguous(), strict=True)
    ]
    return _standardised(torch.special.ndtri(torch.stack(columns, 1).double() / len(values)))


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and variance 1; a constant column becomes 0."""
    centred = values - values.mean(0)
    deviation = centred.square().mean(0).sqrt()
    return centred / torch.where(deviation > 1e-12, deviation, torch.inf)


def _effects(x: Tensor, y: Tensor) -> tuple[tuple[Tensor, int], tuple[Tensor, int], tuple[Tensor, int] | None]:
    """For each order the strongest |z| each input takes part in, (d,), and how many effects were looked at."""
    rows, d = x.shape
    both = torch.cat([x, _standardised(x.square())], 1)
    alone = (both.T @ y).abs().amax(1) / rows**0.5
    alone, count = torch.maximum(alone[:d], alone[d:]), 2 * d * y.shape[1]
    rest = _residual(both, y, alone > _threshold(count))
    pairs = _products(both, both, rest)
    pairs = torch.maximum(pairs[:d], pairs[d:]).view(d, 2, d).amax(1).fill_diagonal_(0)
    pair_count = 4 * d * (d - 1) // 2 * y.shape[1]
    found = (alone, count), (pairs.amax(1), pair_count)
    if d < 3 or rows * d**3 * y.shape[1] > TRIPLES:
        return *found, None
    triples = torch.zeros(d, dtype=x.dtype)
    for i in range(d):
        z = _products(x * x[:, i : i + 1], x, rest).fill_diagonal_(0)
        z[i], z[:, i] = 0, 0
        triples = torch.maximum(triples, z.amax(1))
    return *found, (triples, d * (d - 1) * (d - 2) // 6 * y.shape[1])


def _products(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """|z| of the correlation of y with every product of a column of a and one of b, (a, b), the strongest over y."""
    size = (a.square().T @ b.square()).sqrt()
    size = torch.where(size > 0, size, torch.inf)
    return torch.stack([(a * column[:, None]).T @ b / size for column in y.T]).abs().amax(0)


def _residual(both: Tensor, y: Tensor, inputs: Tensor) -> Tensor:
    """What a linear combination of the significant inputs and their squares leaves of y, standardised again."""
    if not bool(inputs.any()) or 2 * int(inputs.sum()) >= len(y) // 4:
        return y
    design = both[:, inputs.repeat(2)]
    gram = design.T @ design
    gram.diagonal().add_(1e-6 * len(y))
    return _standardised(y - design @ torch.linalg.solve(gram, design.T @ y))


def _threshold(count: int) -> float:
    """The |z| that the largest of `count` useless effects exceeds with probability CHANCE (Bonferroni)."""
    return float(-torch.special.ndtri(torch.tensor(CHANCE / (2 * max(count, 1)), dtype=torch.float64)))
