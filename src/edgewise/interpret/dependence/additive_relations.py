"""Relations among the columns of a table without a target: sums of functions of single columns that stay near zero.

Small networks that distinguish rows of the table from rows with shuffled columns propose which columns belong together
(`train_networks`, `subsets_of`); `relations` then finds the functions by eigenvalues and tests them on held-out rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from edgewise.checks import check_count, check_labels, numbered, typed
from edgewise.errors import InputError
from edgewise.interpret.black_box import check_points
from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis
from edgewise.presentation import number_text
from edgewise.settings import chunks
from edgewise.train.grids import data_domain


@dataclass(frozen=True)
class RelationSettings:
    """Settings of the networks that propose subsets, of the search for functions, and of the tests."""

    learning_rate: float = 0.02  # of Adam; it falls to 0 along a cosine
    moments: tuple[float, float] = (0.9, 0.99)
    start_deviation: float = 0.6  # of the sum of all functions at the start, for a Gaussian of width 1
    sparsity: float = 0.01  # weight of the penalty, as in Liu et al. (arXiv 2404.19756), section 3.3
    seen_columns: float = 0.6  # share that each network sees, so that different seeds find different relations
    active: float = 0.1  # a column takes part from this share of the largest function's deviation on
    most_active: int = 8  # columns of a network whose subsets are examined: 2^8 subsets
    loosest_subset: float = 0.5  # largest looseness at which a subset counts as a relation at all
    as_tight: float = 2.0  # a part that is at most this much looser than the whole network is a relation of its own
    degree: int = 3  # of the splines
    intervals: int = 5  # knot intervals of every function
    loosest: float = 0.25  # largest looseness of a relation; two columns with correlation r have 1 - r
    most_rows: int = 4000  # that are used: half to find relations, half to test them
    most_triples: int = 20_000  # subsets of three columns up to which all of them are tested
    branches: int = 3  # independent relations that are sought in one subset
    least_part: float = 0.25  # smallest deviation of the function of any column, relative to the largest one
    shadow: float = 10.0  # a relation among some columns of one that is this much tighter is only a part of that one
    needed: float = 0.75  # a relation with more columns must be tighter by this factor for them to count
    similar: float = 0.8  # correlation from which on two functions of a column count as the same
    permutations: int = 199  # of the permutation test: the smallest p-value it can show is 1 / 200
    chance: float = 0.01  # probability of one false relation among all that are tested (Bonferroni)


SETTINGS = RelationSettings()


def train_networks(values: Tensor, seeds: int, steps: int, generator: torch.Generator) -> Tensor:
    """Train networks [d, 1, 1] with a Gaussian last on basis values (N, d, n); returns coefficients (seeds, d, n)."""
    # g = exp(-z^2 / 2) with z = sum_i phi_i(x_i) is to be 1 on rows of the data and 0 on rows whose columns were
    # permuted independently (anew in every step), with the L1 and entropy penalty on the size of the functions. A
    # permutation acts on the values of the functions, so all networks cost one product per column and step.
    # Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), section 3.3.
    rows, d, n = values.shape
    basis_values = values.float().permute(1, 0, 2).contiguous()
    single = torch.float32  # whatever the caller's default is
    # Each network sees a random part of the columns, at least two, and starts from random functions of them.
    seen = torch.rand(seeds, d, generator=generator, dtype=single) < SETTINGS.seen_columns
    seen |= torch.rand(seeds, d, generator=generator, dtype=single).argsort(1) < 2
    usable = values.square().sum(0).gt(0) & seen[:, :, None]
    coef = torch.randn(seeds, d, n, generator=generator, dtype=single) * usable
    coef *= SETTINGS.start_deviation / coef.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-6)
    coef.requires_grad_()
    optimiser = torch.optim.Adam([coef], lr=SETTINGS.learning_rate, betas=SETTINGS.moments)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = SETTINGS.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        # Loss on the data (1 is right) and on shuffled columns (0 is right), and the penalty on the functions.
        parts = torch.bmm(basis_values, (coef * usable).permute(1, 2, 0))  # (d, N, seeds)
        shuffled = torch.stack([part[torch.randperm(rows, generator=generator)] for part in parts]).sum(0)
        loss = (1 - _gaussian_value(parts.sum(0))).square().mean(0) + _gaussian_value(shuffled).square().mean(0)
        size = ((coef * usable).square().sum(2) + 1e-12).sqrt()
        share = size / size.sum(1, keepdim=True)
        penalty = size.sum(1) - (share * (share + 1e-12).log()).sum(1)  # L1 + entropy
        optimiser.zero_grad()
        (loss + SETTINGS.sparsity * penalty).sum().backward()
        optimiser.step()
    return (coef * usable).detach().to(values.dtype)


def _gaussian_value(z: Tensor) -> Tensor:
    return torch.exp(-z.square() / 2)


def subsets_of(parts: Tensor) -> Iterator[tuple[int, ...]]:
    """Yield the sets of columns that a network with functions of values (N, d) relates, one per relation.

    Two independent relations z_1 = 0 and z_2 = 0 pass a network as their sum. So of all subsets of the active columns
    those count that are about as tight as the whole (variance of the sum over the sum of variances) and have no subset
    that is.
    """
    # The active columns, by the deviation of their functions.
    size = parts.square().mean(0)
    is_active = size > SETTINGS.active**2 * size.max()
    active = [i for i in size.argsort(descending=True).tolist() if is_active[i]][: SETTINGS.most_active]
    if len(active) < 2 or not float(size.max()) > 0:
        return
    covariance = parts.T @ parts / len(parts)

    def looseness(subset: tuple[int, ...]) -> float:
        block = covariance[list(subset)][:, list(subset)]
        return float(block.sum() / block.diagonal().sum())

    # The subsets from small to large, none with a part that was taken.
    limit = min(SETTINGS.loosest_subset, SETTINGS.as_tight * max(looseness(tuple(active)), 1e-4))
    chosen: list[set[int]] = []
    for count in range(2, len(active) + 1):
        for subset in combinations(sorted(active), count):
            if not any(part <= set(subset) for part in chosen) and looseness(subset) <= limit:
                chosen.append(set(subset))
                yield subset


@dataclass(frozen=True)
class Relation:
    """Columns with sum_i phi_i(x_i) = 0, exactly or nearly."""

    inputs: tuple[int, ...]  # the columns
    # variance of the sum over the sum of the variances of its terms, on rows that were not used to find it: 0 for an
    # exact relation, about 1 for unrelated columns
    looseness: float
    z: float  # standard deviations by which the looseness lies below that of shuffled columns
    p_value: float  # probability of as low a looseness in any of the tests that were made (Bonferroni, normal tail)
    seeds: int  # number of networks that found the relation, of those that saw all its columns
    networks: int
    p_seeds: float  # probability of as many if each network found a random subset of that size
    model: KAN  # the network [k, 1] whose output is the sum, in the units of the columns


@dataclass(frozen=True)
class Relations:
    """Result of `relations`."""

    relations: tuple[Relation, ...]  # those that hold, tightest first
    tests: int  # number of tests that were made
    sentences: tuple[str, ...]  # the result in words


@typed
def relations(
    x: ArrayLike | Tensor,
    *,
    names: Sequence[str] | None = None,
    seeds: int = 30,
    steps: int = 300,
    seed: int = 0,
) -> Relations:
    """Find the relations among the columns of a table without a target.

    Candidates are all subsets of up to three columns, and the subsets that networks from many seeds relate
    (`train_networks`). For each subset the functions with the smallest variance of their sum, given the sum of their
    variances, are eigenvectors. They are found on one half of the rows and tested on the other against shuffled
    columns; a subset counts if no part of it is about as tight, and if it is no part of a far tighter one.

    A relation that is no sum of functions of single columns, such as a product of sums, is seen only as far as such a
    sum approximates it.

    Parameters
    ----------
    x : array-like or Tensor
        Table (N, d), N at least 50; constant columns are ignored.
    names : sequence of str, optional
        Names of the columns; x1, x2, ... if left out.
    seeds : int
        Number of networks; 0 leaves them out.
    steps : int
        Training steps of each network.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    Relations
        The `relations` that hold, the number of `tests`, and `sentences`. A relation has `inputs`, `looseness`, `z`,
        `p_value`, the number of `networks` and of networks that found it, `seeds`, and the sum as a `model`.

    Raises
    ------
    InputError
        An argument is not as above.

    References
    ----------
    Liu et al. (arXiv 2404.19756), section 3.3; D. Donnell, A. Buja and W. Stuetzle, "Analysis of additive dependencies
    and concurvities using smallest additive principal components", Annals of Statistics 22, 1994.

    Examples
    --------
    >>> import torch
    >>> from edgewise.interpret import relations
    >>> x = torch.rand(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> x[:, 2] = x[:, 0] ** 3
    >>> [relation.inputs for relation in relations(x, seeds=0).relations]
    [(0, 2)]
    """
    x = check_points(x, least=50)
    check_count(seeds, "seeds", 0)
    check_count(steps, "steps")
    check_count(seed, "seed", 0)
    names = check_labels(names, numbered("x", x.shape[1]))
    # The search among splines of the columns, with networks that propose subsets.
    search = _RelationSearch(x, SETTINGS.loosest, torch.Generator().manual_seed(seed))
    search.train_networks(seeds, steps)
    result = search.relations()
    # Sentences.
    sentences = []
    if not result:
        sentences = [f"No relation stands out from chance among {search.tests:,} tests."]
    for relation in result:
        listed = ", ".join(names[i] for i in relation.inputs)
        exact = f"looseness {number_text(relation.looseness, 2)}"
        if relation.looseness < 1e-9:
            exact = "exact to rounding"
        by = ""
        if seeds:
            by = f"; {relation.seeds} of {relation.networks} networks that saw these columns found it"
        sentences.append(f"{listed}: {exact} (z = {relation.z:.0f} against shuffled columns{by}).")
    return Relations(result, search.tests, tuple(sentences))


def bound_together(x: ArrayLike | Tensor, inputs: Sequence[int], *, seed: int = 0) -> Relation | None:
    """Find the tightest relation of given columns of a table in which all of them take part."""
    # This is a single test that was planned beforehand: its p-value has no correction for other tests, and some of the
    # columns may be related more tightly among themselves.
    x = check_points(x, least=50)
    inputs = tuple(sorted(inputs))
    if len(set(inputs)) < max(len(inputs), 2) or not set(inputs) <= set(range(x.shape[1])):
        raise InputError(f"inputs must be two or more different columns of {x.shape[1]}, got {inputs}")
    search = _RelationSearch(x, 1.0, torch.Generator().manual_seed(seed))
    candidates = sorted(search.candidates([inputs]), key=lambda candidate: candidate.looseness)
    search.tests = 1
    if candidates:
        return search.tested(candidates[0])
    return None


@dataclass
class _Candidate:
    """Functions of a subset of the columns whose sum varies little."""

    subset: tuple[int, ...]
    coef: Tensor  # (k, n), of the orthonormal functions
    looseness: float
    parts: Tensor  # (N, k), values of the functions on the held-out rows

    def contains(self, other: _Candidate) -> bool:
        """Return whether this is the other candidate plus columns (if any) that it does not need."""
        if not set(other.subset) <= set(self.subset) or self.looseness < SETTINGS.needed * other.looseness:
            return False
        common = self.parts[:, [self.subset.index(i) for i in other.subset]]
        similar = (common * other.parts).mean(0) / (common.square().mean(0) * other.parts.square().mean(0)).sqrt()
        # The same functions up to the sign of all of them, or a relation that is much looser than the other one.
        return bool((similar.abs() > SETTINGS.similar).all()) or self.looseness > other.looseness / SETTINGS.needed * 4

    def is_shadow_of(self, other: _Candidate) -> bool:
        """Return whether the other candidate relates more columns, these among them, far more tightly."""
        return set(self.subset) < set(other.subset) and self.looseness > SETTINGS.shadow * other.looseness


class _RelationSearch:
    """The basis functions of every column on both halves of the rows, and the search for relations among them."""

    def __init__(self, x: Tensor, loosest: float, generator: torch.Generator):
        self.loosest = loosest
        self.generator = generator
        x = x[torch.randperm(len(x), generator=generator)[: SETTINGS.most_rows]]
        self.used = [i for i in range(x.shape[1]) if bool((x[:, i] != x[0, i]).any())]
        # Knots lie only where a few rows do: beyond the last one a function is a straight line, not a free end that a
        # single row decides. Values beyond Tukey's fences are moved to the fences.
        ordered = x.sort(0).values
        few = max(1, len(x) // 200)
        ends = torch.stack([ordered[few - 1], ordered[-few]], 1)
        fences = data_domain(x)
        self.knots = knot_vectors.uniform(
            torch.where(ends[:, :1] < ends[:, 1:], ends, fences), SETTINGS.intervals, SETTINGS.degree
        )
        # Orthonormal functions of each column on one half of the rows, and their covariance; the other half tests.
        values = basis(torch.maximum(torch.minimum(x, fences[:, 1]), fences[:, 0]), self.knots, SETTINGS.degree)
        half = len(x) // 2
        self.centre = values[:half].mean(0)
        fit = values[:half] - self.centre
        test = values[half:] - self.centre
        self.turn = torch.stack([_whitening(column) for column in fit.unbind(1)])  # (d, n, n)
        self.fit, self.test = (torch.einsum("bin,inm->bim", part, self.turn) for part in (fit, test))
        self.covariance = torch.einsum("bim,bjl->imjl", self.fit, self.fit) / half
        self.tests = 0
        self.counted: Counter[tuple[int, ...]] = Counter()
        self.columns_seen: list[set[int]] = []

    def train_networks(self, seeds: int, steps: int) -> None:
        """Count how many networks find each subset of columns."""
        if seeds == 0 or len(self.used) < 2:
            return
        values = self.fit[:, self.used]
        coef = train_networks(values, seeds, steps, self.generator)
        for own in coef:
            parts = torch.einsum("bim,im->bi", values, own)
            self.counted.update(tuple(self.used[i] for i in subset) for subset in subsets_of(parts))
            self.columns_seen.append({self.used[i] for i in own.any(1).nonzero()[:, 0].tolist()})

    def relations(self) -> tuple[Relation, ...]:
        """Find, filter and test the relations; the tightest first."""
        kept: list[_Candidate] = []
        # From tight to loose, a candidate that only adds columns to one before it is passed over.
        for subsets in self._subsets():
            for candidate in sorted(self.candidates(subsets), key=lambda candidate: candidate.looseness):
                if not any(candidate.contains(other) for other in kept):
                    kept.append(candidate)
        # Of each subset the tightest sum, and of these the ones that are significant and no part of a far tighter one.
        tightest: dict[tuple[int, ...], _Candidate] = {}
        for candidate in kept:
            other = tightest.setdefault(candidate.subset, candidate)
            if candidate.looseness < other.looseness:
                tightest[candidate.subset] = candidate
        kept = list(tightest.values())
        tested = [self.tested(one) for one in kept if not any(one.is_shadow_of(other) for other in kept)]
        significant = (relation for relation in tested if relation.p_value < SETTINGS.chance)
        return tuple(sorted(significant, key=lambda relation: (relation.looseness, relation.inputs)))

    def _subsets(self) -> Iterator[list[tuple[int, ...]]]:
        """Subsets that are tested, all of one size at a time, small ones first."""
        yield list(combinations(self.used, 2))
        larger = {subset for subset in self.counted if len(subset) > 2}
        triples = {subset for subset in larger if len(subset) == 3}
        if math.comb(len(self.used), 3) <= SETTINGS.most_triples:
            triples = set(combinations(self.used, 3))
        yield sorted(triples)
        for size in sorted({len(subset) for subset in larger} - {3}):
            yield sorted(subset for subset in larger if len(subset) == size)

    def candidates(self, subsets: list[tuple[int, ...]]) -> Iterator[_Candidate]:
        """The tightest sums of functions of each subset (all of one size) in which every column takes part."""
        self.tests += len(subsets) * SETTINGS.branches
        if not subsets:
            return
        k = len(subsets[0])
        n = self.fit.shape[2]
        for part in chunks(len(subsets), 4 * (k * n) ** 2):  # eigenvalue problems that are solved together
            # Covariance matrices of the orthonormal functions of each subset, without directions that are missing.
            block = subsets[part]
            index = torch.tensor(block)
            matrix = self.covariance[index[:, :, None], :, index[:, None, :], :]  # (s, k, k, n, n)
            matrix = matrix.permute(0, 1, 3, 2, 4).reshape(len(block), k * n, k * n)
            missing = matrix.diagonal(dim1=1, dim2=2) < 0.5
            matrix = matrix + torch.diag_embed(10.0 * missing)
            vectors = torch.linalg.eigh(matrix).eigenvectors[:, :, : SETTINGS.branches].mT.reshape(len(block), -1, k, n)
            # The sums of smallest variance, on the held-out rows.
            for subset, branches in zip(block, vectors, strict=True):
                for coef in branches:
                    parts = torch.einsum("bim,im->bi", self.test[:, list(subset)], coef)
                    parts = parts - parts.mean(0)
                    size = parts.square().mean(0)
                    looseness = float(parts.sum(1).square().mean() / size.sum())
                    if looseness <= self.loosest and bool((size >= SETTINGS.least_part**2 * size.max()).all()):
                        yield _Candidate(subset, coef, looseness, parts)

    def tested(self, candidate: _Candidate) -> Relation:
        """Test a candidate against shuffled columns and against the networks."""
        # Permutation test: the looseness of independently shuffled columns.
        parts = candidate.parts
        size = candidate.parts.square().mean(0).sum()
        shuffled = []
        for _ in range(SETTINGS.permutations):
            columns = [part[torch.randperm(len(part), generator=self.generator)] for part in parts.unbind(1)]
            shuffled.append(float(sum(columns[1:], columns[0]).square().mean() / size))
        chance = torch.tensor(shuffled)
        z = float((chance.mean() - candidate.looseness) / chance.std())
        lowest = (1 + int((chance <= candidate.looseness).sum())) / (1 + SETTINGS.permutations)
        # Of 199 permutations none can be as small as Bonferroni's limit: beyond it the normal tail extrapolates.
        p_value = lowest
        if lowest < SETTINGS.chance:
            p_value = min(1.0, self.tests * 0.5 * math.erfc(z / 2**0.5))
        seeds = self.counted[candidate.subset]
        networks = sum(set(candidate.subset) <= columns for columns in self.columns_seen)
        share = 1 / math.comb(len(self.used), len(candidate.subset))
        # Binomial tail: the probability of at least this number of successes.
        p_seeds = 1.0
        if seeds:
            p_seeds = math.fsum(
                math.comb(networks, k) * share**k * (1 - share) ** (networks - k) for k in range(seeds, networks + 1)
            )
        model = self._model(candidate)
        return Relation(candidate.subset, candidate.looseness, z, p_value, seeds, networks, p_seeds, model)

    def _model(self, candidate: _Candidate) -> KAN:
        """The sum as a KAN of the columns in their units, with mean 0 on the rows it was found on."""
        # Back from orthonormal functions to coefficients of B-splines.
        columns = list(candidate.subset)
        n = self.turn.shape[1]
        model = KAN([len(columns), 1], n - SETTINGS.degree, SETTINGS.degree, base="zero", dtype=torch.float64)
        (layer,) = edge_layers(model)
        coef = torch.einsum("inm,im->in", self.turn[columns], candidate.coef)
        # B-splines sum to one: subtracting the mean from all coefficients subtracts it from the function.
        coef = coef - (self.centre[columns] * coef).sum(1, keepdim=True)
        with torch.no_grad():
            layer.knots.copy_(self.knots[columns])
            layer.coef.copy_(coef[:, :, None])
            layer.domain_is_set.fill_(True)
        return model


def _whitening(values: Tensor) -> Tensor:
    """T (n, n) such that values @ T has orthonormal columns over the rows, with zero columns for missing directions."""
    _, size, right = torch.linalg.svd(values / len(values) ** 0.5, full_matrices=False)
    turn = torch.zeros(values.shape[1], values.shape[1], dtype=values.dtype)
    present = size > 1e-3 * size.max().clamp(min=1e-12)
    turn[:, : int(present.sum())] = right.T[:, present] / size[present]
    return turn
