"""Figure of a front of formulas: error against complexity, with the formulas written out below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath

from edgewise.checks import typed
from edgewise.formulas.constants import EXACT
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.printing import latex_name
from edgewise.plot.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    POINTS_PER_INCH,
    SIZES,
    Figure,
    fix_layout,
    styled,
    text_width,
)
from edgewise.presentation import percent_text


@typed
def formula_front(front: Front, *, target: str = "y", digits: int = 3, max_formulas: int = 12) -> Figure:
    """Draw the error of every formula on a front against its complexity, list the formulas and mark `front.best`.

    Parameters
    ----------
    front : Front
        From `edgewise.find_formula`, or of `edgewise.symbolify`.
    target : str
        Name on the left of each formula.
    digits : int
        Significant digits of the numbers in the formulas.
    max_formulas : int
        Number of formulas written out: the chosen one and the ones with the highest scores. With 0 none is, where a
        table beside the figure has them.

    Returns
    -------
    matplotlib.figure.Figure
        Errors are root mean squared errors divided by the standard deviation of the data: filled dots on the data of
        the search, rings on the held-out rows, if there are any. Exact formulas stand at the bottom.

    Examples
    --------
    >>> from edgewise.formulas import Formula, Front, FrontEntry, parse_expression
    >>> x = np.linspace(0.5, 2.0, 40)[:, None]
    >>> y = x[:, 0] ** 2
    >>> formulas = [Formula(parse_expression(text, ["x"]), ("x",)) for text in ("1.2", "x", "x**2")]
    >>> front = Front(tuple(FrontEntry.from_data(formula, x, y) for formula in formulas), len(y), float(np.var(y)))
    >>> formula_front(front, target="area").axes[0].get_xlabel()
    'complexity (symbols)'
    """
    entries = list(front)
    best = front.best
    chosen = next(n for n, one in enumerate(entries) if one is best)
    order = sorted(range(len(entries)), key=lambda n: (n != chosen, -entries[n].score))[: max(max_formulas, 0)]
    listed = sorted(order)
    variance = front.variance or 1.0
    errors = np.sqrt(np.array([max(entry.loss, 0.0) for entry in entries]) / variance)
    held = np.sqrt(np.array([entry.validation for entry in entries]) / (front.held_out_variance or variance))
    foot = SIZES.row if 0 < len(listed) < len(entries) else 0.0  # of the line that counts the formulas left out
    height = SIZES.front + 0.3 + SIZES.row * len(listed) + foot
    with styled():
        figure = Figure(figsize=(SIZES.page, height))
        top = 0.5 + SIZES.row * len(listed) + foot
        # Space at the left of the curve for its axis, and a little at the right.
        place = (0.72 / SIZES.page, top / height, (SIZES.page - 0.9) / SIZES.page, (height - top - 0.2) / height)
        axes = figure.add_axes(place)
        _draw_errors(axes, [entry.complexity for entry in entries], errors, held, chosen, listed or range(len(entries)))
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZES.page), ylim=(0, height))
        page.set_axis_off()
        page.patch.set_visible(False)
        for row, n in enumerate(listed):
            y = top - 0.5 - SIZES.row * (row + 0.5)
            color = ORANGE if n == chosen else INK
            # In inches, the numbers end at 0.3, the errors at 1, and the formulas begin at 1.2.
            page.text(0.3, y, f"{n + 1}", ha="right", va="center", size=SIZES.formula, color=color)
            error = held[n] if np.isfinite(held[n]) else errors[n]
            words = "exact" if error <= EXACT.error else percent_text(error)
            page.text(1.0, y, words, ha="right", va="center", size=SIZES.formula, color=color)
            text, size = _fitted_formula(entries[n], target, digits, SIZES.page - 1.2 - 0.15)
            if text.startswith("$"):  # as outlines, since a reader's font would move the parts of a formula
                outline = TextPath((1.2, y - 0.3 * size / POINTS_PER_INCH), text, size=size / POINTS_PER_INCH)
                page.add_patch(PathPatch(outline, facecolor=color, linewidth=0, label=text))
            else:
                page.text(1.2, y, text, ha="left", va="center", size=size, color=color)
        if foot:
            left_out = f"{len(entries) - len(listed)} formulas are not written out."
            page.text(SIZES.page - 0.1, 0.06, left_out, ha="right", va="bottom", size=7, color=GREY)
        return fix_layout(figure)


def _draw_errors(
    axes: Axes, complexity: list[int], errors: np.ndarray, held: np.ndarray, chosen: int, listed: Sequence[int]
) -> None:
    """Draw a dot for each formula; exact ones, whose error has no logarithm, stand at a floor below the others."""
    both = np.concatenate([errors, held[np.isfinite(held)]])
    # Exact formulas stand below all others on the logarithmic axis.
    floor = max(min(both[both > EXACT.error].min(initial=1.0) / 10, 1e-3), EXACT.error)
    shown = np.maximum(errors, floor)
    axes.set_yscale("log")
    axes.step(complexity, shown, where="post", color=FAINT, linewidth=1.0, zorder=1)
    axes.scatter(complexity, shown, s=22, color=BLUE, zorder=3, linewidths=0, label="data of the search")
    # Errors on held-out rows, the chosen formula, and the numbers of the listed ones.
    if np.isfinite(held).any():
        axes.scatter(
            complexity,
            np.maximum(held, floor),
            s=34,
            facecolors="none",
            edgecolors=GREY,
            linewidths=0.9,
            zorder=2,
            label="held-out rows",
        )
    at = complexity[chosen], shown[chosen]
    axes.scatter(*at, s=110, facecolors="none", edgecolors=ORANGE, linewidths=1.4, zorder=4, label="chosen")
    for n in listed:
        axes.annotate(
            f"{n + 1}",
            (complexity[n], shown[n]),
            xytext=(5, 5),
            textcoords="offset points",
            size=SIZES.remark,
            color=ORANGE if n == chosen else GREY,
        )
    # Axes, with a line at the floor where exact formulas stand.
    axes.set_xlim(0, max(complexity) * 1.06 + 1)
    low = shown.min()
    high = max(1.0, np.nanmax(np.append(held, shown)))
    axes.set_ylim(low / 2.5, high * 2.5)
    if (errors <= floor).any():
        axes.axhline(floor, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        axes.text(axes.get_xlim()[1], floor, "exact", ha="right", va="bottom", size=SIZES.tiny, color=GREY)
    axes.set_xlabel("complexity (symbols)", labelpad=2)
    axes.set_ylabel("error / standard deviation")
    axes.legend(loc="best", handletextpad=0.2, borderaxespad=0.1)


def _fitted_formula(entry: FrontEntry, target: str, digits: int, width: float) -> tuple[str, float]:
    """Return a formula in mathematical notation, or as shortened text where it is too long, with its size in points."""
    math = f"${latex_name(target)} = {entry.formula.latex(digits)}$"
    try:
        MathTextParser("path").parse(math)
        wide = text_width(math, SIZES.formula)
        if wide * SIZES.smallest / SIZES.formula <= width:
            return math, min(SIZES.formula, SIZES.formula * width / max(wide, 1e-9))
    except ValueError:  # a name that mathtext cannot set
        pass
    text = f"{target} = {entry.formula.text(digits)}".replace("$", r"\$")
    most = int(width / text_width("0123456789", SIZES.smallest) * 10)
    if len(text) > most:
        text = text[: most - 1] + "…"
    # The factor: letters at small sizes are set wider than in proportion, on whole pixels.
    return text, min(SIZES.formula, 0.94 * SIZES.formula * width / text_width(text, SIZES.formula))
