"""The report of a motion: equations, constants, forecast, points of rest and what the data do not decide."""

from __future__ import annotations

import numpy as np

from edgewise.dynamics.result import Motion
from edgewise.presentation import counted, enumeration, number_text, number_texts, percent_text
from edgewise.report.content import ReportContent, ReportFigure, TestTable
from edgewise.report.page import Report

STEPS = 4  # times of the forecast that the table shows


def report_of(motion: Motion) -> Report:
    """The page of a motion."""
    choice = motion.choice
    runs = motion.evidence.runs
    tables = [("The constants", _constants(motion)), ("The systems, from short to accurate", _systems(motion))]
    if choice.is_autonomous:
        tables.insert(1, ("The forecast", _forecast(motion)))
    if motion.decided:
        cautions = ["From starts outside the range of these trajectories the equations are extrapolation."]
    else:
        cautions = [motion.says]
    noise = enumeration([f"{number_text(s, 2)} of {n}" for n, s in zip(motion.names, motion.noise, strict=True)])
    samples = motion.evidence.rows
    content = ReportContent(
        f"Laws of motion of {enumeration(list(motion.names))}",
        summary=[
            f"Equations of motion were looked for in {counted(samples, 'sample')} of "
            f"{counted(len(runs), 'trajectory', 'trajectories')}."
        ],
        errors=[
            f"The trajectories of the equations leave a root mean squared error of {noise}.",
            "That is no more than the noise." if motion.adequate else "That is more than the noise.",
        ],
        findings=_findings(motion),
        cautions=[*cautions, *motion.messages],
        formulas=["\n".join(choice.lines(4))],
        figures=[ReportFigure("motion", motion.figure())],
        tables=tables,
    )
    return Report(content)


def _findings(motion: Motion) -> list[str]:
    """Sentences on the decision, points of rest and conserved quantities."""
    sentences = ["The trajectories decide for these equations."] if motion.decided else []
    if not motion.choice.is_autonomous:
        return sentences
    points = []
    for point in motion.fixed_points():
        text = ", ".join(number_text(value, 3) for value in point.state)
        if len(point.state) > 1:
            text = f"({text})"
        points.append(f"{text}, {point.stability}")
    if points:
        states = enumeration(list(motion.choice.variables[: motion.choice.kind.states]))
        sentences.append(f"Points of rest of {states}: {'; '.join(points)}.")
    conserved = motion.conserved()
    if conserved is not None:
        agree = "and the samples agree" if conserved.agrees else "but the samples do not agree"
        sentences.append(f"Kept along every trajectory of the equations: {conserved}, {agree}.")
    return sentences


def _constants(motion: Motion) -> TestTable:
    rows = [
        (one.symbol, number_text(one.value, 5), number_text(one.error, 2), one.equation)
        for one in motion.choice.constants
    ]
    letters = "; ".join(motion.choice.lines())
    return TestTable(("constant", "value", "standard error", "equation of"), rows, f"Constants of {letters}.")


def _systems(motion: Motion) -> TestTable:
    rows = []
    for system in motion.systems:
        text = "; ".join(system.lines(3)) + (" (chosen)" if system is motion.choice else "")
        rows.append((text, str(system.complexity), enumeration([number_text(error, 2) for error in system.error])))
    caption = "Of two systems none is both longer and less accurate; the error is the root mean squared residual."
    return TestTable(("system", "symbols", "error"), rows, caption)


def _forecast(motion: Motion) -> TestTable:
    """How the first trajectory goes on for half its length."""
    t = motion.evidence.runs[0].t
    if motion.choice.kind.is_map:
        later = t[-1] + np.arange(1.0, STEPS + 1)
    else:
        later = t[-1] + (t[-1] - t[0]) * np.arange(1, STEPS + 1) / (2 * STEPS)
    forecast = motion.forecast(None, later)
    columns = [[number_text(time, 4) for time in later]]
    for k in range(len(motion.names)):
        texts = [number_texts(one[:, k].tolist()) for one in (forecast.x, forecast.lower, forecast.upper)]
        ends = zip(*texts, strict=True)
        columns.append([f"{x} ({low} to {high})" for x, low, high in ends])
    caption = f"The first trajectory after its end, with bands of {percent_text(forecast.level)} for the state."
    return TestTable(("time", *motion.names), list(zip(*columns, strict=True)), caption)
