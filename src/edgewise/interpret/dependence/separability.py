"""Tests of a function's structure: interacting inputs, separability and symmetries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from edgewise.checks import check_count, check_labels, check_number, is_integer, numbered, typed
from edgewise.errors import InputError
from edgewise.interpret.black_box import BlackBox, TensorFunction, check_points, input_gradient, tensor_function
from edgewise.presentation import number_text
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.discovery.reduction.symmetries import Symmetry as GradientSymmetry


@dataclass(frozen=True)
class StructureSettings:
    """Limits of the tests of a function's structure."""

    standard_errors: float = 3.0  # of the score that the stated noise gives: thresholds
    highest_threshold: float = 0.12  # above it a test decides nothing: scores without structure start at 0.2
    least_score: float = 1e-8  # counts as zero whatever the function is: differences of float64 numbers
    most_exhaustive: int = 8  # inputs up to which every subset is tested (2^8), beyond them single inputs and pairs
    largest_offset: float = 1e3  # of a product, in sizes of the function: a sum looks like one with a large offset
    # The error of a fitted function varies over about a quarter of the standard deviation of its inputs (a knot
    # interval of ten over a uniform input is 0.35, of a sine the length is the period / 2 pi).
    error_length: float = 0.25


SETTINGS = StructureSettings()

Groups = tuple[tuple[int, ...], ...]  # sets of inputs, by their columns


@dataclass(frozen=True)
class Symmetry:
    """Several inputs that act only through one combination of them."""

    # "sum" (coefficient * x_i + x_j), "product" (x_i^coefficient * x_j) or "general" (some function of the inputs)
    kind: str
    inputs: tuple[int, ...]  # their columns
    coefficient: float  # or exponent of the first input, NaN for "general"
    score: float  # deviation from the symmetry: 0 where it holds exactly, about 0.7 where it does not hold at all
    threshold: float  # largest score that the stated noise explains


@dataclass(frozen=True)
class Structure:
    """Separability and symmetries of a function, from `structure`.

    Attributes
    ----------
    interactions : Tensor
        (d, d), strength of the interaction of each two inputs, see `interactions`.
    threshold : float
        Two inputs with a weaker interaction count as not interacting.
    additive : tuple of tuple of int
        Groups of inputs; the function is a sum of one function of each group. One group if nothing separates.
    multiplicative : tuple of tuple of int
        Groups of inputs; the function minus `offset` is a product of one function of each group. Empty for a constant
        function.
    offset : float
        Constant that is subtracted before the function separates into a product.
    general : tuple of tuple of int
        Groups of the inputs that have an effect; f = F(sum of one function of each group) with some outer F.
    symmetries : tuple of Symmetry
        The symmetries that hold, those of the fewest inputs first: each with a `kind`, "sum" (coefficient * x_i + x_j),
        "product" (x_i^coefficient * x_j) or "general", its `inputs`, `coefficient`, `score` and `threshold`.
    sentences : tuple of str
        The result in words.
    fewer_inputs : tuple of str
        By translations and by scalings of the inputs, the fewest combinations on which the function y, or its quotient
        by a product of powers, depends: "y/(m1*m2) depends on r1 - r2", for example. Empty without any.

    Examples
    --------
    >>> x = 1 + torch.rand(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> structure(lambda x: x[:, 0].exp() * x[:, 1], x, names=["a", "b"]).sentences[0]
    'A product of functions of (a), (b).'
    """

    interactions: Tensor
    threshold: float
    additive: Groups
    multiplicative: Groups
    offset: float
    general: Groups
    symmetries: tuple[Symmetry, ...]
    sentences: tuple[str, ...]
    fewer_inputs: tuple[str, ...] = ()


@typed
def interactions(
    model: BlackBox, x: ArrayLike | Tensor, *, inputs: Sequence[int] | None = None, rows: int = 256, seed: int = 0
) -> Tensor:
    """Measure how strongly each two inputs interact.

    With a and b two rows of x, and a_i the row a with its i-th value taken from b, the score is

        rms( f(a) - f(a_i) - f(a_j) + f(a_ij) ) / (2 * standard deviation of f).

    Like a Sobol' index it is a share of the variation; unlike second derivatives it needs no step size. Mixed rows may
    lie where there are no data if the inputs are strongly related.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of a tensor (N, d), see `edgewise.interpret.black_box.tensor_function`; its first output counts.
    x : array-like or Tensor
        Points (N, d).
    inputs : sequence of int, optional
        Columns that are compared, all if left out; the others score 0.
    rows : int
        Number of pairs of rows that are drawn.
    seed : int
        Seed of that draw.

    Returns
    -------
    Tensor
        (d, d), symmetric: 0 where the effects of two inputs add up, 1 for a product of the two alone.

    Raises
    ------
    InputError
        An argument is not as above, or the function is not finite at the points.

    Notes
    -----
    The second difference is that of KAN 2.0 (Z. Liu et al., arXiv 2408.10205, section 4.3), between rows of the data.

    Examples
    --------
    >>> x = torch.rand(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> (interactions(lambda x: x[:, 0] * x[:, 1] + x[:, 2], x) > 0.01).int().tolist()
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    pairs = RowPairs(model, x, rows, seed)
    if inputs is None:
        inputs = range(pairs.inputs)
    chosen = sorted(inputs)
    if not all(is_integer(place) and 0 <= place < pairs.inputs for place in chosen):
        raise InputError(f"inputs must be columns from 0 to {pairs.inputs - 1}, got {chosen}")
    return pairs.interactions(chosen)


def structure(
    model: BlackBox,
    x: ArrayLike | Tensor,
    *,
    noise: float = 0.0,
    names: Sequence[str] | None = None,
    rows: int = 256,
    seed: int = 0,
) -> Structure:
    """Test a function for separability and symmetries, with thresholds that follow from its noise.

    The tests are additive and multiplicative separability (the latter up to a constant that is determined too), sums
    inside an outer function F(g + h), combinations c * x_i + x_j and x_i^c * x_j, and f = F(h(x_S), rest) for any
    subset S of the inputs (beyond 8 inputs for pairs only). Null spaces of the gradients give translations and scalings
    of any number of inputs, as in the formula search: they say how few combinations of the inputs matter.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of a tensor (N, d), see `edgewise.interpret.black_box.tensor_function`; its first output counts.
    x : array-like or Tensor
        Points (N, d) in the domain of the function.
    noise : float
        Root mean square error of the function, in its unit; for a trained model its RMSE on validation data.
    names : sequence of str, optional
        Names of the inputs in the sentences; x1, x2, ... if left out.
    rows : int
        Number of pairs of points for each test.
    seed : int
        Seed of the draw of the pairs.

    Returns
    -------
    Structure
        Interactions, groups of separable inputs, symmetries, and sentences.

    Raises
    ------
    InputError
        An argument is not as above, or the function is not finite at the points.

    References
    ----------
    KAN 2.0 (Z. Liu et al., arXiv 2408.10205, section 4.3) and AI Feynman 2.0 (S.-M. Udrescu et al., arXiv 2006.10782);
    here with differences between rows of the data in place of second derivatives.

    Examples
    --------
    >>> import torch
    >>> from edgewise.interpret import structure
    >>> x = 1 + torch.rand(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> structure(lambda x: x[:, 0] * x[:, 1] + x[:, 2], x).additive
    ((0, 1), (2,))
    """
    check_number(noise, "noise")
    noise = float(noise)
    pairs = RowPairs(model, x, rows, seed)
    names = check_labels(names, numbered("x", pairs.inputs))
    # Mixed differences of pairs, and the threshold that noise gives them.
    scores = pairs.interactions(range(pairs.inputs))
    threshold = SETTINGS.least_score
    if pairs.spread > 0:
        threshold = max(SETTINGS.standard_errors * noise / pairs.spread, threshold)
    # Products with an offset, and the slopes from which general groups and symmetries follow.
    multiplicative, offset = _multiplicative_groups(pairs, noise)
    slopes = _Slopes(pairs, noise)
    used = [i for i in range(pairs.inputs) if slopes.matters(i)]
    linked = scores > threshold
    if threshold > SETTINGS.highest_threshold:  # the noise hides any interaction
        linked = torch.ones_like(linked)
    result = Structure(
        interactions=scores,
        threshold=threshold,
        additive=_connected_groups(linked),
        multiplicative=multiplicative,
        offset=offset,
        general=_general_groups(slopes, used),
        symmetries=tuple(_symmetries(slopes, used, linked)),
        sentences=(),
        fewer_inputs=tuple(_fewer_inputs(slopes, used, names)),
    )
    return replace(result, sentences=tuple(_sentences(result, names, used)))


class RowPairs:
    """Pairs of rows (a, b), and the function at a and at a with some inputs from b; nothing is evaluated twice."""

    def __init__(self, model: BlackBox, points: ArrayLike | Tensor, rows: int, seed: int):
        check_count(rows, "rows")
        check_count(seed, "seed", 0)
        self.function: TensorFunction = tensor_function(model)
        x = check_points(points)
        # Each pair is a row and a different one, drawn independently.
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(len(x), (rows,), generator=generator)
        other = (first + torch.randint(1, len(x), (rows,), generator=generator)) % len(x)
        self.a = x[first]
        self.b = x[other]
        self.inputs = x.shape[1]
        self._values: dict[frozenset[int], Tensor] = {}
        value = self.value()
        self.spread = float(value.std(correction=0))
        self.size = float(value.square().mean().sqrt())

    @property
    def is_constant(self) -> bool:
        """True if the function varies by no more than rounding."""
        return self.spread <= SETTINGS.least_score * self.size

    def mixed(self, *inputs: int) -> Tensor:
        """The rows a with these inputs from b, (rows, d)."""
        rows = self.a.clone()
        rows[:, list(inputs)] = self.b[:, list(inputs)]
        return rows

    def value(self, *inputs: int) -> Tensor:
        """The function at the mixed rows, (rows,)."""
        key = frozenset(inputs)
        if key not in self._values:
            with torch.no_grad():
                value = self.function(self.mixed(*inputs))[:, 0]
            if not bool(value.isfinite().all()):
                raise InputError("model must be finite at mixed rows of x, got infinite or undefined values")
            self._values[key] = value
        return self._values[key]

    def second_difference(self, i: int, j: int) -> Tensor:
        """f(a) - f(a_i) - f(a_j) + f(a_ij), (rows,)."""
        return self.value() - self.value(i) - self.value(j) + self.value(i, j)

    def interactions(self, inputs: Sequence[int]) -> Tensor:
        """Scores of all pairs of these inputs, (d, d); see `interactions`."""
        scores = torch.zeros(self.inputs, self.inputs, dtype=torch.float64)
        if not self.is_constant:
            for i, j in combinations(inputs, 2):
                scores[i, j] = scores[j, i] = rms(self.second_difference(i, j)) / (2 * self.spread)
        return scores


class _Slopes:
    """Gradients at the rows a and at mixed rows, and the error that the noise gives them."""

    def __init__(self, pairs: RowPairs, noise: float):
        self.pairs = pairs
        self.a = input_gradient(pairs.function, pairs.a)
        width = pairs.a.std(0, correction=0)
        self.error = noise / torch.where(width > 0, SETTINGS.error_length * width, torch.inf)
        self.size = self.a.square().mean(0).sqrt()
        # The variation that an input causes decides whether it matters at all.
        self._share = self.size * width / max(pairs.spread, ABOVE_ZERO)
        self._least = max(SETTINGS.standard_errors * noise / max(pairs.spread, ABOVE_ZERO), SETTINGS.least_score)

    def matters(self, i: int) -> bool:
        """Return whether an input causes more variation than the noise explains."""
        return float(self._share[i]) > self._least

    def mixed(self, *inputs: int) -> Tensor:
        """The gradients at the mixed rows, (rows, d)."""
        return input_gradient(self.pairs.function, self.pairs.mixed(*inputs))

    def threshold(self, *inputs: int, factor: float = 1.0) -> float:
        """Threshold for the comparison of products of slopes by these inputs."""
        relative = torch.where(self.size > 0, self.error / self.size, 1.0)[list(inputs)].tolist()
        return max(
            SETTINGS.standard_errors * factor * sum(share**2 for share in relative) ** 0.5, 1e2 * SETTINGS.least_score
        )


def _multiplicative_groups(pairs: RowPairs, noise: float) -> tuple[Groups, float]:
    """Find groups with f - c = product of one function of each, and the c (0 if that separates as much as any other).

    With M = f(a) f(a_ij) - f(a_i) f(a_j) and D the second difference, f - c has M - c D in place of M; so c is the
    slope of M by D, over the pairs of inputs in different groups. These are not known: one such pair gives a first c,
    and the pairs that are separate with it give the final one.
    """
    d = pairs.inputs
    if pairs.size == 0 or pairs.is_constant:
        return (), 0.0
    best: tuple[Groups, float] = ((tuple(range(d)),), 0.0)
    if d < 2:
        return best
    # For f - c a product of functions of i and of j, M = c D with mixed differences D.
    both = list(combinations(range(d), 2))
    f = pairs.value()
    f_ij = torch.stack([pairs.value(*ij) for ij in both])
    f_i, f_j = (torch.stack([pairs.value(ij[side]) for ij in both]) for side in (0, 1))
    M = f * f_ij - f_i * f_j
    D = f - f_i - f_j + f_ij

    # Tests and fits of the offset.
    def separate(offset: float) -> Tensor:
        """Find the pairs (P,) that are separate with this offset; none where the noise hides it."""
        size = _rms_of_rows((f - offset) * (f_ij - offset)) + _rms_of_rows((f_i - offset) * (f_j - offset))
        threshold = max(SETTINGS.standard_errors * 2 * noise / max(rms(f - offset), ABOVE_ZERO), SETTINGS.least_score)
        return (_rms_of_rows(M - offset * D) <= threshold * size) & (threshold <= SETTINGS.highest_threshold)

    def fitted(chosen: Tensor) -> float:
        """Return the slope of M by D over some pairs.

        A sum is the limit of products whose offset grows without bound: there D vanishes and the slope is meaningless.
        """
        weight = float(D[chosen].square().sum())
        if weight > 0:
            offset = float((M[chosen] * D[chosen]).sum()) / weight
            if abs(offset) < SETTINGS.largest_offset * pairs.size:
                return offset
        return 0.0

    # Candidates for the offset c: none, the slope over all pairs, and the slope of each pair that interacts.
    offsets = [0.0, fitted(torch.ones(len(both), dtype=torch.bool))]
    known = torch.zeros(len(both), dtype=torch.bool)
    interact = _rms_of_rows(D) > 2 * pairs.spread * max(
        SETTINGS.standard_errors * noise / pairs.spread, SETTINGS.least_score
    )
    for number in range(len(both)):
        if not known[number] and interact[number]:
            chosen = separate(fitted(torch.arange(len(both)) == number))
            if chosen[number]:
                offsets.append(fitted(chosen & interact))
                known |= chosen
    # The offset with the most groups is taken; groups are connected by pairs that are not separate.
    ends = torch.tensor(both)
    for offset in offsets:
        linked = torch.zeros(d, d, dtype=torch.bool)
        linked[ends[:, 0], ends[:, 1]] = ~separate(offset)
        groups = _connected_groups(linked | linked.T)
        if len(groups) > len(best[0]):
            best = groups, offset
    return best


def _rms_of_rows(values: Tensor) -> Tensor:
    return values.square().mean(1).sqrt()


def _general_groups(slopes: _Slopes, used: list[int]) -> Groups:
    """Find groups of the used inputs whose parts add up inside some outer function.

    f = F(g(x_S) + h(x_T)) exactly if each ratio of slopes f_i / f_j, i in S, j in T, is a function of x_S times one of
    x_T; multiplied out, with S for the rows with x_S from b, f_i f_i(ST) f_j(S) f_j(T) = f_i(S) f_i(T) f_j f_j(ST); and
    each ratio within S is one of x_S alone, within T of x_T alone. Inputs that no such split separates form a group.
    """
    if not used:
        return ()
    at = slopes.a
    everything = slopes.mixed(*used)

    def separates(S: tuple[int, ...], T: tuple[int, ...]) -> bool:
        of_S = slopes.mixed(*S)
        of_T = slopes.mixed(*T)
        for i in S:
            for j in T:
                left = at[:, i] * everything[:, i] * of_S[:, j] * of_T[:, j]
                right = of_S[:, i] * of_T[:, i] * at[:, j] * everything[:, j]
                if not _agree(left, right, slopes.threshold(i, j, factor=2**0.5)):
                    return False
        return all(
            _agree(at[:, i] * moved[:, j], at[:, j] * moved[:, i], slopes.threshold(i, j))
            for group, moved in ((S, of_T), (T, of_S))
            for i, j in combinations(group, 2)
        )

    together = torch.zeros(len(slopes.size), len(slopes.size), dtype=torch.bool)
    together[torch.tensor(used)[:, None], torch.tensor(used)] = True
    # Splits of the inputs, the smaller side first.
    sizes: Sequence[int] = range(1, len(used) // 2 + 1)
    if len(used) > SETTINGS.most_exhaustive:
        sizes = (1,)
    for size in sizes:
        for S in combinations(used, size):
            T = tuple(k for k in used if k not in S)
            if T and bool(together[S[0], list(T)].any()) and separates(S, T):
                together[torch.tensor(S)[:, None], torch.tensor(T)] = False
                together[torch.tensor(T)[:, None], torch.tensor(S)] = False
    return tuple(group for group in _connected_groups(together) if group[0] in used)


def _agree(left: Tensor, right: Tensor, threshold: float) -> bool:
    return threshold <= SETTINGS.highest_threshold and _relative_difference(left, right) <= threshold


def _symmetries(slopes: _Slopes, used: list[int], interact: Tensor) -> Iterator[Symmetry]:
    """Test combinations of two inputs with a coefficient, then subsets that act through one function of them."""
    # Two inputs with a coefficient or an exponent: a regression of one slope on the other.
    named: set[tuple[int, ...]] = set()
    for i, j in combinations(used, 2):
        threshold = slopes.threshold(i, j) / 2
        x = slopes.pairs.a
        for kind, weights in (("sum", torch.ones_like(x)), ("product", x)):
            first = weights[:, i] * slopes.a[:, i]
            second = weights[:, j] * slopes.a[:, j]
            coefficient = float((first * second).sum() / second.square().sum())
            score = _relative_difference(first, coefficient * second)
            if score <= threshold <= SETTINGS.highest_threshold and coefficient != 0:
                named.add((i, j))
                yield Symmetry(kind, (i, j), coefficient, score, threshold)
                break
    # Subsets of the inputs, small ones first.
    sizes: Sequence[int] = range(2, len(used))
    if len(used) > SETTINGS.most_exhaustive:
        sizes = (2,)
    for size in sizes:
        for subset in combinations(used, size):
            rest = [k for k in used if k not in subset]
            # A subset that interacts with nothing outside is a symmetry that the additive groups state already.
            if subset in named or not bool(interact[list(subset)][:, rest].any()):
                continue
            # The gradient within the subset must have the same direction for any values of the other inputs.
            other = slopes.mixed(*rest)
            score = threshold = 0.0
            for i, j in combinations(subset, 2):
                score = max(score, _relative_difference(slopes.a[:, i] * other[:, j], slopes.a[:, j] * other[:, i]))
                threshold = max(threshold, slopes.threshold(i, j))
            if score <= threshold <= SETTINGS.highest_threshold:
                yield Symmetry("general", subset, float("nan"), score, threshold)


def _fewer_inputs(slopes: _Slopes, used: list[int], names: Sequence[str]) -> Iterator[str]:
    """The largest translation and the largest scaling of the used inputs that hold, as sentences without a full stop.

    Each vector w of a proposal is tested alone: the sum of w_i f_i, or of w_i x_i f_i - c f for the degree c of a
    scaling, must be as small beside its terms as the differences of slopes in `_symmetries`.
    """
    if not used:
        return
    # Loaded here, since a report measures `interactions` and no symmetry.
    from edgewise.discovery.reduction.chain import change_of
    from edgewise.discovery.reduction.steps import sentence_of
    from edgewise.discovery.reduction.symmetries import symmetries_of_gradients

    x, gradient, value = (part.numpy() for part in (slopes.pairs.a[:, used], slopes.a[:, used], slopes.pairs.value()))

    def holds(found: GradientSymmetry) -> bool:
        for vector, degree in zip(found.basis, found.degrees, strict=True):
            involved = vector.nonzero()[0]
            terms = gradient * vector
            if found.kind == "scaling":
                terms = terms * x
            terms = np.column_stack([terms, -degree * value])
            size = float(np.sqrt(np.mean(np.abs(terms).sum(1) ** 2)))
            left = float(np.sqrt(np.mean(terms.sum(1) ** 2)))
            threshold = slopes.threshold(*(used[i] for i in involved)) / 2
            if not left <= threshold * size or threshold > SETTINGS.highest_threshold:
                return False
        return True

    # Of each kind the symmetry of the largest dimension that holds.
    proposals = sorted(symmetries_of_gradients(gradient, value, x), key=lambda found: -len(found.pivots))
    for kind in ("translation", "scaling"):
        best = next((found for found in proposals if found.kind == kind and holds(found)), None)
        if best is not None:
            yield sentence_of([names[i] for i in used], [change_of(best, len(used))])


def _relative_difference(left: Tensor, right: Tensor) -> float:
    """0 if the two are equal everywhere, at most 1."""
    size = rms(left.abs() + right.abs())
    if size > 0:
        return rms(left - right) / size
    return 0.0


def rms(values: Tensor) -> float:
    """Root mean square."""
    return float(values.square().mean().sqrt())


def _connected_groups(linked: Tensor) -> Groups:
    """Connected components of a symmetric graph (d, d), each sorted, in the order of their first member."""
    reached = linked | torch.eye(len(linked), dtype=torch.bool)
    for _ in range(len(linked).bit_length()):  # paths of twice the length each time
        reached = (reached.double() @ reached.double()) > 0
    return tuple(sorted({tuple(row.nonzero()[:, 0].tolist()) for row in reached}))


def _sentences(result: Structure, names: Sequence[str], used: list[int]) -> Iterator[str]:
    def used_parts(groups: Groups) -> list[tuple[int, ...]]:
        return [part for part in (tuple(i for i in group if i in used) for group in groups) if part]

    def listed(group: Sequence[int]) -> str:
        return ", ".join(names[i] for i in group)

    # Inputs without effect, then the parts into which the function separates, where they say more than those before.
    unused = [i for i in range(len(names)) if i not in used]
    if unused:
        yield f"Without effect: {listed(unused)}."
    additive, multiplicative, general = map(used_parts, (result.additive, result.multiplicative, result.general))
    if len(additive) > 1:
        yield f"A sum of functions of ({'), ('.join(map(listed, additive))})."
    if len(multiplicative) > 1:
        shift = ""
        if abs(result.offset) >= 1e-12:
            shift = f", after subtracting {number_text(result.offset, 6)}"
        yield f"A product of functions of ({'), ('.join(map(listed, multiplicative))}){shift}."
    if len(general) > max(len(additive), len(multiplicative)):
        yield f"One function of a sum of functions of ({'), ('.join(map(listed, general))})."
    # Symmetries: inputs that act through one combination.
    for symmetry in result.symmetries:
        first = names[symmetry.inputs[0]]
        last = names[symmetry.inputs[-1]]
        c = number_text(symmetry.coefficient)
        combination = {"sum": f"{c} {first} + {last}", "product": f"{first}^{c} {last}"}.get(
            symmetry.kind, "one function of them"
        )
        yield f"{listed(symmetry.inputs)} act only through {combination}."
    if result.fewer_inputs:
        yield f"By symmetries, with y for the function: {'; '.join(result.fewer_inputs)}."
    nothing = len(multiplicative) < 2 and not result.symmetries and not result.fewer_inputs
    if len(used) > 1 and len(additive) == len(general) == 1 and nothing:
        yield "No part separates and no inputs act through one combination, within the precision that the noise allows."
