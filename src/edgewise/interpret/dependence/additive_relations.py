"""Many networks at once that tell rows of a table from rows whose columns were shuffled.

Relations in a table without a target: which columns are bound to each other, and how surely."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.interpret.black_box import check_points
from edgewise.nn.model import KAN
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis
from edgewise.train.grids import data_domain

RATE, MOMENTS = 0.02, (0.9, 0.99)  # of Adam; the rate falls to 0 along a cosine
START = 0.6  # standard deviation of the sum of all functions at the start, of a Gaussian of width 1
ACTIVE = 0.1  # share of the largest function's deviation from which on a column takes part
MOST_ACTIVE = 8  # columns of a network whose subsets are looked at
LOOSEST = 0.5  # variance of a sum, as a share of its parts' variances, up to which it is a relation at all
AS_TIGHT = 2.0  # a part that is so many times looser than the whole network's sum is still a relation of its own


def train_networks(
    values: Tensor, *, seeds: int, steps: int, sparsity: float, columns: float, generator: torch.Generator
) -> Tensor:
    """The coefficients (seeds, d, n) of networks [d, 1, 1] with a Gaussian at the end, trained side by side.

    Liu et al. (arXiv 2404.19756), section 3.3: g = exp(-z^2 / 2), z = sum_i phi_i(x_i), is to be 1 on rows of the data
    and 0 on rows whose columns were permuted each by itself (anew in every step), with the L1 and entropy penalty on
    the size of the functions. A permutation acts on the values of the functions, so all networks cost one product per
    column and step.

    Args:
        values: (N, d, n), functions of each column with mean 0 and orthonormal over the rows (0 for a missing one).
        sparsity: weight of the penalty. columns: probability with which a network sees a column, so that different
            seeds can find different relations.
    """
    rows, d, n = values.shape
    basis = values.float().permute(1, 0, 2).contiguous()
    seen = torch.rand(seeds, d, generator=generator) < columns
    seen |= torch.rand(seeds, d, generator=generator).argsort(1) < 2
    usable = values.square().sum(0).gt(0) & seen[:, :, None]
    coef = torch.randn(seeds, d, n, generator=generator) * usable
    coef *= START / coef.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-6)
    coef.requires_grad_()
    optimiser = torch.optim.Adam([coef], lr=RATE, betas=MOMENTS)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        parts = torch.bmm(basis, (coef * usable).permute(1, 2, 0))  # (d, N, seeds)
        shuffled = torch.stack([part[torch.randperm(rows, generator=generator)] for part in parts]).sum(0)
        loss = (1 - _gaussian(parts.sum(0))).square().mean(0) + _gaussian(shuffled).square().mean(0)
        optimiser.zero_grad()
        (loss + sparsity * _penalty(coef * usable)).sum().backward()
        optimiser.step()
    return (coef * usable).detach().to(values.dtype)


def _gaussian(z: Tensor) -> Tensor:
    return torch.exp(-z.square() / 2)


def _penalty(coef: Tensor) -> Tensor:
    """L1 + entropy of the deviations of the functions of each network, (seeds,)."""
    size = (coef.square().sum(2) + 1e-12).sqrt()
    share = size / size.sum(1, keepdim=True)
    return size.sum(1) - (share * (share + 1e-12).log()).sum(1)


def subsets_of(parts: Tensor) -> Iterator[tuple[int, ...]]:
    """The columns bound by a network whose functions have the values parts (N, d): one subset per relation.

    Two independent relations z_1 = 0 and z_2 = 0 pass a network as their sum. So of all subsets of the active columns
    those count that are about as tight as the whole (variance of the sum by the sum of variances) and have no part
    that is.
    """
    size = parts.square().mean(0)
    active = (size > ACTIVE**2 * size.max()).nonzero()[:, 0]
    active = active[size[active].argsort(descending=True)][:MOST_ACTIVE].tolist()
    if len(active) < 2 or not float(size.max()) > 0:
        return
    covariance = parts.T @ parts / len(parts)

    def looseness(subset: tuple[int, ...]) -> float:
        block = covariance[list(subset)][:, list(subset)]
        return float(block.sum() / block.diagonal().sum())

    limit = min(LOOSEST, AS_TIGHT * max(looseness(tuple(active)), 1e-4))
    found: list[set[int]] = []
    for count in range(2, len(active) + 1):
        for subset in combinations(sorted(active), count):
            if not any(part <= set(subset) for part in found) and looseness(subset) <= limit:
                found.append(set(subset))
                yield subset


DEGREE = 3
ROWS = 4000  # looked at: half to find, half to test
PENALTY = 0.01  # sparsity of the networks
COLUMNS = 0.6  # share of the columns that each network sees
EXHAUSTIVE = 20_000  # subsets of three columns up to which all are tried
BRANCHES = 3  # independent relations looked for in one subset: sigma with |lambda| besides sigma with mu
LEAST_PART = 0.25  # of the largest function's deviation, for every column of a relation
SHADOW = 10.0  # a relation among some columns of one that is so many times tighter is a part of that
# A column belongs to a relation if the relation without it is so much looser (held-out), by its share of variance.
NEEDED = 0.75
PERMUTATIONS = 199
CHANCE = 0.01  # of one false relation among all that are tested (Bonferroni)


@dataclass(frozen=True)
class Relation:
    """Some columns bound by sum_i phi_i(x_i) = 0.

    inputs: the columns. looseness: variance of the sum over the sum of variances of its parts, on rows that were not
    used to find it: 0 if exact, about 1 for unrelated columns. z: how many standard deviations that is below what
    shuffled columns give; p_value: of as low a value in any of the tests made (Bonferroni, normal tail).
    seeds: how many networks found it, of `networks` that saw all its columns; p_seeds: chance of that many if each
    found a random subset of that size. model: the KAN [k, 1] whose output is the sum, in the units of the columns.
    """

    inputs: tuple[int, ...]
    looseness: float
    z: float
    p_value: float
    seeds: int
    networks: int
    p_seeds: float
    model: KAN


@dataclass(frozen=True)
class Relations:
    """found: the relations that hold, tightest first. tests: subsets that were tested. sentences: the same in words."""

    found: tuple[Relation, ...]
    tests: int
    sentences: tuple[str, ...]


def relations(
    x,
    *,
    names: Sequence[str] | None = None,
    seeds: int = 30,
    steps: int = 300,
    grid_size: int = 5,
    loosest: float = 0.25,
    seed: int = 0,
) -> Relations:
    """The relations among the columns of a table, unsupervised.

    Where to look: networks as in the KAN paper (Liu et al., arXiv 2404.19756, section 3.3; `train_networks`) from many
    seeds, taken apart into the subsets they bind, and all subsets of up to three columns. What is there: for each
    subset the functions with the smallest variance of their sum, given the sum of their variances, are eigenvectors
    ("smallest additive principal components", D. Donnell, A. Buja, W. Stuetzle, Annals of Statistics 22, 1994). They
    are found on one half of the rows and judged on the other, against shuffled columns; a subset counts if no part of
    it is about as tight, and if it is no part of one that is far tighter.

    A relation whose form is no sum of functions of single columns, such as a product of sums, is seen only as far
    as such a sum comes near it.

    Args:
        x: (N, d), N at least 50; columns without spread are ignored.
        names: of the columns.
        seeds: networks; 0 for none. steps: of the training of each. grid_size: knot intervals of every function.
        loosest: relations up to that `Relation.looseness`; two columns with correlation r have 1 - r.
        seed: of all random numbers.

    Raises:
        InputError: an argument is not as above.
    """
    x = check_points(x, least=50)
    check_count(seeds, "seeds", 0)
    check_count(steps, "steps")
    check_count(grid_size, "grid_size")
    if not (is_number(loosest) and 0 < loosest < 1):
        raise InputError(f"loosest must be between 0 and 1, got {loosest!r}")
    names = [f"x{i + 1}" for i in range(x.shape[1])] if names is None else list(map(str, names))
    if len(names) != x.shape[1]:
        raise InputError(f"names must hold {x.shape[1]} names, got {len(names)}")
    generator = torch.Generator().manual_seed(seed)
    search = _Search(x, grid_size, loosest, generator)
    counted, saw = search.networks(seeds, steps)
    return search.result(counted, saw, seeds, names)


def bound_together(x, inputs: Sequence[int], *, grid_size: int = 5, seed: int = 0) -> Relation | None:
    """The tightest relation of given columns of a table, all of which take part; None if one has next to none.

    One test, asked for beforehand: the p-value has no correction for others, and a part of the columns may be bound
    more tightly. x, grid_size, seed as in `relations`.

    Raises:
        InputError: an argument is not as above, or inputs are no two or more different columns.
    """
    x = check_points(x, least=50)
    check_count(grid_size, "grid_size")
    inputs = tuple(sorted(inputs))
    if len(set(inputs)) < max(len(inputs), 2) or not set(inputs) <= set(range(x.shape[1])):
        raise InputError(f"inputs must be two or more different columns of {x.shape[1]}, got {inputs}")
    search = _Search(x, grid_size, 1.0, torch.Generator().manual_seed(seed))
    candidates = sorted(search.candidates([inputs]), key=lambda candidate: candidate.looseness)
    search.tests = 1
    return search.relation(candidates[0], Counter(), []) if candidates else None


@dataclass
class _Candidate:
    subset: tuple[int, ...]
    coef: Tensor  # (k, n), of the orthonormal functions
    looseness: float
    parts: Tensor  # (N, k) on the held-out rows


class _Search:
    """The functions of every column on both halves of the rows, and what is looked for in them."""

    def __init__(self, x: Tensor, grid_size: int, loosest: float, generator: torch.Generator):
        self.loosest, self.generator = loosest, generator
        x = x[torch.randperm(len(x), generator=generator)[:ROWS]]
        self.used = [i for i in range(x.shape[1]) if bool((x[:, i] != x[0, i]).any())]
        # Knots only where a few rows lie: beyond the last ones a function is a straight line, not a free end that one
        # row decides. What is far out is moved to Tukey's fences.
        ordered, few = x.sort(0).values, max(1, len(x) // 200)
        ends = torch.stack([ordered[few - 1], ordered[-few]], 1)
        fences = data_domain(x)
        self.knots = knot_vectors.uniform(torch.where(ends[:, :1] < ends[:, 1:], ends, fences), grid_size, DEGREE)
        values = basis(torch.maximum(torch.minimum(x, fences[:, 1]), fences[:, 0]), self.knots, DEGREE)
        half = len(x) // 2
        self.centre = values[:half].mean(0)
        fit, test = values[:half] - self.centre, values[half:] - self.centre
        self.turn = torch.stack([_whitening(column) for column in fit.unbind(1)])  # (d, n, n)
        self.fit, self.test = (torch.einsum("bin,inm->bim", part, self.turn) for part in (fit, test))
        self.covariance = torch.einsum("bim,bjl->imjl", self.fit, self.fit) / half
        self.tests = 0

    def networks(self, seeds: int, steps: int) -> tuple[Counter, list[set[int]]]:
        """How often each subset was found, and the columns each network saw."""
        if seeds == 0 or len(self.used) < 2:
            return Counter(), []
        values = self.fit[:, self.used]
        settings = {"sparsity": PENALTY, "columns": COLUMNS, "generator": self.generator}
        coef = train_networks(values, seeds=seeds, steps=steps, **settings)
        counted: Counter = Counter()
        for own in coef:
            parts = torch.einsum("bim,im->bi", values, own)
            counted.update(tuple(self.used[i] for i in subset) for subset in subsets_of(parts))
        saw = [{self.used[i] for i in own.any(1).nonzero()[:, 0].tolist()} for own in coef]
        return counted, saw

    def result(self, counted: Counter, saw: list[set[int]], seeds: int, names: list[str]) -> Relations:
        kept: list[_Candidate] = []
        for group in self._subsets(counted):
            for candidate in sorted(self.candidates(group), key=lambda c: c.looseness):
                if not any(_contains(candidate, other) for other in kept):
                    kept.append(candidate)
        kept = _tightest_of_each(kept)
        found = [self.relation(candidate, counted, saw) for candidate in kept if not _is_shadow(candidate, kept)]
        found = sorted((r for r in found if r.p_value < CHANCE), key=lambda r: (r.looseness, r.inputs))
        return Relations(tuple(found), self.tests, tuple(_sentences(found, names, self.tests, seeds)))

    def _subsets(self, counted: Counter) -> Iterator[list[tuple[int, ...]]]:
        """Subsets to look at, all of one size at a time, small ones first."""
        yield list(combinations(self.used, 2))
        everything = math.comb(len(self.used), 3) <= EXHAUSTIVE
        larger = {subset for subset in counted if len(subset) > 2}
        triples = set(combinations(self.used, 3)) if everything else {s for s in larger if len(s) == 3}
        yield sorted(triples)
        for size in sorted({len(subset) for subset in larger} - {3}):
            yield sorted(subset for subset in larger if len(subset) == size)

    def candidates(self, subsets: list[tuple[int, ...]]) -> Iterator[_Candidate]:
        """The tightest sums of functions of each subset, those in which every column takes part."""
        self.tests += len(subsets) * BRANCHES
        for block in _blocks(subsets, 2000):
            index = torch.tensor(block)
            k, n = index.shape[1], self.fit.shape[2]
            matrix = self.covariance[index[:, :, None], :, index[:, None, :], :]  # (s, k, k, n, n)
            matrix = matrix.permute(0, 1, 3, 2, 4).reshape(len(block), k * n, k * n)
            missing = matrix.diagonal(dim1=1, dim2=2) < 0.5
            matrix = matrix + torch.diag_embed(10.0 * missing)
            vectors = torch.linalg.eigh(matrix).eigenvectors[:, :, :BRANCHES].mT.reshape(len(block), -1, k, n)
            for subset, branches in zip(block, vectors, strict=True):
                for coef in branches:
                    parts = torch.einsum("bim,im->bi", self.test[:, list(subset)], coef)
                    parts = parts - parts.mean(0)
                    size = parts.square().mean(0)
                    looseness = float(parts.sum(1).square().mean() / size.sum())
                    if looseness <= self.loosest and bool((size >= LEAST_PART**2 * size.max()).all()):
                        yield _Candidate(subset, coef, looseness, parts)

    def relation(self, candidate: _Candidate, counted: Counter, saw: list[set[int]]) -> Relation:
        parts, size = candidate.parts, candidate.parts.square().mean(0).sum()
        shuffled = []
        for _ in range(PERMUTATIONS):
            moved = sum(part[torch.randperm(len(part), generator=self.generator)] for part in parts.unbind(1))
            shuffled.append(float(moved.square().mean() / size))
        chance = torch.tensor(shuffled)
        z = float((chance.mean() - candidate.looseness) / chance.std())
        p = 0.5 * math.erfc(z / 2**0.5)
        lowest = (1 + int((chance <= candidate.looseness).sum())) / (1 + PERMUTATIONS)
        p_value = min(1.0, self.tests * p) if lowest < CHANCE else lowest
        trials = sum(set(candidate.subset) <= columns for columns in saw)
        seeds = counted[candidate.subset]
        share = 1 / math.comb(len(self.used), len(candidate.subset))
        model = self._model(candidate)
        return Relation(
            candidate.subset, candidate.looseness, z, p_value, seeds, trials, _tail(seeds, trials, share), model
        )

    def _model(self, candidate: _Candidate) -> KAN:
        """The sum as a KAN of the columns as they are, with mean 0 on the rows it was found on."""
        columns = list(candidate.subset)
        n = self.turn.shape[1]
        model = KAN([len(columns), 1], n - DEGREE, DEGREE, base="zero", dtype=torch.float64)
        layer = model.layers[0]
        coef = torch.einsum("inm,im->in", self.turn[columns], candidate.coef)
        # B-splines sum to one: less its mean, a function has its coefficients less that.
        coef = coef - (self.centre[columns] * coef).sum(1, keepdim=True)
        with torch.no_grad():
            layer.knots.copy_(self.knots[columns])
            layer.coef.copy_(coef[:, :, None])
            layer.domain_is_set.fill_(True)
        return model


def _whitening(values: Tensor) -> Tensor:
    """T (n, n) such that values @ T has orthonormal columns over the rows, with zeros for directions that are not
    there."""
    _, size, right = torch.linalg.svd(values / len(values) ** 0.5, full_matrices=False)
    turn = torch.zeros(values.shape[1], values.shape[1], dtype=values.dtype)
    there = size > 1e-3 * size.max().clamp(min=1e-12)
    turn[:, : int(there.sum())] = right.T[:, there] / size[there]
    return turn


def _blocks(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _contains(candidate: _Candidate, other: _Candidate) -> bool:
    """Whether a candidate is another one, of fewer or the same columns, with something added that it does not need."""
    if not set(other.subset) <= set(candidate.subset) or candidate.looseness < NEEDED * other.looseness:
        return False
    places = [candidate.subset.index(i) for i in other.subset]
    mine = candidate.parts[:, places]
    similar = (mine * other.parts).mean(0) / (mine.square().mean(0) * other.parts.square().mean(0)).sqrt()
    # The same functions, but for the sign of all; or so much looser that it is a shadow of the other.
    return bool((similar.abs() > 0.8).all()) or candidate.looseness > other.looseness / NEEDED * 4


def _is_shadow(candidate: _Candidate, others: list[_Candidate]) -> bool:
    """Whether it binds some of the columns that another one binds far tighter."""
    return any(
        set(candidate.subset) < set(other.subset) and candidate.looseness > SHADOW * other.looseness for other in others
    )


def _tightest_of_each(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    best: dict[tuple[int, ...], _Candidate] = {}
    for candidate in candidates:
        old = best.get(candidate.subset)
        if old is None or candidate.looseness < old.looseness:
            best[candidate.subset] = candidate
    return list(best.values())


def _tail(successes: int, trials: int, share: float) -> float:
    """Probability of at least so many successes, binomial."""
    if successes == 0:
        return 1.0
    return math.fsum(
        math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes, trials + 1)
    )


def _sentences(found: list[Relation], names: list[str], tests: int, seeds: int) -> Iterator[str]:
    if not found:
        yield f"No relation stands out from chance among {tests:,} tests."
    for one in found:
        written = ", ".join(names[i] for i in one.inputs)
        exact = "exact to rounding" if one.looseness < 1e-9 else f"looseness {one.looseness:.2g}"
        by = f"; {one.seeds} of {one.networks} networks that saw these columns found it" if seeds else ""
        yield f"{written}: {exact} (z = {one.z:.0f} against shuffled columns{by})."
