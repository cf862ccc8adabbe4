"""What a function is made of: which inputs interact, what separates, and through which combinations it acts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from edgewise.checks import check_count, is_number
from edgewise.errors import InputError
from edgewise.interpret.black_box import check_points, gradient, tensor_function

SAFETY = 3.0  # thresholds are that many times the score that the stated noise gives
MOST = 0.12  # a test whose threshold is higher can't tell: scores of functions without structure start at 0.2
ROUNDING = 1e-8  # a score below it is none, whatever the function: differences of float64 numbers
MOST_SUBSETS = 8  # inputs up to which every subset is looked at, beyond it single ones and pairs only
LARGEST_OFFSET = 1e3  # of a product, in the size of the function
# The error of a fitted function varies over about a quarter of the standard deviation of its inputs (a knot interval of
# ten over a uniform input is 0.35, of a sine the length is the period / 2 pi); from it follows that of its slopes.
ERROR_LENGTH = 0.25


@dataclass(frozen=True)
class Symmetry:
    """The function depends on some inputs only through one combination of them.

    kind: "sum" (coefficient * x_i + x_j), "product" (x_i^coefficient * x_j) or "general" (some function of them).
    inputs: their columns. coefficient: of the first, NaN for "general". score: 0 where it holds, about 0.7 where
    nothing does; threshold: what noise may give.
    """

    kind: str
    inputs: tuple[int, ...]
    coefficient: float
    score: float
    threshold: float


@dataclass(frozen=True)
class Structure:
    """What `structure` found.

    interactions: (d, d), see `interactions`; threshold: below it two inputs count as not interacting.
    additive: groups of inputs whose parts add up; one group if nothing separates.
    multiplicative: groups of inputs whose parts, with `offset` taken off, multiply; () if the test makes no sense.
    general: groups, of the inputs with an effect, whose parts add up inside an outer function, f = F(sum of parts).
    symmetries: those that hold, fewest inputs first.
    sentences: the same in words.
    """

    interactions: Tensor
    threshold: float
    additive: tuple[tuple[int, ...], ...]
    multiplicative: tuple[tuple[int, ...], ...]
    offset: float
    general: tuple[tuple[int, ...], ...]
    symmetries: tuple[Symmetry, ...]
    sentences: tuple[str, ...]


def interactions(function, x, *, inputs: Sequence[int] | None = None, rows: int = 256, seed: int = 0) -> Tensor:
    """How strongly each two inputs interact, (d, d): 0 where their effects add up, 1 for a product of the two alone.

    With a and b two rows of x, and a_i the row a with its i-th input from b, the score is

        rms( f(a) - f(a_i) - f(a_j) + f(a_ij) ) / (2 * standard deviation of f).

    Like a Sobol' index it is a share of variation; unlike second derivatives it needs no step. Mixed rows may lie
    where there are no data if inputs are strongly related.

    Args:
        function: see `tensor_function`; its first output counts.
        x: points (N, d). inputs: columns to look at, all if left out; the others score 0.
        rows: of pairs drawn from them. seed: of that draw.

    Raises:
        InputError: an argument is not as above, or the function is not finite at the points.
    """
    f, x = _prepared(function, x, rows)
    return _interactions(_Pairs(f, x, rows, seed), range(x.shape[1]) if inputs is None else sorted(inputs))


def structure(
    function, x, *, noise: float = 0.0, names: Sequence[str] | None = None, rows: int = 256, seed: int = 0
) -> Structure:
    """Separability and symmetries of a function, by scores without scale and thresholds from its noise.

    The tests of KAN 2.0 (Z. Liu et al., arXiv 2408.10205, section 4.3) and AI Feynman 2.0 (S.-M. Udrescu et al.,
    arXiv 2006.10782), with differences between data rows instead of second derivatives: additive and multiplicative
    separability (with a constant taken off that is found on the way), F(g + h) with any outer F, combinations
    c * x_i + x_j and x_i^c * x_j, and f = F(h(x_S), rest) for any subset S (pairs only beyond 8 inputs).

    Args:
        function: see `tensor_function`; its first output counts.
        x: points (N, d) in its domain.
        noise: root mean square error of the function, in its unit: of a trained model the validation RMSE.
        names: of the inputs, for the sentences.
        rows: pairs of points for each test. seed: of their draw.

    Raises:
        InputError: an argument is not as above, or the function is not finite at the points.
    """
    f, x = _prepared(function, x, rows)
    if not (is_number(noise) and noise >= 0):
        raise InputError(f"noise must be a number of at least 0, got {noise!r}")
    names = [f"x{i + 1}" for i in range(x.shape[1])] if names is None else list(map(str, names))
    if len(names) != x.shape[1]:
        raise InputError(f"names must hold {x.shape[1]} names, got {len(names)}")
    pairs = _Pairs(f, x, rows, seed)
    scores = _interactions(pairs, range(x.shape[1]))
    threshold = max(SAFETY * noise / pairs.spread, ROUNDING) if pairs.spread > 0 else ROUNDING
    additive = _groups(scores > threshold)
    multiplicative, offset = _multiplicative(pairs, noise)
    slopes = _Slopes(pairs, noise)
    used = [i for i in range(x.shape[1]) if slopes.matters(i)]
    general = _general(slopes, used)
    symmetries = tuple(_symmetries(slopes, used, scores > threshold))
    found = Structure(scores, threshold, additive, multiplicative, offset, general, symmetries, ())
    return Structure(**{**found.__dict__, "sentences": tuple(_sentences(found, names, used))})


class _Pairs:
    """Pairs of rows (a, b), the function at a, and at a with some inputs from b; nothing is evaluated twice."""

    def __init__(self, f: Callable[[Tensor], Tensor], x: Tensor, rows: int, seed: int):
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(len(x), (rows,), generator=generator)
        other = (first + torch.randint(1, len(x), (rows,), generator=generator)) % len(x)
        self.f, self.a, self.b = f, x[first], x[other]
        self._values: dict[frozenset[int], Tensor] = {}
        value = self.value()
        self.spread, self.size = float(value.std(correction=0)), float(value.square().mean().sqrt())

    def mixed(self, *inputs: int) -> Tensor:
        """The rows a with these inputs from b."""
        rows = self.a.clone()
        rows[:, list(inputs)] = self.b[:, list(inputs)]
        return rows

    def value(self, *inputs: int) -> Tensor:
        """The function there, (rows,)."""
        key = frozenset(inputs)
        if key not in self._values:
            with torch.no_grad():
                value = self.f(self.mixed(*inputs))[:, 0]
            if not bool(value.isfinite().all()):
                raise InputError("function must be finite at mixed rows of x, got infinite or undefined values")
            self._values[key] = value
        return self._values[key]


class _Slopes:
    """Gradients at the rows a and at mixed rows, and the error that noise gives them."""

    def __init__(self, pairs: _Pairs, noise: float):
        self.pairs = pairs
        self.a = self._at(pairs.a)
        width = pairs.a.std(0, correction=0)
        self.error = noise / torch.where(width > 0, ERROR_LENGTH * width, torch.inf)
        self.size = self.a.square().mean(0).sqrt()
        # The variation that an input causes decides whether it matters at all.
        self._share = self.size * width / max(pairs.spread, 1e-300)
        self._least = max(SAFETY * noise / max(pairs.spread, 1e-300), ROUNDING)

    def matters(self, i: int) -> bool:
        return float(self._share[i]) > self._least

    def mixed(self, *inputs: int) -> Tensor:
        return self._at(self.pairs.mixed(*inputs))

    def threshold(self, *inputs: int, factor: float = 1.0) -> float:
        """Of a comparison of products of slopes by these inputs."""
        relative = [float(self.error[i] / self.size[i]) if float(self.size[i]) > 0 else 1.0 for i in inputs]
        return max(SAFETY * factor * sum(share**2 for share in relative) ** 0.5, 1e2 * ROUNDING)

    def _at(self, rows: Tensor) -> Tensor:
        return gradient(self.pairs.f, rows)


def _interactions(pairs: _Pairs, inputs: Sequence[int]) -> Tensor:
    d = pairs.a.shape[1]
    scores = torch.zeros(d, d, dtype=torch.float64)
    if pairs.spread <= ROUNDING * pairs.size:
        return scores
    for i, j in combinations(inputs, 2):
        scores[i, j] = scores[j, i] = _rms(_difference(pairs, i, j)) / (2 * pairs.spread)
    return scores


def _difference(pairs: _Pairs, i: int, j: int) -> Tensor:
    return pairs.value() - pairs.value(i) - pairs.value(j) + pairs.value(i, j)


def _multiplicative(pairs: _Pairs, noise: float) -> tuple[tuple[tuple[int, ...], ...], float]:
    """Groups whose parts multiply, f - c = product of parts, and the c: 0 if that separates as much as any other.

    With M = f(a) f(a_ij) - f(a_i) f(a_j) and D the second difference, (f - c) has M - c D in place of M: so c is the
    slope of M by D, over all pairs of inputs.
    """
    d = pairs.a.shape[1]
    if pairs.size == 0 or pairs.spread <= ROUNDING * pairs.size:
        return (), 0.0
    both = list(combinations(range(d), 2))
    M = {ij: pairs.value() * pairs.value(*ij) - pairs.value(ij[0]) * pairs.value(ij[1]) for ij in both}
    D = {ij: _difference(pairs, *ij) for ij in both}
    best: tuple[tuple[tuple[int, ...], ...], float] = ((tuple(range(d)),), 0.0)
    weight = sum(float(D[ij].square().sum()) for ij in both)
    fitted = sum(float((M[ij] * D[ij]).sum()) for ij in both) / weight if weight > 0 else 0.0
    # A sum is the limit of products with an offset without end: there D vanishes, and the slope says nothing.
    for offset in (0.0, fitted) if abs(fitted) < LARGEST_OFFSET * pairs.size else (0.0,):
        linked = torch.zeros(d, d, dtype=torch.bool)
        shifted = float((pairs.value() - offset).square().mean().sqrt())
        threshold = max(SAFETY * 2 * noise / max(shifted, 1e-300), ROUNDING)
        for i, j in both:
            size = _rms((pairs.value() - offset) * (pairs.value(i, j) - offset))
            size += _rms((pairs.value(i) - offset) * (pairs.value(j) - offset))
            score = _rms(M[i, j] - offset * D[i, j]) / size if size > 0 else 0.0
            linked[i, j] = linked[j, i] = score > threshold
        groups = _groups(linked)
        if len(groups) > len(best[0]):
            best = groups, offset
    return best


def _general(slopes: _Slopes, used: list[int]) -> tuple[tuple[int, ...], ...]:
    """Groups of the used inputs whose parts add up under some outer function.

    f = F(g(x_S) + h(x_T)) exactly if each ratio of slopes f_i / f_j, i in S, j in T, is a function of x_S times one of
    x_T; multiplied out, with S for the rows with x_S from b, f_i f_i(ST) f_j(S) f_j(T) = f_i(S) f_i(T) f_j f_j(ST); and
    each ratio within S is one of x_S alone, within T of x_T alone. What no such division parts is a group.
    """
    if not used:
        return ()
    everything, together = slopes.mixed(*used), torch.zeros(len(slopes.size), len(slopes.size), dtype=torch.bool)
    together[torch.tensor(used)[:, None], torch.tensor(used)] = True
    sizes = range(1, len(used) // 2 + 1) if len(used) <= MOST_SUBSETS else (1,)
    for size in sizes:
        for S in combinations(used, size):
            T = tuple(k for k in used if k not in S)
            if T and together[S[0], list(T)].any() and _divides(slopes, everything, S, T):
                together[torch.tensor(S)[:, None], torch.tensor(T)] = False
                together[torch.tensor(T)[:, None], torch.tensor(S)] = False
    return tuple(group for group in _groups(together) if group[0] in used)


def _divides(slopes: _Slopes, everything: Tensor, S: tuple[int, ...], T: tuple[int, ...]) -> bool:
    at, of_S, of_T = slopes.a, slopes.mixed(*S), slopes.mixed(*T)
    for i in S:
        for j in T:
            left = at[:, i] * everything[:, i] * of_S[:, j] * of_T[:, j]
            right = of_S[:, i] * of_T[:, i] * at[:, j] * everything[:, j]
            if not _equal(left, right, slopes.threshold(i, j, factor=2**0.5)):
                return False
    return all(
        _equal(at[:, i] * moved[:, j], at[:, j] * moved[:, i], slopes.threshold(i, j))
        for group, moved in ((S, of_T), (T, of_S))
        for i, j in combinations(group, 2)
    )


def _equal(left: Tensor, right: Tensor, threshold: float) -> bool:
    return threshold <= MOST and _compared(left, right) <= threshold


def _symmetries(slopes: _Slopes, used: list[int], interact: Tensor) -> Iterator[Symmetry]:
    """Combinations of two inputs with a coefficient, then subsets that act through one function of them."""
    named: set[tuple[int, ...]] = set()
    for i, j in combinations(used, 2):
        threshold, x = slopes.threshold(i, j) / 2, slopes.pairs.a
        for kind, weights in (("sum", torch.ones_like(x)), ("product", x)):
            first, second = weights[:, i] * slopes.a[:, i], weights[:, j] * slopes.a[:, j]
            coefficient = float((first * second).sum() / second.square().sum())
            score = _compared(first, coefficient * second)
            if score <= threshold <= MOST and coefficient != 0:
                named.add((i, j))
                yield Symmetry(kind, (i, j), coefficient, score, threshold)
                break
    sizes = range(2, len(used)) if len(used) <= MOST_SUBSETS else (2,) if len(used) > 2 else ()
    for size in sizes:
        for subset in combinations(used, size):
            rest = [k for k in used if k not in subset]
            # What interacts with nothing outside is a symmetry that the additive groups say already.
            if subset in named or not bool(interact[list(subset)][:, rest].any()):
                continue
            score, threshold = _general_symmetry(slopes, subset, rest)
            if score <= threshold <= MOST:
                yield Symmetry("general", subset, float("nan"), score, threshold)


def _general_symmetry(slopes: _Slopes, subset: tuple[int, ...], rest: list[int]) -> tuple[float, float]:
    """Whether the direction of the gradient within the subset is the same for any values of the other inputs."""
    other = slopes.mixed(*rest)
    worst, threshold = 0.0, 0.0
    for i, j in combinations(subset, 2):
        worst = max(worst, _compared(slopes.a[:, i] * other[:, j], slopes.a[:, j] * other[:, i]))
        threshold = max(threshold, slopes.threshold(i, j))
    return worst, threshold


def _compared(left: Tensor, right: Tensor) -> float:
    """0 if the two are equal everywhere, at most 1."""
    size = _rms(left.abs() + right.abs())
    return _rms(left - right) / size if size > 0 else 0.0


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def _groups(linked: Tensor) -> tuple[tuple[int, ...], ...]:
    """Connected components of a graph (d, d)."""
    left, groups = set(range(len(linked))), []
    while left:
        group, new = set(), {min(left)}
        while new:
            group |= new
            new = {k for i in new for k in linked[i].nonzero()[:, 0].tolist()} - group
        left -= group
        groups.append(tuple(sorted(group)))
    return tuple(groups)


def _prepared(function, x, rows: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    check_count(rows, "rows")
    return tensor_function(function), check_points(x)


def _sentences(found: Structure, names: list[str], used: list[int]) -> Iterator[str]:
    def parts(groups) -> list[tuple[int, ...]]:
        return [g for g in (tuple(i for i in group if i in used) for group in groups) if g]

    def written(group) -> str:
        return ", ".join(names[i] for i in group)

    unused = [i for i in range(len(names)) if i not in used]
    if unused:
        yield f"Without effect: {written(unused)}."
    additive, multiplicative, general = map(parts, (found.additive, found.multiplicative, found.general))
    if len(additive) > 1:
        yield f"A sum of functions of ({'), ('.join(map(written, additive))})."
    if len(multiplicative) > 1:
        shift = "" if abs(found.offset) < 1e-12 else f", after taking off {found.offset:.6g}"
        yield f"A product of functions of ({'), ('.join(map(written, multiplicative))}){shift}."
    if len(general) > max(len(additive), len(multiplicative)):
        yield f"One function of a sum of functions of ({'), ('.join(map(written, general))})."
    for one in found.symmetries:
        first, last = names[one.inputs[0]], names[one.inputs[-1]]
        c = f"{one.coefficient:.4g}"
        through = {"sum": f"{c} {first} + {last}", "product": f"{first}^{c} {last}"}.get(
            one.kind, "one function of them"
        )
        yield f"{written(one.inputs)} act only through {through}."
    if len(used) > 1 and len(additive) == len(general) == 1 and len(multiplicative) < 2 and not found.symmetries:
        yield "No part separates, and no inputs act through one combination, as far as the noise lets one tell."
