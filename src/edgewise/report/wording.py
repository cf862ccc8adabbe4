"""Sentences of a report that follow from its numbers: what to distrust, and the sentence for a method section."""

from __future__ import annotations

from edgewise.metrics import METRICS
from edgewise.presentation import counted, number_text, percent_text
from edgewise.report.content import ReportContent

FEW_TEST_ROWS = 100  # below, a score is called uncertain (its standard error is then a few per cent)
FEW_CLASS_ROWS = 20  # test rows of a class below which its recall and precision are called uncertain
HEADLINE_SYMBOLS = 20  # longer formulas are not read at a glance and stand in the table alone
LOW_R2 = 0.3  # R² below which a model explains little of the target


def cautions(content: ReportContent) -> list[str]:
    """Return what a reader should distrust, the most serious first."""
    sentences = []
    comparison = content.comparison
    own = comparison.own
    if own is not None and own.score is not None and comparison.score_name == METRICS["r2"].name and own.score < LOW_R2:
        unexplained = 100 * (1 - max(own.score, 0))
        sentences.append(
            f"The model explains little: most of the variation of the target ({unexplained:.0f} %) is not in these "
            "inputs, or not in the form of this model."
        )
    if comparison.better:
        sentences.append(
            f"{comparison.better} predicts better than this model: what this page finds may be incomplete."
        )
    tests = content.split.get("test")
    if tests is not None and tests < FEW_TEST_ROWS and own is not None:
        error = comparison.error_text(own)
        known = f" ({error})" if error else ""
        sentences.append(f"The score rests on only {tests:,} test rows{known}.")
    if comparison.models and own is None:
        sentences.append("The model was not tested on rows of its own, so how well it predicts is not known here.")
    rare = [one for one in content.classes if one.rows < FEW_CLASS_ROWS]
    if rare:
        names = ", ".join(f"{one.name} ({one.rows})" for one in rare[:6])
        sentences.append(f"Few test rows of a class make its recall and precision uncertain: {names}.")
    missed = [one for one in content.classes if one.recall is not None and one.recall < 0.5]
    if missed:
        names = ", ".join(f"{one.name} ({percent_text(one.recall or 0.0)} found)" for one in missed[:6])
        sentences.append(f"The model misses most rows of: {names}.")
    sentences += content.cautions
    # A column that numbers the rows is a note of the table; it may make the whole result worthless.
    sentences += [note for note in content.notes if " counts the rows; " in note]
    if content.inputs:
        sentences.append(
            "Effects describe this model, not causes; outside the range of the data, which the figures show in grey, "
            "they are extrapolation."
        )
    return sentences


def method_sentence(content: ReportContent) -> str:
    """Return the sentences that a method section needs: model, choice, data, score, versions and seed."""
    shape = content.training.get("shape")
    if shape is None:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in content.versions.items() if name != "edgewise")
    own = content.versions.get("edgewise")
    software = (f"Edgewise {own}" if own else "Edgewise") + (f" with {versions}" if versions else "")
    rows = content.split.get("training")
    on = f" on {counted(rows, 'row')}" if rows else ""
    sentences = [f"A Kolmogorov-Arnold network of shape {shape} was fitted{on} with {software}"]
    if content.seed is not None:
        sentences[0] += f" (random seed {content.seed})"
    sentences[0] += "."
    degree = content.training.get("degree of the splines")
    parameters = content.training.get("parameters")
    if degree is not None and parameters is not None:
        count = number_text(float(str(parameters)))
        sentences.append(f"Its edges are B-splines of degree {degree}; it has {count} parameters.")
    if "given" not in str(content.training.get("choice of the model", "")):
        sentences.append("Shape, knots and smoothing were chosen from the training rows alone.")
    own_model = content.comparison.own
    if own_model is not None:
        comparison = content.comparison
        error = comparison.error_text(own_model)
        known = f" ({error})" if error else ""
        score = comparison.score_text(own_model.score)
        use = ", which were not used in fitting" if content.split.get("test") else " by which the model was chosen"
        sentences.append(f"On {comparison.rows}{use}, the {comparison.score_name} was {score}{known}.")
    return " ".join(sentences)
