"""What a prediction owes to each input: partial dependence, and shares that add up to the prediction of a row.

A prediction explained: which inputs it depends on, how, and what each adds to the prediction of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from edgewise.errors import InputError
from edgewise.interpret.dependence.separability import interactions

Predict = Callable[[np.ndarray], ArrayLike]  # (n, d) -> (n,) or (n, outputs)
PATHS = 32  # from rows of the background to an explained row, each gone forwards and backwards
AT_ONCE = 2**18  # rows that are predicted together
FLAT = 0.05  # of the range of a curve: turns smaller than that are none


@dataclass(frozen=True)
class Effect:
    """How the prediction moves with one input.

    input: its column. points: (p,), values of the input; discrete: they are all it takes. mean: (p, outputs), the
    prediction averaged over the data with the input at that value; low, high: the 10 % and 90 % quantiles over the rows
    of each row's own curve, moved to the same mean. strength: (outputs,), the curve's standard deviation over the data.
    """

    input: int
    points: np.ndarray
    discrete: bool
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    strength: np.ndarray

    def shape(self, output: int = 0) -> str:
        """The curve in a word or two: "rises", "falls", "rises, then falls", "varies" and so on."""
        curve = self.mean[:, output]
        span, turns, low, high = FLAT * np.ptp(curve), [], curve[0], curve[0]
        for value in curve[1:]:
            low, high = min(low, value), max(high, value)
            before = turns[-1] if turns else 0
            if before <= 0 and value > low + span:
                turns.append(1)
            elif before >= 0 and value < high - span:
                turns.append(-1)
            else:
                continue
            low = high = value
        words = {1: "rises", -1: "falls"}
        if not turns:
            return "is flat"
        return ", then ".join(words[turn] for turn in turns) if len(turns) <= 3 else "varies"


def partial_dependence(predict: Predict, X: np.ndarray, column: int, *, points: int = 41, rows: int = 300) -> Effect:
    """Friedman's partial dependence on one input (Annals of Statistics 29, 2001, p. 1189, section 8.2).

    The input takes its values over the data while the others stay as they are in each of at most `rows` rows, evenly
    picked.

    Raises:
        InputError: predict does not give one row for each.
    """
    few = X[np.linspace(0, len(X) - 1, min(rows, len(X))).astype(int)]
    at, discrete = grid_of(X[:, column], points)
    moved = np.repeat(few[None], len(at), 0)
    moved[:, :, column] = at[:, None]
    curves = predicted(predict, moved.reshape(-1, few.shape[1])).reshape(len(at), len(few), -1)
    mean = curves.mean(1)
    own = curves - curves.mean(0) + mean.mean(0)
    low, high = np.quantile(own, [0.1, 0.9], axis=1)
    strength = np.array([np.interp(X[:, column], at, one) for one in mean.T]).std(1)
    return Effect(column, at, discrete, mean, low, high, strength)


def shares(predict: Predict, X: np.ndarray, background: np.ndarray, *, paths: int = PATHS, seed: int = 0):
    """What each input adds to the prediction of each row, relative to the mean prediction of a background.

    Shapley values by sampling (E. Strumbelj and I. Kononenko, Knowledge and Information Systems 41, 2014): on a way
    from a row of the background to the explained one the inputs change one after another, in a random order and in its
    reverse, and each is given what the prediction changes by. The steps of a way add up, so the shares do exactly; for
    an additive model they are exact themselves.

    Args:
        X: rows to explain (N, d). background: rows (B, d), of which at most `paths` are used, evenly picked.

    Returns:
        shares (N, d, outputs), and the base (outputs,): prediction = base + sum of shares.

    Raises:
        InputError: the background has no rows, or other columns.
    """
    if background.ndim != 2 or len(background) == 0 or background.shape[1] != X.shape[1]:
        raise InputError(f"background must have shape (rows, {X.shape[1]}), got {background.shape}")
    rng = np.random.default_rng(seed)
    starts = background[np.linspace(0, len(background) - 1, min(paths, len(background))).astype(int)]
    base = predicted(predict, starts)
    total = np.zeros((len(X), X.shape[1], base.shape[1]))
    final = predicted(predict, X)
    for start, value in zip(starts, base, strict=True):
        order = rng.permutation(X.shape[1])
        for way in (order, order[::-1]):
            for rows in np.array_split(np.arange(len(X)), max(1, -(-len(X) * X.shape[1] // AT_ONCE))):
                total[rows] += _along(predict, X[rows], start, value, final[rows], way)
    return total / (2 * len(starts)), base.mean(0)


def _along(predict: Predict, X: np.ndarray, start: np.ndarray, value: np.ndarray, final: np.ndarray, way: np.ndarray):
    """What the prediction changes by as the inputs change from `start` to X in the order `way`, (N, d, outputs)."""
    d = X.shape[1]
    stops = np.repeat(np.broadcast_to(start, X.shape)[None], d - 1, 0)
    for k, column in enumerate(way[:-1]):
        stops[k:, :, column] = X[:, column]
    between = (
        predicted(predict, stops.reshape(-1, d)).reshape(d - 1, len(X), -1) if d > 1 else np.empty((0, *final.shape))
    )
    values = np.concatenate([np.broadcast_to(value, final.shape)[None], between, final[None]])
    steps = np.empty((len(X), d, final.shape[1]))
    steps[:, way] = np.diff(values, axis=0).transpose(1, 0, 2)
    return steps


def predicted(predict: Predict, rows: np.ndarray) -> np.ndarray:
    """predict(rows) as (n, outputs) in float64.

    Raises:
        InputError: it is something else.
    """
    values = predict(rows)
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the result of predict must hold numbers, got {type(values).__name__}") from error
    if values.ndim not in (1, 2) or len(values) != len(rows):
        raise InputError(
            f"predict must give ({len(rows)},) or ({len(rows)}, outputs) for {len(rows)} rows, got {values.shape}"
        )
    return values.reshape(len(rows), -1)


def range_of(values: np.ndarray) -> tuple[float, float]:
    """Where to draw a function of data: all but the outermost half per cent at each end, or all if that is nothing.

    One far outlier would else squeeze the curve of everything else into a corner.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    low, high = (low, high) if high > low else (values.min(), values.max())
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def grid_of(values: np.ndarray, points: int = 61) -> tuple[np.ndarray, bool]:
    """Points at which to draw a function of data: the values themselves if at most 12 (then True), or evenly spaced."""
    levels = np.unique(values)
    if 1 < len(levels) <= 12:
        return levels, True
    return np.linspace(*range_of(values), points), False


ROWS = 200  # that shares are averaged over
CURVES = 30  # inputs with a curve
PAIRS = 12  # strongest inputs whose interactions are looked at
NOTABLE = 0.05  # an interaction below that share of the variation is not worth a sentence


@dataclass(frozen=True)
class LocalExplanation:
    """What each input adds to the prediction of each row; base + sum of shares is the prediction.

    names: (d,) of the inputs. outputs: names of what is predicted, one for a number, one per class for probabilities.
    base: (outputs,), mean prediction over the background. shares: (N, d, outputs). prediction: (N, outputs).
    values: (N, d), the rows.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    base: np.ndarray
    shares: np.ndarray
    prediction: np.ndarray
    values: np.ndarray

    def sentence(self, row: int, output: int | None = None, most: int = 5) -> str:
        """The explanation of a row in words; of the largest output if there are several and none is named."""
        output = int(self.prediction[row].argmax()) if output is None else output
        own = self.shares[row, :, output]
        order = np.argsort(-np.abs(own), kind="stable")[:most]
        parts = [f"{own[i]:+.4g} for {self.names[i]} = {self.values[row, i]:.4g}" for i in order]
        rest = float(own.sum() - own[order].sum())
        parts += [f"{rest:+.4g} for the others"] if len(own) > most else []
        start = f"{self.outputs[output]} {self.prediction[row, output]:.4g}: {self.base[output]:.4g} on average"
        return f"{start}, {', '.join(parts)}."


@dataclass(frozen=True)
class GlobalExplanation:
    """What the predictions depend on.

    names, outputs, base: as in `LocalExplanation`. importance: (d,), mean absolute share over rows and outputs, in the
    unit of the prediction. effects: partial dependence of the strongest inputs, strongest first.
    interactions: (d, d), see `interactions`, of the output that varies most, among the strongest inputs.
    local: the shares behind it. sentences: the same in words.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    base: np.ndarray
    importance: np.ndarray
    effects: tuple[Effect, ...]
    interactions: np.ndarray
    local: LocalExplanation
    sentences: tuple[str, ...]


def explain_local(
    predict: Predict,
    X: np.ndarray,
    background: np.ndarray | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
) -> LocalExplanation:
    """Shares of the inputs in each prediction, see `shares`.

    Args:
        predict: rows (n, d) -> (n,) or (n, outputs).
        X: rows to explain (N, d). background: rows to compare with (B, d), at least two different ones; X if left out.
        names, outputs: of inputs and outputs. seed: of the orders in which inputs are exchanged.

    Raises:
        InputError: an argument is not as above.
    """
    background = X if background is None else background
    if len(background) < 2 or bool((background == background[0]).all()):
        raise InputError("background must hold at least two different rows to compare with; give rows of the data")
    own, base = shares(predict, X, background, seed=seed)
    names = _names(names, X.shape[1], "x", "names")
    return LocalExplanation(names, _names(outputs, len(base), "y", "outputs"), base, own, predicted(predict, X), X)


def explain_global(
    predict: Predict,
    X: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
) -> GlobalExplanation:
    """Importance of the inputs, their effects and interactions over the rows of X (N, d).

    Raises:
        InputError: as in `explain_local`.
    """
    few = X[np.linspace(0, len(X) - 1, min(ROWS, len(X))).astype(int)]
    local = explain_local(predict, few, X, names=names, outputs=outputs, seed=seed)
    importance = np.abs(local.shares).mean((0, 2))
    order = np.argsort(-importance, kind="stable")
    effects = tuple(partial_dependence(predict, X, int(i)) for i in order[:CURVES])
    varies = int(local.prediction.std(0).argmax())

    def one(rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(predicted(predict, rows.detach().numpy())[:, varies])

    # Targets near the largest number there is have infinite predictions, about which nothing can be said.
    finite = bool(np.isfinite(local.prediction).all() and np.isfinite(local.shares).all())
    strongest = [int(i) for i in order[:PAIRS] if importance[i] > 0]
    pairs = np.zeros((X.shape[1], X.shape[1]))
    if finite:
        pairs = interactions(one, torch.from_numpy(few), inputs=strongest, seed=seed).numpy()
    sentences = tuple(_sentences(local, importance, effects, pairs, varies))
    return GlobalExplanation(local.names, local.outputs, local.base, importance, effects, pairs, local, sentences)


def _names(names: Sequence[str] | None, count: int, letter: str, argument: str) -> tuple[str, ...]:
    if names is None:
        return tuple(f"{letter}{i + 1}" for i in range(count)) if count > 1 else (letter,)
    if isinstance(names, str) or len(names) != count:
        raise InputError(f"{argument} must hold {count} names, got {names!r:.80}")
    return tuple(map(str, names))


def _sentences(
    local: LocalExplanation, importance: np.ndarray, effects: Sequence[Effect], pairs: np.ndarray, output: int
) -> Iterator[str]:
    what = local.outputs[output] if len(local.outputs) == 1 else f"the probability of {local.outputs[output]}"
    spread = np.ptp(local.prediction[:, output])
    top, moved = max(float(importance.max()), 1e-300), np.abs(local.shares[..., output]).mean(0)
    for effect in effects[:5]:
        if importance[effect.input] < 0.01 * top:
            break
        curve, at = effect.mean[:, output], effect.points
        shape = effect.shape(output) if np.ptp(curve) > NOTABLE * spread else "hardly moves on average"
        reach = f"from {curve[0]:.4g} to {curve[-1]:.4g}" if shape in ("rises", "falls") else ""
        reach = reach or f"between {curve.min():.4g} and {curve.max():.4g}"
        yield (
            f"As {local.names[effect.input]} goes from {at[0]:.4g} to {at[-1]:.4g}, {what} {shape} "
            f"({reach}); it moves a prediction by {moved[effect.input]:.3g} on average."
        )
    unused = [name for name, size in zip(local.names, importance, strict=True) if size == 0]
    if unused:
        shown = ", ".join(unused[:8]) + (f" and {len(unused) - 8} more" if len(unused) > 8 else "")
        yield f"Without any influence: {shown}."
    upper = np.triu(pairs, 1)
    for place in np.argsort(-upper, axis=None, kind="stable")[:3]:
        i, j = np.unravel_index(place, upper.shape)
        if upper[i, j] >= NOTABLE:
            yield (
                f"{local.names[i]} and {local.names[j]} interact: {upper[i, j]:.0%} of the variation is what they do "
                "together beyond the sum of their effects."
            )
    if upper.max(initial=0) < NOTABLE:
        yield "The inputs act nearly one by one: no two of them interact by more than 5 % of the variation."
