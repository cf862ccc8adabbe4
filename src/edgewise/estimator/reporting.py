"""Content of the report of an estimator: its explanation in words and figures, for every class, and its score."""

from __future__ import annotations

import math
import platform
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.estimator.display import TESTS_TEXT
from edgewise.gam.inference.sums import exact_sums
from edgewise.interpret.attribution.explanations import (
    MENTIONED_SHARE,
    NOTABLE_SHARE,
    GlobalExplanation,
    are_probabilities,
    are_two_classes,
    unused_sentences,
)
from edgewise.metrics import METRICS, Score
from edgewise.plot import (
    confusion,
    edge_curves,
    effect_curves,
    network_diagram,
    pair_map,
    parity,
    share_dots,
    training_history,
)
from edgewise.presentation import counted, enumeration, number_text, number_texts, percent_text
from edgewise.report import Report
from edgewise.report.comparison import Comparison, ModelResult
from edgewise.report.content import (
    FIGURE_TEXTS,
    ClassResult,
    ReportContent,
    ReportFigure,
    TestTable,
    formula_rows,
)

if TYPE_CHECKING:
    from edgewise.estimator.display import EstimatorDisplay
    from edgewise.estimator.task import Task
    from edgewise.formulas.front import Front
    from edgewise.tables.columns import Input

HELD_OUT_TEXT = (
    "No test rows were given. The score is that on the held-out rows by which the model was chosen, so it may be a "
    "little too good; report(X=X, y=y) has the score on other rows."
)
# Captions of a report without rows. A model keeps the distribution of each column, and none of the rows.
WITHOUT_ROWS = {
    "effects": "Average prediction against one input, over combinations of values of the other inputs (partial "
    "dependence). No rows were given, and a model keeps none of its training rows: in the combinations each input has "
    "its distribution in the training data, independently of the others. A category has one bar for each level, with "
    "its number of {counted}. The grey histograms show how the training data are distributed: trust a curve only "
    "there. Up to nine inputs have a panel, those with at least 1 % of all contributions.",
    "pair": "Average prediction against the two inputs that act together most, over combinations of values of the "
    "others; at the right, the part that no sum of one curve of each input has. Each input has its distribution in the "
    "training data, independently of the others.",
    "shares": "Contribution of each input to a prediction, relative to the mean prediction: one dot for each of up to "
    "300 combinations of values, in which each input has its distribution in the training data, independently of the "
    "others. Dots are stronger in colour where the value of a number is higher; categories are grey. The contributions "
    "and the mean add up to the prediction (Shapley values by sampling).",
}


@dataclass(frozen=True)
class ReportSettings:
    """How much a page about a fit shows, and when it calls inputs inseparable."""

    shown_inputs: int = 20  # inputs in the table
    effects: int = 9  # panels of the figure of effects (three rows)
    curves: int = 6  # classes with a curve in each of these panels (more cannot be told apart)
    class_folds: int = 12  # classes with a fold of their own
    table_classes: int = 40  # classes in tables (larger ones are not readable)
    interval_level: float = 0.9  # of the intervals whose coverage is stated, as `edgewise fit` does
    fewest_steps: int = 3  # of a training that is drawn (fewer are no curve)
    # Correlation of two inputs, and R2 of an input on all others, from which on their effects are called inseparable:
    # a variance inflation of 10, the customary limit (Kutner et al., Applied Linear Statistical Models, section 10.5).
    alike: float = 0.9
    rounding: float = 1e-9  # added to the diagonal of a correlation matrix, so that exact sums have an inverse


SETTINGS = ReportSettings()


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Rows that were not used in training: their targets, and how well the model predicts them."""

    score: Score
    observed: np.ndarray  # (N,) or (N, outputs), the targets
    predicted: np.ndarray  # in the same form
    classes: Sequence[Any] = ()  # labels of the classes that may occur, for such targets
    covered: float | None = None  # share of the rows within their 90 % intervals; None for a model without intervals

    @classmethod
    def of(cls, model: EstimatorDisplay, X: Any, y: Any) -> JudgedRows:
        """Judge rows; InputError where there are not as many targets as rows."""
        predicted = np.asarray(model.predict(X))
        score = model._scored(y, predicted)
        observed = model._task.targets(y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgewiseWarning)  # `predict` has warned of these rows
            covered = model._covered(X, observed, SETTINGS.interval_level)
        return cls(score, observed, predicted, list(model._task.classes), covered)


def model_report(model: EstimatorDisplay, X: ArrayLike | None, y: ArrayLike | None, title: str | None) -> Report:
    """Make the report of a fitted estimator; X and y are rows that were not used in training, with their targets.

    InputError where only one of X and y is given, or there are not as many targets as rows.
    """
    codes, judged, explanation = _read(model, X, y)
    formulas = []
    fronts = model._fronts()
    if fronts:
        from edgewise.plot import formula_front  # it loads what formulas are written by

        for name, front in fronts.items():
            formulas.append(ReportFigure("formulas", formula_front(front, target=name, max_formulas=0)))
    figures = with_formulas(model_figures(model, X, codes, judged, explanation), formulas)
    return Report(page_content(model, codes, judged, explanation, figures=figures, title=title or model._title()))


def model_tabs(model: EstimatorDisplay, X: ArrayLike | None, y: ArrayLike | None) -> Report:
    """Make the tabs of `show`, see `model_report`."""
    codes, judged, explanation = _read(model, X, y)
    figures = explanation_figures(model, codes, explanation)
    content = page_content(model, codes, judged, explanation, figures=figures, title=model._title())
    return Report(content, layout="tabs")


def _read(
    model: EstimatorDisplay, X: ArrayLike | None, y: ArrayLike | None
) -> tuple[np.ndarray, JudgedRows | None, GlobalExplanation | None]:
    """Return the codes of the rows, how well they are predicted if y is given, and the explanation."""
    if (X is None) != (y is None):
        raise InputError("X and y must be given together, got only one of them")
    codes = model._rows(X)
    judged = None if y is None else JudgedRows.of(model, X, y)
    return codes, judged, explained(model, codes)


def page_content(
    model: EstimatorDisplay,
    codes: np.ndarray,
    judged: JudgedRows | None,
    explanation: GlobalExplanation | None,
    fronts: Iterable[Front] = (),
    **given: Any,
) -> ReportContent:
    """Return the content of the page about a fit, with rows as codes of the encoder, and the formulas of its targets.

    Parts of `ReportContent` that are given, by name, replace the parts that the estimator makes.
    """
    task = model._task
    metric = METRICS[task.metric]
    parts: dict[str, Any] = {
        "summary": [fit_sentence(model)],
        "class_kind": "class" if len(task.classes) else "target",
        "data": {"target": task.target, "inputs": len(model.encoder_.columns)},
        "split": {"training": model._training_rows},
        "notes": list(model.encoder_.notes),
        "training": training_facts(model),
        "versions": package_versions(),
        "seed": model.random_state if isinstance(model.random_state, int) else None,
        "cautions": [] if codes is model.background_ else alike_sentences(codes, model.encoder_.inputs),
        **explanation_parts(explanation),
        **inference_parts(model),
        **_formula_parts(model),
    }
    # Remarks that need more than one part.
    fronts = [*fronts, *model._fronts().values()]
    if parts.get("joint"):
        parts["joint"] = [*parts["joint"], *formula_pairs(model, fronts)]
    if task.no_intervals:
        parts["cautions"].append(f"Predictions have no intervals. {task.no_intervals}")
    # The score on test rows, else that on the held-out rows of the search, else none.
    if judged is not None:
        score = judged.score
        own = ModelResult("KAN", score.value, model._coefficients, error=score.error)
        rows = f"the {counted(len(codes), 'test row')}"
        parts["comparison"] = Comparison([own], metric.name, metric.is_share, metric.higher_is_better, rows)
        parts["errors"] = _error_sentences(task, judged)
        parts["classes"] = class_results(judged.classes, judged.observed, judged.predicted)
        parts["split"]["test"] = len(codes)
    elif (held_out := model._beside_linear()) is not None:
        parts["comparison"] = held_out
        parts["cautions"].append(HELD_OUT_TEXT)
    else:
        parts["cautions"].append("No test rows were given, so how well the model predicts is not known here.")
    content = ReportContent(**(parts | given))
    if not content.comparison.verdict:  # no other model has a score on the same rows
        content = replace(content, errors=[*content.errors, *filter(None, [held_out_verdict(model)])])
    return content


def held_out_verdict(model: EstimatorDisplay) -> str:
    """Return the verdict beside a linear model on the rows that chose the model; "" where it has none."""
    held_out = model._beside_linear()
    if held_out is None or not held_out.verdict:
        return ""
    return f"{held_out.verdict.removesuffix('.')}, on held-out training rows."


def fit_sentence(model: EstimatorDisplay, rows: str = "") -> str:
    """Return the sentence that opens the page: the kind of model, what it predicts, and on which rows it was fitted."""
    network = f"A Kolmogorov-Arnold network ({model._shape_text()})"
    inputs = counted(len(model.encoder_.columns), "input")
    return f"{network} learned to predict {model._task.words} from {inputs}{rows}."


def training_facts(model: EstimatorDisplay) -> dict[str, object]:
    """Return the facts about the network, the search and the training."""
    config = model.model_.config
    facts: dict[str, object] = {
        "shape": str(list(config.width)),
        "knot intervals per edge": ", ".join(map(str, sorted(set(config.grid_size)))),
        "degree of the splines": config.degree,
    }
    if model._coefficients is not None:
        facts["coefficients"] = model._coefficients
    if model.inference_ is not None:
        facts["effective degrees of freedom"] = number_text(model.inference_.edf, 3)
    if model._record is not None:
        search, report = model._record
        facts["choice of the model"] = list(search.sentences)
        facts["candidates tried"] = len(search.trials)
        facts["end of the training"] = report.message
    if message := model._task.bars_message:
        facts["error bars"] = message
    return facts


def model_figures(
    model: EstimatorDisplay, X: Any, codes: np.ndarray, judged: JudgedRows | None, explanation: GlobalExplanation | None
) -> list[ReportFigure]:
    """Draw all figures of a page but those of formulas; `codes` are those of the rows X, or of the background."""
    compared = []
    if judged is not None and model._task.predicts_targets:
        compared = compared_figures(judged, model._task)
    return [*compared, *explanation_figures(model, codes, explanation), *network_figures(model, X, explanation)]


def with_formulas(figures: Sequence[ReportFigure], formulas: Sequence[ReportFigure]) -> list[ReportFigure]:
    """Return the figures with those of formulas before the network."""
    place = next((number for number, figure in enumerate(figures) if figure.kind == "network"), len(figures))
    return [*figures[:place], *formulas, *figures[place:]]


def explained(model: EstimatorDisplay, codes: np.ndarray) -> GlobalExplanation | None:
    """Explain the predictions for codes; None where the columns are constant or predictions overflow."""
    known = np.where(np.isnan(codes), 0.0, codes)
    if len(codes) < 2 or not np.ptp(known, axis=0).any():
        return None
    outputs = model._task.outputs
    if outputs is None and model.model_.config.width[-1] == 1:
        outputs = model._task.answers
    if outputs is not None and len(outputs) == 1 and model._task.scaling is not None:
        outputs = [model._task.words]  # a rate where the target has an exposure
    with np.errstate(invalid="ignore", over="ignore"):
        made = model._explained(codes, model._input_names(None), outputs)
    return made if np.isfinite(made.local.shares).all() else None


def is_sum_of_curves(model: EstimatorDisplay) -> bool:
    """Return whether the prediction itself, and not its logarithm or its log odds, is a sum of curves."""
    task = model._task
    return len(model.model_.layers) == 1 and task.scaling is not None and task.exponent is None


def formula_pairs(model: EstimatorDisplay, fronts: Sequence[Front]) -> list[str]:
    """Return a sentence on a formula that joins inputs in one term, beside a model that is a sum of curves."""
    if not fronts or not is_sum_of_curves(model):
        return []
    from edgewise.formulas.expression import Add, used_variables  # imported late: most reports have no formulas
    from edgewise.formulas.rewriting import expanded

    # A product of two inputs in the expanded formula is an interaction.
    for front in fronts:
        formula = front.best.formula
        terms = expanded(formula.expression)
        for term in terms.terms if isinstance(terms, Add) else (terms,):
            names = [formula.names[place] for place in used_variables(term)]
            if len(names) > 1:
                joins = f"The formula joins {enumeration(names)} in one term"
                return [f"{joins}, an interaction that a sum of curves cannot have: pairs may help the model."]
    return []


def explanation_parts(explanation: GlobalExplanation | None) -> dict[str, Any]:
    """Return the parts of a report about the inputs that predictions depend on, for every class or target."""
    if explanation is None:
        return {}
    if explanation.constant:
        return {"findings": [explanation.constant], "inputs": []}
    # Two classes are described by the probability of the second, as in a summary.
    several = len(explanation.outputs) > 1 and not are_two_classes(explanation.local.prediction)
    shown = [] if not several else range(min(len(explanation.outputs), SETTINGS.class_folds))
    # A long table has no rows of inputs without influence, which a sentence names.
    ranking = explanation.ranking()
    if len(ranking) > SETTINGS.shown_inputs:
        ranking = [one for one in ranking if one[1] > 0]
    return {
        "inputs": [(name, size) for name, size, _ in ranking[: SETTINGS.shown_inputs]],
        "findings": _class_overview(explanation) if several else explanation.findings,
        "joint": explanation.joint,
        "class_findings": {explanation.outputs[k]: explanation.about(k) for k in shown},
    }


def inference_parts(model: EstimatorDisplay) -> dict[str, Any]:
    """Return the part of a report with the tests of the terms, if the model has them."""
    tests, note = model._shown_tests()
    if tests is None:
        return {}
    head, rows = tests.table()
    of_all = f"Together the terms explain {percent_text(tests.explained, 3)} of the deviance."
    return {"tests": TestTable(head, rows, " ".join(filter(None, [TESTS_TEXT, of_all, note])))}


def _output_word(explanation: GlobalExplanation) -> str:
    """Return what an output is called in a sentence."""
    if are_probabilities(explanation.local.prediction):
        return "probability"
    return "prediction"


def _class_overview(explanation: GlobalExplanation) -> list[str]:
    """Return a sentence for each of the strongest inputs about its effect on a class or a target."""
    sentences = []
    word = _output_word(explanation)
    for effect in explanation.effects[:5]:
        size = float(explanation.importance[effect.input])
        if size < MENTIONED_SHARE * float(explanation.importance.sum()):
            break
        output = int(effect.strength.argmax())
        curve = effect.mean[:, output]
        name = explanation.names[effect.input]
        start = f"{name} matters most for {explanation.outputs[output]}, whose {word}"
        # A category by its extreme levels, a number by the direction or the ends of its curve.
        if effect.levels:
            ends = (int(curve.argmax()), int(curve.argmin()))
            high, low = number_texts([curve[k] for k in ends])
            what = f"is highest for {effect.levels[ends[0]]} ({high}) and lowest for {effect.levels[ends[1]]} ({low})"
        else:
            what = effect.shape(output)
            alone = what in ("rises", "falls")
            first, last = number_texts((curve[0], curve[-1]) if alone else (curve.min(), curve.max()))
            what += f" with it, from {first} to {last}" if alone else f" with it, between {first} and {last}"
        sentences.append(f"{start} {what}.")
    return [*sentences, *unused_sentences(explanation.names, explanation.importance)]


def explanation_figures(
    model: EstimatorDisplay, codes: np.ndarray, explanation: GlobalExplanation | None
) -> list[ReportFigure]:
    """Draw the effects of the inputs and the shares in single predictions; for a classifier one figure a class."""
    if explanation is not None and explanation.constant:
        return []
    # The rows of the figures, with captions that say where none were given.
    view = model._prediction_view()
    captions = dict.fromkeys(WITHOUT_ROWS, "")
    if codes is not model.background_:
        view = replace(view, X=codes, counts=())
    else:
        counted = "training rows" if view.counts else "combinations"
        captions = {kind: text.format(counted=counted) for kind, text in WITHOUT_ROWS.items()}

    def drawn(kind: str, figure: Any, group: str = "") -> ReportFigure:
        return ReportFigure(kind, figure, caption=captions[kind], group=group)

    if explanation is None:
        return [drawn("effects", effect_curves(view, max_inputs=SETTINGS.effects))]
    # A panel for each input with a sentence of its own: a flat line says less than the table of the inputs.
    importance = explanation.importance
    order = np.argsort(-importance, kind="stable")[: SETTINGS.effects]
    moving = order[importance[order] >= MENTIONED_SHARE * importance.sum()]
    figures = [drawn("effects", effect_curves(view, inputs=moving.tolist(), max_outputs=SETTINGS.curves))]
    # The pair with the largest interaction, where it is notable.
    joint = np.triu(explanation.interactions, 1)
    if joint.max(initial=0.0) >= NOTABLE_SHARE:
        first, second = np.unravel_index(int(joint.argmax()), joint.shape)
        # Of several outputs the one that the sentence about the pair describes.
        output = explanation.output if view.outputs is not None and len(view.outputs) > 1 else None
        pair = drawn("pair", pair_map(view, inputs=(int(first), int(second)), output=output))
        scale = explanation.scale
        if scale:  # curves whose sum bends in the prediction
            shown = view.target if output is None else f"{view.target} of {explanation.outputs[output]}"
            text = captions["pair"] or FIGURE_TEXTS["pair"][1]
            text += (
                f" Both maps show {model._task.effect_on(shown)}; the right one is a difference. The share in the "
                f"sentence above belongs to {scale}, where the model is a sum: even without an interaction there, the "
                "right map is not quite empty."
            )
            pair = replace(pair, caption=text)
        figures.append(pair)
    if len(explanation.outputs) == 1 or are_two_classes(explanation.local.prediction):
        last = len(explanation.outputs) - 1
        return [*figures, drawn("shares", share_dots(explanation.local, output=last))]

    def probability_of(output: int, codes: np.ndarray) -> np.ndarray:
        return model._predicted(codes)[:, [output]]

    # Of several classes each has the shares of its inputs, and curves of its own if one figure cannot hold all.
    for k, name in enumerate(explanation.outputs[: SETTINGS.class_folds]):
        if len(explanation.outputs) > SETTINGS.curves:
            one = replace(
                view,
                function=partial(probability_of, k),
                outputs=[name],
                target=f"{_output_word(explanation)} of {name}",
                color=k,
            )
            # A row of panels for the inputs that move this class most: figures of many classes cost more than the fit.
            order = np.argsort(-np.abs(explanation.local.shares[..., k]).mean(0), kind="stable")[:3].tolist()
            figures.append(drawn("effects", effect_curves(one, inputs=order), name))
        figures.append(drawn("shares", share_dots(explanation.local, output=k), name))
    return figures


def network_figures(model: EstimatorDisplay, X: Any, explanation: GlobalExplanation | None) -> list[ReportFigure]:
    """Draw the network, the curves whose sum is the log odds or the logarithm of the prediction, and its training."""
    view = model._network_view(X, None if explanation is None else explanation.importance)
    figures = [ReportFigure("network", network_diagram(view))]
    # The curves of a prediction that is their sum are the effects of the first page.
    if len(model.model_.layers) == 1 and not is_sum_of_curves(model):
        figures.append(ReportFigure("edges", edge_curves(view)))
    if model._record is None:
        return figures
    report = model._record[1]
    if sum(math.isfinite(record.loss) for record in report.history) >= SETTINGS.fewest_steps:
        figures.append(ReportFigure("history", training_history(report, loss_name=model._task.training_loss)))
    return figures


def compared_figures(judged: JudgedRows, task: Task) -> list[ReportFigure]:
    """Draw predictions against observations; nothing for very many classes."""
    if not len(judged.classes):
        names = list(task.names) if len(task.names) > 1 else None
        return [ReportFigure("parity", parity(judged.observed.astype(np.float64), judged.predicted, names=names))]
    if len(judged.classes) > SETTINGS.table_classes:
        return []
    return [ReportFigure("confusion", confusion(judged.observed, judged.predicted, classes=judged.classes))]


def _formula_parts(model: EstimatorDisplay) -> dict[str, Any]:
    """Return the parts of a report about the formulas, if there are any."""
    fronts = model._fronts()
    if not fronts:
        return {}
    # With several targets each sentence and row names its own.
    several = len(fronts) > 1
    sentences = ["\n".join(f"{name} = {front.best.formula.text(4)}" for name, front in fronts.items())]
    rows = []
    for name, front in fronts.items():
        sentences.append(f"The formula of {name} is {front.reason}." if several else f"This is {front.reason}.")
        sentences += [f"{name}: {message}" if several else message for message in front.messages]
        rows += [replace(row, text=f"{name} = {row.text}") if several else row for row in formula_rows(front)]
    return {"formulas": sentences, "formula_rows": rows}


def _error_sentences(task: Task, judged: JudgedRows) -> list[str]:
    """Return sentences on the errors of numbers; none for other targets."""
    if task.scaling is None:
        return []
    rmse = METRICS["rmse"].score(judged.observed, judged.predicted).value
    return error_sentences(rmse, task.target if judged.observed.ndim == 1 else "", judged.covered)


def error_sentences(rmse: float, target: str, covered: float | None) -> list[str]:
    """Return sentences on the root mean square error and on the share of rows within their 90 % intervals."""
    sentences = []
    if math.isfinite(rmse):
        if target:
            unit = f", in the unit of {target}"
        else:
            unit = ""
        sentences.append(f"The root mean square error is {number_text(rmse)}{unit}.")
    if covered is not None:
        sentences.append(f"The 90 % intervals contain {percent_text(covered)} of these rows.")
    return sentences


def class_results(classes: Sequence[Any], observed: np.ndarray, predicted: np.ndarray) -> list[ClassResult]:
    """Return recall and precision of each class; nothing for very many classes."""
    rows = []
    # Recall is the share of the rows of a class that are found, precision the share of those found that are right.
    for label in classes if len(classes) <= SETTINGS.table_classes else ():
        actual = observed == label
        found = predicted == label
        right = int((actual & found).sum())
        if actual.any():
            recall = right / int(actual.sum())
        else:
            recall = None
        if found.any():
            precision = right / int(found.sum())
        else:
            precision = None
        rows.append(ClassResult(str(label), int(actual.sum()), recall, precision))
    return rows


def alike_sentences(codes: np.ndarray, columns: Sequence[Input]) -> list[str]:
    """Return sentences on numbers whose effects cannot be separated: pairs alike, and sums of others."""
    # Numbers that vary, in rows without missing cells.
    known = codes[~np.isnan(codes).any(axis=1)]
    moving = [i for i, one in enumerate(columns) if not one.level_names and len(known) > 2 and np.ptp(known[:, i]) > 0]
    if len(moving) < 2:
        return []
    names = [columns[i].name for i in moving]
    divided = "how an effect is divided between them is uncertain"
    # Pairs by their correlation.
    correlation = np.corrcoef(known[:, moving], rowvar=False)
    pairs = np.argwhere(np.abs(np.triu(correlation, 1)) >= SETTINGS.alike)
    sentences = [
        f"{names[i]} and {names[j]} are nearly {'the same' if correlation[i, j] > 0 else 'opposite'} (correlation "
        f"{number_text(correlation[i, j], 3)}): {divided}."
        for i, j in pairs[:5]
    ]
    if len(known) <= 2 * len(moving):
        return sentences
    # Sums of three columns or more that hold in every row.
    named = set(pairs.ravel().tolist())
    sums = [(places, text) for places, text in exact_sums(known[:, moving], names) if len(places) > 2]
    for places, text in sums[:5]:
        sentences.append(f"{text} in every row: {divided}.")
        named.update(places)
    # The variance inflation factor, the diagonal of the inverse correlation matrix, is 1 / (1 - R2) of the regression
    # of a column on all others.
    inflation = np.diag(np.linalg.inv(correlation + SETTINGS.rounding * np.eye(len(moving))))
    following = [k for k in np.flatnonzero(inflation >= 1 / (1 - SETTINGS.alike)) if k not in named]
    if following:
        listed = enumeration([names[k] for k in following[:5]]) + (" and others" if len(following) > 5 else "")
        verb = "nearly follows" if len(following) == 1 else "nearly follow"
        least = number_text(SETTINGS.alike)
        sentences.append(f"{listed} {verb} from the other inputs together (R² of at least {least}): {divided}.")
    return sentences


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that the numbers depend on."""
    numbers = {"edgewise": sys.modules["edgewise"].__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scikit-learn"):
        with suppress(PackageNotFoundError):  # a copy without metadata
            numbers[package] = version(package)
    return numbers
