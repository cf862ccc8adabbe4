"""A prediction explained: which inputs it depends on, how, and what each adds to the prediction of a row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.interpret.effects import Effect, Predict, partial_dependence, predicted, shares
from edgewise.interpret.structure import interactions

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
