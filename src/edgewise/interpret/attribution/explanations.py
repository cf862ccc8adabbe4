"""Explanations of predictions in words and short tables, from partial dependence and Shapley shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.checks import check_count, check_labels, typed
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import (
    SHARE_ROWS,
    Effect,
    InputKind,
    checked_background,
    checked_table,
    evenly_picked,
    partial_dependence,
    shapley_shares,
)
from edgewise.interpret.black_box import BlackBox, array_function
from edgewise.presentation import (
    column_texts,
    html_table,
    number_text,
    number_texts,
    percent_text,
    signed_text,
    text_table,
)
from edgewise.settings import ABOVE_ZERO

MENTIONED_SHARE = 0.01  # inputs that move the prediction by a smaller share of the total have no sentence
NOTABLE_SHARE = 0.05  # interactions below this share of the variation are not mentioned


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
        (N, d), the explained rows; NaN is a missing value.
    kinds : tuple of InputKind
        How the values of each input are written; () for numbers.

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
    kinds: tuple[InputKind, ...] = ()

    def value_text(self, row: int, number: int) -> str:
        """Return the value of an input in a row as people write it: a number, a date, a level, or "missing"."""
        value = float(self.values[row, number])
        if self.kinds:
            return self.kinds[number].text(value)
        if np.isnan(value):
            return "missing"
        return number_text(value)

    def sentence(self, row: int, output: int | None = None, most: int = 5) -> str:
        """Explain one row in words.

        Parameters
        ----------
        row : int
            Number of the row.
        output : int, optional
            Number of the output; if left out, the second of two classes, else the one with the largest prediction.
        most : int
            Number of inputs that are named.

        Returns
        -------
        str
            One sentence.
        """
        if output is None:
            output = described_output(self.prediction[row])
        own = self.shares[row, :, output]
        order = np.argsort(-np.abs(own), kind="stable")[:most]
        parts = [f"{signed_text(own[i], 4)} for {self.names[i]} = {self.value_text(row, i)}" for i in order]
        # What adds up: the named shares, the rest, and the base value.
        rest = float(own.sum() - own[order].sum())
        if len(own) > most:
            parts.append(f"{signed_text(rest, 4)} for the others")
        predicted = number_text(self.prediction[row, output])
        base = number_text(self.base[output])
        name = self.outputs[output]
        if are_probabilities(self.prediction):
            name = f"probability of {name}"
        return f"{name} {predicted}: {base} on average, {', '.join(parts)}."

    def __repr__(self) -> str:
        lines = [self.sentence(row) for row in range(len(self.shares))[:3]]
        if len(self.shares) > 3:
            lines.append(f"... and {len(self.shares) - 3} more rows")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        # For each of the first rows: the mean, the contributions of the strongest inputs and of the others, their sum.
        rows = []
        for row in range(len(self.shares))[:3]:
            output = described_output(self.prediction[row])
            own = self.shares[row, :, output]
            start = [str(row + 1), self.outputs[output]]  # rows count from 1, as in messages and on the command line
            order = np.argsort(-np.abs(own), kind="stable")[:5]
            rows.append([*start, "mean over the background", "", number_text(self.base[output])])
            rows += [[*start, self.names[i], self.value_text(row, i), signed_text(own[i], 4)] for i in order]
            if len(own) > len(order):
                rows.append([*start, "the others", "", signed_text(float(own.sum() - own[order].sum()), 4)])
            rows.append([*start, "prediction", "", number_text(self.prediction[row, output])])
        notes = ["Each prediction is the mean over the background plus the contributions."]
        if len(self.shares) > 3:
            notes.append(f"{len(self.shares) - 3} more rows are not shown.")
        head = ["row", "output", "input", "value", "contribution"]
        return html_table(
            head, rows, caption="Contributions to single predictions", notes=notes, text_columns=(0, 1, 2)
        )


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
        (d, d), see `edgewise.interpret.interactions`, among the strongest inputs, of the output that varies most.
    local : LocalExplanation
        The shares behind the importance.
    findings : tuple of str
        The effects of single inputs in words, the strongest first.
    joint : tuple of str
        Which inputs act together, in words, or that none do.
    scale : str
        What interactions are interactions of, where it is not the prediction: the log odds or the logit of a
        class, or the logarithm of the prediction, in which the model adds up.
    output : int
        Number of the output that varies most, of which the interactions are.

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
    findings: tuple[str, ...]
    joint: tuple[str, ...]
    scale: str = ""
    output: int = 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """The result in words."""
        return (*self.findings, *self.joint)

    @property
    def constant(self) -> str:
        """One sentence if no input changes the prediction, "" otherwise."""
        return constant_sentence(self.local.prediction, self.outputs)

    def ranking(self) -> list[tuple[str, float, float]]:
        """Rank the inputs by what they do to the prediction: their mean absolute contributions.

        Returns
        -------
        list of (str, float, float)
            For each input its name, its mean absolute contribution in the unit of the prediction, and its share of
            the sum over all inputs, from 0 to 1; the strongest first.
        """
        total = self.importance.sum()
        shares = np.zeros_like(self.importance)
        if total > 0:
            shares = self.importance / total
        order = np.argsort(-self.importance, kind="stable")
        return [(self.names[i], float(self.importance[i]), float(shares[i])) for i in order]

    def about(self, output: int) -> tuple[str, ...]:
        """Describe the effects on one output, such as the probability of one class, in sentences.

        Parameters
        ----------
        output : int
            Number of the output.
        """
        importance = np.abs(self.local.shares[..., output]).mean(0)
        effects = sorted(self.effects, key=lambda effect: -importance[effect.input])
        return tuple(_effect_sentences(self.local, importance, effects, output))

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the titles and the rows of the printed table."""
        output = self.output
        shapes = {self.names[effect.input]: effect.shape(output) for effect in self.effects}
        rows = []
        ranking = self.ranking()[:20]
        texts = column_texts([size for _, size, _ in ranking])
        for (name, size, share), size_text in zip(ranking, texts, strict=True):
            shape = shapes.get(name, "") if size else ""
            if 0 < share < MENTIONED_SHARE:  # as in a summary
                shape = "hardly moves"
            rows.append([name, size_text, percent_text(share), shape])
        return ["input", "moves a prediction by", "share", f"effect on {_output_text(self.local, output)}"], rows

    def __repr__(self) -> str:
        head, rows = self._table()
        lines = [text_table(head, rows, text_columns=(0, 3))]
        if len(self.names) > len(rows):
            lines.append(f"... and {len(self.names) - len(rows)} more inputs")
        return "\n".join([*lines, *self.sentences])

    def _repr_html_(self) -> str:
        head, rows = self._table()
        return html_table(
            head, rows, caption="What the predictions depend on", notes=self.sentences, text_columns=(0, 3)
        )


@typed
def explain_local(
    model: BlackBox,
    X: np.ndarray | Tensor,
    background: np.ndarray | Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
    kinds: Sequence[InputKind] = (),
) -> LocalExplanation:
    """Explain single predictions by the share of each input.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray or Tensor
        Rows to explain, (N, d).
    background : ndarray or Tensor, optional
        Rows to compare with, (B, d), at least two different ones; X if left out.
    names, outputs : sequence of str, optional
        Names of the inputs and of the outputs.
    seed : int
        Seed of the orders in which the inputs are exchanged.
    kinds : sequence of InputKind, optional
        For each input how its values are written: levels of a category, dates.

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
    `edgewise.interpret.shapley_shares`.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import explain_local
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> explain_local(lambda X: X[:, 0] + 10 * X[:, 1], X, names=["a", "b"], outputs=["y"]).sentence(0)
    'y 21: 32 on average, −10 for b = 2, −1 for a = 1.'
    """
    X = checked_table(X, "X")
    check_count(seed, "seed", 0)
    if len(kinds) not in (0, X.shape[1]) or not all(isinstance(kind, InputKind) for kind in kinds):
        raise InputError(f"kinds must be one of each of {X.shape[1]} inputs, or none, got {kinds!r:.80}")
    background = X if background is None else checked_table(background, "background")
    if len(background) < 2 or bool((background == background[0]).all()):
        raise InputError("background must hold at least two different rows to compare with; give rows of the data")
    shares, base = shapley_shares(model, X, background, seed=seed)
    names = check_labels(names, _lettered("x", X.shape[1]))
    outputs = check_labels(outputs, _lettered("y", len(base)), "outputs")
    return LocalExplanation(names, outputs, base, shares, array_function(model)(X), X, tuple(kinds))


@typed
def explain_global(
    model: BlackBox,
    X: np.ndarray | Tensor,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    seed: int = 0,
    kinds: Sequence[InputKind] = (),
    log_link: bool = False,
    background: np.ndarray | Tensor | None = None,
) -> GlobalExplanation:
    """Measure the importance of the inputs, their effects and their interactions over a table.

    Parameters
    ----------
    model : torch.nn.Module, object with `predict`, or callable
        Function of an array (n, d), see `edgewise.interpret.black_box.array_function`.
    X : ndarray or Tensor
        Data, (N, d), at least two different rows.
    names, outputs : sequence of str, optional
        Names of the inputs and of the outputs.
    seed : int
        Seed of the shares and of the interactions.
    kinds : sequence of InputKind, optional
        As in `explain_local`.
    log_link : bool
        Whether the predictions are exponentials of what adds up: interactions are then those of their logarithms, as
        those of classes are of the logarithms of probabilities.
    background : ndarray or Tensor, optional
        Rows over which interactions are measured, (B, d), so that one interaction has one size whatever X is; X if left
        out.

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
    # Shapley shares of a sample of the rows, and the partial dependence on the strongest inputs.
    X = checked_table(X, "X")
    predict = array_function(model)
    few = evenly_picked(X, SHARE_ROWS)
    mixed = few if background is None else checked_background(background, X.shape[1])
    local = explain_local(predict, few, X, names=names, outputs=outputs, seed=seed, kinds=kinds)
    importance = np.abs(local.shares).mean((0, 2))
    order = np.argsort(-importance, kind="stable")
    effects = tuple(
        partial_dependence(predict, X, int(i), kind=local.kinds[i] if local.kinds else None) for i in order[:30]
    )
    # Interactions of the strongest inputs, 66 pairs at most.
    output = most_varying(local.prediction)
    pairs = np.zeros((X.shape[1], X.shape[1]))
    of_classes = are_probabilities(local.prediction)
    if of_classes:
        scale = f"the {'log odds' if are_two_classes(local.prediction) else 'logit'} of {local.outputs[output]}"
    elif log_link:
        scale = "the logarithm of the prediction"
    else:
        scale = ""
    # Targets near the largest float64 number can have infinite predictions, which have no interactions.
    if bool(np.isfinite(local.prediction).all() and np.isfinite(local.shares).all()):
        strongest = [int(i) for i in order[:12] if importance[i] > 0]
        # Rows are mixed value by value, so that a number below all others can stand for a missing value.
        missing = np.isnan(mixed)
        below = np.nextafter(np.where(missing, 0.0, mixed).min(axis=0), -np.inf)
        gap = np.where(missing.any(axis=0), below, -np.inf)

        def one_output(rows: torch.Tensor) -> np.ndarray:
            values = rows.detach().numpy()
            predicted = predict(np.where(values == gap, np.nan, values))
            if of_classes:  # what adds up in a model without pairs is the logarithm of a probability and no probability
                predicted = np.log(np.maximum(predicted, np.finfo(float).tiny))
                predicted = predicted - predicted.mean(1, keepdims=True)
            elif log_link:
                predicted = np.log(np.maximum(predicted, np.finfo(float).tiny))
            return predicted[:, output]

        # The tests of structure load the formula search, which an explanation without pairs does not need.
        from edgewise.interpret.dependence.separability import interactions

        known = torch.from_numpy(np.where(missing, gap, mixed))
        pairs = interactions(one_output, known, inputs=strongest, seed=seed).numpy()
    # The result in words.
    constant = constant_sentence(local.prediction, local.outputs)
    if constant:
        findings: tuple[str, ...] = (constant,)
        joint: tuple[str, ...] = ()
    else:
        findings = (*_effect_sentences(local, importance, effects, output), *unused_sentences(local.names, importance))
        joint = tuple(_interaction_sentences(local, pairs, scale))
    return GlobalExplanation(
        local.names, local.outputs, local.base, importance, effects, pairs, local, findings, joint, scale, output
    )


def most_varying(prediction: np.ndarray) -> int:
    """Return the number of the output that varies most; of equal ones, such as two probabilities, the last."""
    spread = prediction.std(0)
    near = spread >= spread.max() * (1 - 1e-9)  # rounding must not decide which of two classes is described
    if near.any():
        return int(np.flatnonzero(near)[-1])
    return 0


def described_output(prediction: np.ndarray) -> int:
    """Return the number of the output that describes a row (outputs,): the second of two classes, or the largest."""
    # Outputs whose sum is 1 are the probabilities of classes. Those of two classes say the same, and their
    # contributions differ in sign only, so that sentences about several rows agree only if they are about one class:
    # the second, as in a summary.
    if are_two_classes(prediction):
        return 1
    return int(prediction.argmax())


def are_two_classes(prediction: np.ndarray) -> bool:
    """Return whether predictions (..., outputs) are the probabilities of two classes."""
    return prediction.shape[-1] == 2 and are_probabilities(prediction)


def are_probabilities(prediction: np.ndarray) -> bool:
    """Return whether predictions (..., outputs) of several outputs are the probabilities of classes."""
    if prediction.shape[-1] < 2:
        return False
    return bool(np.allclose(prediction.sum(-1), 1.0) and prediction.min(initial=0.0) >= 0)


def _lettered(letter: str, count: int) -> list[str]:
    """Names of a letter: x1, x2, ...; a single one is just the letter."""
    if count == 1:
        return [letter]
    return [f"{letter}{k + 1}" for k in range(count)]


def constant_sentence(prediction: np.ndarray, outputs: Sequence[str]) -> str:
    """Return a sentence about predictions (n, outputs) that are the same in all rows, "" where they are not."""
    # Equal to the rounding of long sums. Outputs whose sum is 1 are the probabilities of classes.
    if not len(prediction) or (np.ptp(prediction, axis=0) > 1e-9 * np.abs(prediction).max(axis=0)).any():
        return ""
    values = prediction[0]
    texts = column_texts(prediction[0], 4)
    if len(values) > 1 and np.isclose(values.sum(), 1.0) and values.min() >= 0:
        k = int(values.argmax())
        answer = f"{outputs[k]} ({percent_text(float(values[k]), 3)} of the rows)"
    elif len(values) > 1:
        answer = " and ".join(f"{name} = {text}" for name, text in zip(outputs, texts, strict=True))
    else:
        answer = texts[0]
    return f"No input helps: the model always answers {answer}."


def _output_text(local: LocalExplanation, output: int) -> str:
    """Return the name of an output, which may be the probability of a class."""
    name = local.outputs[output]
    if are_probabilities(local.prediction):
        return f"the probability of {name}"
    return name


def unused_sentences(names: Sequence[str], importance: np.ndarray) -> Iterator[str]:
    """Name the inputs that no prediction depends on."""
    unused = [name for name, size in zip(names, importance, strict=True) if size == 0]
    if unused:
        shown = ", ".join(unused[:8])
        if len(unused) > 8:
            shown += f" and {len(unused) - 8} more"
        yield f"Without any influence: {shown}."


def _effect_sentences(
    local: LocalExplanation, importance: np.ndarray, effects: Sequence[Effect], output: int
) -> Iterator[str]:
    """Describe the effects of the strongest inputs on the output with this number."""
    target = _output_text(local, output)
    spread = np.ptp(local.prediction[:, output])
    total = max(float(importance.sum()), ABOVE_ZERO)
    moved = np.abs(local.shares[..., output]).mean(0)
    for effect in effects[:5]:
        if importance[effect.input] < MENTIONED_SHARE * total:
            break
        # The size of the effect, and what a missing cell means.
        curve = effect.mean[:, output]
        at = effect.points
        size = f"it moves a prediction by {number_text(moved[effect.input], 3)} on average"
        if effect.missing is not None:
            size += f"; where it is missing, {target} is {number_text(effect.missing[output])} on average"
        # Categories: the levels with the highest and the lowest mean.
        if len(effect.levels) == 1:
            level = f"The only level of {local.names[effect.input]} is {effect.levels[0]}"
            yield f"{level}, where {target} is {number_text(curve[0])} on average; {size}."
            continue
        if effect.levels:
            ends = int(curve.argmax()), int(curve.argmin())
            highest, lowest = (
                f"{effect.levels[k]} ({text})"
                for k, text in zip(ends, column_texts([curve[k] for k in ends], 4), strict=True)
            )
            yield (
                f"Of the {len(effect.levels)} levels of {local.names[effect.input]}, {target} is highest for {highest} "
                f"and lowest for {lowest}; {size}."
            )
            continue
        # Numbers: the shape of the curve and its ends.
        shape = "hardly moves on average"
        if np.ptp(curve) > NOTABLE_SHARE * spread:
            shape = effect.shape(output)
        if shape in ("rises", "falls"):
            start, end = number_texts((curve[0], curve[-1]))
            extent = f"from {start} to {end}"
        else:
            low, high = number_texts((curve.min(), curve.max()))
            extent = f"between {low} and {high}"
        first, last = number_texts((at[0], at[-1]))
        if local.kinds and local.kinds[effect.input].text(0.0) != "0":  # days of a calendar
            first = local.kinds[effect.input].text(at[0])
            last = local.kinds[effect.input].text(at[-1])
        yield (f"As {local.names[effect.input]} goes from {first} to {last}, {target} {shape} ({extent}); {size}.")


def _interaction_sentences(local: LocalExplanation, pairs: np.ndarray, scale: str) -> Iterator[str]:
    """Describe the strongest interactions, or say that there are none; `scale` is what they are interactions of."""
    upper = np.triu(pairs, 1)
    variation = "the variation"
    if scale:
        variation += f" of {scale}"
    for place in np.argsort(-upper, axis=None, kind="stable")[:3]:
        i, j = np.unravel_index(place, upper.shape)
        if upper[i, j] >= NOTABLE_SHARE:
            yield (
                f"{local.names[i]} and {local.names[j]} interact: {percent_text(float(upper[i, j]))} of {variation} "
                "is a joint effect beyond the sum of their single effects."
            )
    if upper.max(initial=0) < NOTABLE_SHARE:
        yield f"The inputs act nearly one by one: no two of them interact by more than 5 % of {variation}."
