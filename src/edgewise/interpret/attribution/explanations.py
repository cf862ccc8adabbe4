"""Explanations of predictions: partial dependence, Shapley shares, and summaries of both in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.deprecations import renamed_argument
from edgewise.errors import InputError
from edgewise.interpret.black_box import BlackBox, array_function
from edgewise.interpret.dependence.separability import interactions
from edgewise.settings import ABOVE_ZERO, ATTRIBUTION_BATCH_ROWS

# Paths from rows of the background to an explained row, each followed forwards and backwards (a choice: the standard
# error of a sampled share falls with the root of this number, the time grows with it).
PATHS = 32
FLAT = 0.05  # turns of a curve below this share of its range are not mentioned (a choice)
SHARE_ROWS = 200  # rows whose shares a global explanation averages (a choice)
MOST_EFFECTS = 30  # strongest inputs whose partial dependence a global explanation computes (a choice)
MOST_INTERACTING = 12  # strongest inputs whose interactions a global explanation computes (a choice: 66 pairs)
NOTABLE_SHARE = 0.05  # interactions below this share of the variation are not mentioned (a choice)
FEW_LEVELS = 12  # a column with at most so many different values is discrete (a choice)


@dataclass(frozen=True)
class Effect:
    """Partial dependence of the prediction on one input, from `partial_dependence`.

    Attributes
    ----------
    input : int
        Column of the input.
    points : ndarray
        (p,), values of the input.
    discrete : bool
        Whether `points` are all the values that the input takes.
    mean : ndarray
        (p, outputs), the prediction averaged over the data with the input at each point.
    low, high : ndarray
        (p, outputs), the 10 % and 90 % quantiles over the rows of each row's own curve, shifted to the same mean.
    strength : ndarray
        (outputs,), standard deviation of the curve over the data.

    Examples
    --------
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> effect = partial_dependence(lambda X: X[:, 0] ** 2, X, 0, points=3)
    >>> effect.points.round(2).tolist(), effect.shape()
    ([0.0, 0.5, 1.0], 'rises')
    """

    input: int
    points: np.ndarray
    discrete: bool
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    strength: np.ndarray

    def shape(self, output: int = 0) -> str:
        """Describe the curve in a few words: "rises", "falls", "rises, then falls", "varies" or "is flat"."""
        curve = self.mean[:, output]
        span, low, high = FLAT * np.ptp(curve), curve[0], curve[0]
        turns: list[int] = []
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


@renamed_argument("predict", "model")
def partial_dependence(model: BlackBox, X: np.ndarray, column: int, *, points: int = 41, rows: int = 300) -> Effect:
    """Compute Friedman's partial dependence of the predictions on one input.

    The input takes its values over the data while the other inputs stay as they are, in each of at most `rows` rows
    that are picked evenly.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray
        Data, (N, d).
    column : int
        Column of the input.
    points : int
        Number of values of the input, unless it takes few.
    rows : int
        Largest number of rows that are averaged.

    Returns
    -------
    Effect
        The mean curve and the spread of the curves of single rows.

    Raises
    ------
    InputError
        The model does not return one row for each row.

    Notes
    -----
    `sklearn.inspection.partial_dependence` computes the same mean for its own estimators, without the quantiles.

    References
    ----------
    J. Friedman, "Greedy function approximation", Annals of Statistics 29, 2001, p. 1189, section 8.2.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> partial_dependence(lambda X: X[:, 0] ** 2 + X[:, 1], X, 0).shape()
    'falls, then rises'
    """
    _check_table(X, "X")
    predict = array_function(model)
    few = _evenly_picked(X, rows)
    at, discrete = evaluation_points(X[:, column], points)
    moved = np.repeat(few[None], len(at), 0)
    moved[:, :, column] = at[:, None]
    curves = predict(moved.reshape(-1, few.shape[1])).reshape(len(at), len(few), -1)
    mean = curves.mean(1)
    own = curves - curves.mean(0) + mean.mean(0)
    low, high = np.quantile(own, [0.1, 0.9], axis=1)
    strength = np.array([np.interp(X[:, column], at, one) for one in mean.T]).std(1)
    return Effect(column, at, discrete, mean, low, high, strength)


def shapley_shares(
    model: BlackBox, X: np.ndarray, background: np.ndarray, *, paths: int = PATHS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split each prediction into one share per input, relative to the mean prediction of a background.

    Shapley values by sampling: along a path from a row of the background to the explained row, the inputs change one
    after another, in a random order and in its reverse, and each input receives the change of the prediction. The
    changes along a path add up to the whole difference, and so do the shares, exactly; for an additive model the
    shares themselves are exact.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray
        Rows to explain, (N, d).
    background : ndarray
        Rows to compare with, (B, d), of which at most `paths` are used, evenly picked.
    paths : int
        Number of paths to each explained row, each followed forwards and backwards.
    seed : int
        Seed of the orders in which the inputs change.

    Returns
    -------
    shares : ndarray
        (N, d, outputs).
    base : ndarray
        (outputs,); the prediction is base + sum of the shares over the inputs.

    Raises
    ------
    InputError
        The background has no rows, or another number of columns than X.

    References
    ----------
    E. Strumbelj and I. Kononenko, "Explaining prediction models and individual predictions with feature
    contributions", Knowledge and Information Systems 41, 2014.

    Examples
    --------
    >>> shares, base = shapley_shares(lambda X: X[:, 0] * X[:, 1], np.array([[2.0, 3.0]]), np.zeros((1, 2)))
    >>> shares[0, :, 0], base
    (array([3., 3.]), array([0.]))
    """
    _check_table(X, "X")
    _check_table(background, "background")
    if len(background) == 0 or background.shape[1] != X.shape[1]:
        raise InputError(f"background must have shape (rows, {X.shape[1]}), got {background.shape}")
    predict = array_function(model)
    rng = np.random.default_rng(seed)
    starts = _evenly_picked(background, paths)
    base, final = predict(starts), predict(X)
    d, outputs = X.shape[1], base.shape[1]
    total = np.zeros((len(X), d, outputs))
    blocks = np.array_split(np.arange(len(X)), max(1, -(-len(X) * d // ATTRIBUTION_BATCH_ROWS)))
    for start, start_value in zip(starts, base, strict=True):
        order = rng.permutation(d)
        for path in (order, order[::-1]):
            for rows in blocks:
                # The rows at all points between the start and X: at point k the first k inputs of the path are X's.
                between = np.repeat(np.broadcast_to(start, (len(rows), d))[None], d - 1, 0)
                for k, column in enumerate(path[:-1]):
                    between[k:, :, column] = X[rows, column]
                values = np.empty((d + 1, len(rows), outputs))
                values[0], values[-1] = start_value, final[rows]
                if d > 1:
                    values[1:-1] = predict(between.reshape(-1, d)).reshape(d - 1, len(rows), outputs)
                changes = np.empty((len(rows), d, outputs))
                changes[:, path] = np.diff(values, axis=0).transpose(1, 0, 2)
                total[rows] += changes
    return total / (2 * len(starts)), base.mean(0)


def _check_table(X: np.ndarray, name: str) -> None:
    if not isinstance(X, np.ndarray) or X.ndim != 2:
        got = f"shape {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
        raise InputError(f"{name} must be an array of shape (rows, inputs), got {got}")


def _evenly_picked(X: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows of X, evenly spaced."""
    return X[np.linspace(0, len(X) - 1, min(most, len(X))).astype(int)]


def central_range(values: np.ndarray) -> tuple[float, float]:
    """Compute the range over which a function of data is drawn.

    It leaves out the outermost half per cent at each end, so that one far outlier does not compress the curve of
    everything else; a range without extent is widened to all values, then by 0.5 to each side.

    Parameters
    ----------
    values : ndarray
        (N,).

    Returns
    -------
    tuple of float
        Lower and upper end.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    low, high = (low, high) if high > low else (values.min(), values.max())
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def evaluation_points(values: np.ndarray, points: int = 61) -> tuple[np.ndarray, bool]:
    """Choose the points at which a function of data is drawn.

    Parameters
    ----------
    values : ndarray
        (N,), the data.
    points : int
        Number of points for data with many values.

    Returns
    -------
    points : ndarray
        The values themselves if there are 2 to 12 different ones, otherwise evenly spaced points over `central_range`.
    discrete : bool
        Whether they are the values themselves.
    """
    levels = np.unique(values)
    if 1 < len(levels) <= FEW_LEVELS:
        return levels, True
    return np.linspace(*central_range(values), points), False


@dataclass(frozen=True)
class LocalExplanation:
    """Shares of the inputs in single predictions, from `explain_local`; base + sum of the shares is the prediction.

    Attributes
    ----------
    names : tuple of str
        (d,), names of the inputs.
    outputs : tuple of str
        Names of the outputs: one for a number, one per class for probabilities.
    base : ndarray
        (outputs,), mean prediction over the background.
    shares : ndarray
        (N, d, outputs).
    prediction : ndarray
        (N, outputs).
    values : ndarray
        (N, d), the explained rows.

    Examples
    --------
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> local = explain_local(lambda X: X[:, 0] + 10 * X[:, 1], X)
    >>> local.base, local.shares[0, :, 0]
    (array([32.]), array([ -1., -10.]))
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    base: np.ndarray
    shares: np.ndarray
    prediction: np.ndarray
    values: np.ndarray

    def sentence(self, row: int, output: int | None = None, most: int = 5) -> str:
        """Explain one row in words.

        Parameters
        ----------
        row : int
            Number of the row.
        output : int, optional
            Number of the output; the one with the largest prediction if left out.
        most : int
            Number of inputs that are named.

        Returns
        -------
        str
            One sentence.
        """
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
    """Inputs that the predictions depend on, from `explain_global`.

    Attributes
    ----------
    names, outputs : tuple of str
        Names of the inputs and of the outputs.
    base : ndarray
        (outputs,), mean prediction.
    importance : ndarray
        (d,), mean absolute share over rows and outputs, in the unit of the prediction.
    effects : tuple of Effect
        Partial dependence on the strongest inputs, strongest first.
    interactions : ndarray
        (d, d), see `edgewise.interactions`, among the strongest inputs, of the output that varies most.
    local : LocalExplanation
        The shares behind the importance.
    sentences : tuple of str
        The result in words.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> explanation = explain_global(lambda X: X[:, 0] * X[:, 1], X, names=["a", "b"])
    >>> explanation.sentences[-1].split(":")[0]
    'a and b interact'
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    base: np.ndarray
    importance: np.ndarray
    effects: tuple[Effect, ...]
    interactions: np.ndarray
    local: LocalExplanation
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<GlobalExplanation of {len(self.names)} inputs: {self.sentences[0]}>"


@renamed_argument("predict", "model")
def explain_local(
    model: BlackBox,
    X: np.ndarray,
    background: np.ndarray | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
) -> LocalExplanation:
    """Explain single predictions by the share of each input.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray
        Rows to explain, (N, d).
    background : ndarray, optional
        Rows to compare with, (B, d), at least two different ones; X if left out.
    names, outputs : sequence of str, optional
        Names of the inputs and of the outputs.
    seed : int
        Seed of the orders in which the inputs are exchanged.

    Returns
    -------
    LocalExplanation
        Shares, predictions, and a sentence for each row.

    Raises
    ------
    InputError
        An argument is not as above.

    References
    ----------
    E. Strumbelj and I. Kononenko, "Explaining prediction models and individual predictions with feature
    contributions", Knowledge and Information Systems 41, 2014; see
    `edgewise.interpret.attribution.shapley_shares`.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import explain_local
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> explain_local(lambda X: X[:, 0] + 10 * X[:, 1], X, names=["a", "b"], outputs=["y"]).sentence(0)
    'y 21: 32 on average, -10 for b = 2, -1 for a = 1.'
    """
    _check_table(X, "X")
    background = X if background is None else background
    if len(background) < 2 or bool((background == background[0]).all()):
        raise InputError("background must hold at least two different rows to compare with; give rows of the data")
    shares, base = shapley_shares(model, X, background, seed=seed)
    names = _checked_names(names, X.shape[1], "x", "names")
    outputs = _checked_names(outputs, len(base), "y", "outputs")
    return LocalExplanation(names, outputs, base, shares, array_function(model)(X), X)


@renamed_argument("predict", "model")
def explain_global(
    model: BlackBox,
    X: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
) -> GlobalExplanation:
    """Measure the importance of the inputs, their effects and their interactions over a table.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray
        Data, (N, d), at least two different rows.
    names, outputs : sequence of str, optional
        Names of the inputs and of the outputs.
    seed : int
        Seed of the shares and of the interactions.

    Returns
    -------
    GlobalExplanation
        Importance, effects, interactions, and sentences.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import explain_global
    >>> X = np.random.default_rng(0).uniform(-1, 1, (100, 3))
    >>> explanation = explain_global(lambda X: 3 * X[:, 0] + X[:, 1], X)
    >>> explanation.importance.argsort()[::-1].tolist()
    [0, 1, 2]
    >>> explanation.sentences[2]
    'Without any influence: x3.'
    """
    _check_table(X, "X")
    predict = array_function(model)
    few = _evenly_picked(X, SHARE_ROWS)
    local = explain_local(predict, few, X, names=names, outputs=outputs, seed=seed)
    importance = np.abs(local.shares).mean((0, 2))
    order = np.argsort(-importance, kind="stable")
    effects = tuple(partial_dependence(predict, X, int(i)) for i in order[:MOST_EFFECTS])
    most_varying = int(local.prediction.std(0).argmax())
    pairs = np.zeros((X.shape[1], X.shape[1]))
    # Targets near the largest float64 number can have infinite predictions, which have no interactions.
    if bool(np.isfinite(local.prediction).all() and np.isfinite(local.shares).all()):
        strongest = [int(i) for i in order[:MOST_INTERACTING] if importance[i] > 0]
        one_output = lambda rows: predict(rows.detach().numpy())[:, most_varying]  # noqa: E731
        pairs = interactions(one_output, torch.from_numpy(few), inputs=strongest, seed=seed).numpy()
    sentences = tuple(_sentences(local, importance, effects, pairs, most_varying))
    return GlobalExplanation(local.names, local.outputs, local.base, importance, effects, pairs, local, sentences)


def _checked_names(names: Sequence[str] | None, count: int, letter: str, argument: str) -> tuple[str, ...]:
    if names is None:
        return tuple(f"{letter}{i + 1}" for i in range(count)) if count > 1 else (letter,)
    if isinstance(names, str) or len(names) != count:
        raise InputError(f"{argument} must hold {count} names, got {names!r:.80}")
    return tuple(map(str, names))


def _sentences(
    local: LocalExplanation, importance: np.ndarray, effects: Sequence[Effect], pairs: np.ndarray, output: int
) -> Iterator[str]:
    """Describe effects, unused inputs and interactions, of the output with this number."""
    target = local.outputs[output] if len(local.outputs) == 1 else f"the probability of {local.outputs[output]}"
    spread = np.ptp(local.prediction[:, output])
    top, moved = max(float(importance.max()), ABOVE_ZERO), np.abs(local.shares[..., output]).mean(0)
    for effect in effects[:5]:
        if importance[effect.input] < 0.01 * top:
            break
        curve, at = effect.mean[:, output], effect.points
        shape = effect.shape(output) if np.ptp(curve) > NOTABLE_SHARE * spread else "hardly moves on average"
        extent = f"from {curve[0]:.4g} to {curve[-1]:.4g}" if shape in ("rises", "falls") else ""
        extent = extent or f"between {curve.min():.4g} and {curve.max():.4g}"
        yield (
            f"As {local.names[effect.input]} goes from {at[0]:.4g} to {at[-1]:.4g}, {target} {shape} "
            f"({extent}); it moves a prediction by {moved[effect.input]:.3g} on average."
        )
    unused = [name for name, size in zip(local.names, importance, strict=True) if size == 0]
    if unused:
        shown = ", ".join(unused[:8]) + (f" and {len(unused) - 8} more" if len(unused) > 8 else "")
        yield f"Without any influence: {shown}."
    upper = np.triu(pairs, 1)
    for place in np.argsort(-upper, axis=None, kind="stable")[:3]:
        i, j = np.unravel_index(place, upper.shape)
        if upper[i, j] >= NOTABLE_SHARE:
            yield (
                f"{local.names[i]} and {local.names[j]} interact: {upper[i, j]:.0%} of the variation is a joint effect "
                "beyond the sum of their single effects."
            )
    if upper.max(initial=0) < NOTABLE_SHARE:
        yield "The inputs act nearly one by one: no two of them interact by more than 5 % of the variation."
