"""Sentences of a report that follow from its numbers: what to distrust, and the sentence for a method section."""

from __future__ import annotations

import math

from edgewise.metrics import METRICS
from edgewise.presentation import counted, enumeration, percent_text
from edgewise.report.content import ReportContent

HEADLINE_SYMBOLS = 20  # longer formulas are not read at a glance and stand in the table alone


def cautions(content: ReportContent) -> list[str]:
    """Return what a reader should distrust, the most serious first."""
    sentences = []
    comparison = content.comparison
    own = comparison.own
    r2 = math.inf
    if own is not None and own.score is not None and comparison.score_name == METRICS["r2"].name:
        r2 = own.score
    if r2 < 0.3:
        unexplained = 100 * (1 - max(r2, 0))
        sentences.append(
            f"The model explains little: most of the variation of the target ({unexplained:.0f} %) is not in these "
            "inputs, or not in the form of this model."
        )
    if comparison.better:
        sentences.append(
            f"{comparison.better} predicts better than this model: what this page finds may be incomplete."
        )
    # Below a hundred test rows the standard error of a score is a few per cent.
    tests = content.split.get("test", math.inf)
    if tests < 100 and own is not None:
        sentences.append(f"The score rests on only {tests:,} test rows{comparison.in_parentheses(own)}.")
    if comparison.models and own is None:
        sentences.append("The model was not tested on rows of its own, so how well it predicts is not known here.")
    # Classes whose recall and precision rest on few rows, and classes that the model misses.
    rare = [one for one in content.classes if one.rows < 20]
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
    # The model, the rows of its fit, the software and the seed.
    versions = dict(content.versions)
    software = f"Edgewise {versions.pop('edgewise', '')}".rstrip()
    if versions:
        software += " with " + ", ".join(f"{name} {number}" for name, number in versions.items())
    fitted = f"A Kolmogorov-Arnold network of shape {shape} was fitted"
    rows = content.split.get("training")
    if rows:
        fitted += f" on {counted(rows, 'row')}"
    fitted += f" with {software}"
    if content.seed is not None:
        fitted += f" (random seed {content.seed})"
    sentences = [f"{fitted}."]
    degree = content.training.get("degree of the splines")
    if degree is not None:
        sizes = []
        coefficients = content.training.get("coefficients")
        if coefficients is not None:
            sizes.append(f"{int(str(coefficients)):,} free coefficients")
        freedom = content.training.get("effective degrees of freedom")
        if freedom is not None:
            sizes.append(f"{freedom} effective degrees of freedom")
        edges = f"Its edges are B-splines of degree {degree}"
        if sizes:
            edges += f"; it has {enumeration(sizes)}"
        sentences.append(f"{edges}.")
    if "given" not in str(content.training.get("choice of the model", "")):
        sentences.append("Shape, knots and smoothing were chosen from the training rows alone.")
    # The score, on rows of its own or on those of the choice.
    comparison = content.comparison
    own = comparison.own
    if own is not None:
        use = ", which were not used in fitting" if content.split.get("test") else " by which the model was chosen"
        score = f"{comparison.score_text(own.score)}{comparison.in_parentheses(own)}"
        sentences.append(f"On {comparison.rows}{use}, the {comparison.score_name} was {score}.")
    return " ".join(sentences)
