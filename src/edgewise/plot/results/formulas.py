"""The front of formulas as a figure: complexity against error, the chosen one marked, each formula written out."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath

from edgewise.errors import InputError
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.printing import latex_name
from edgewise.plot.style import BLUE, FAINT, GREY, INK, ORANGE, WIDTH, settled, styled, text_width

_PLOT = 2.3  # inches of the curve
_ROW = 0.27  # and of each formula below it
_SMALLEST, _SIZE = 5.5, 9.0  # points of a formula
_MATH = MathTextParser("path")


def formula_front(
    front: Front, *, chosen: int | None = None, target: str = "y", digits: int = 3, max_formulas: int = 12
) -> Figure:
    """Error against complexity of every formula on a front, and the formulas in a list, by number.

    The error is the root mean squared one over the standard deviation of the data; filled dots are the data of the
    search, rings those held out, if any. An exact formula stands at the bottom.

    Args:
        front: as from `find_formula` or `symbolify`.
        chosen: place of the marked one; `front.best` if left out. target: what is on the left of the formulas.
        digits: of the numbers in them.
        max_formulas: written out; of more the chosen one and those with the highest scores.

    Raises:
        InputError: chosen is no place of the front.
    """
    entries = list(front)
    best = front.best
    chosen = next(n for n, one in enumerate(entries) if one is best) if chosen is None else chosen
    if chosen not in range(len(entries)):
        raise InputError(f"chosen must be from 0 to {len(entries) - 1}, got {chosen!r}")
    order = sorted(range(len(entries)), key=lambda n: (n != chosen, -entries[n].score))[: max(max_formulas, 1)]
    listed = sorted(order)
    variance = front.variance or 1.0
    errors = np.sqrt(np.array([max(entry.loss, 0.0) for entry in entries]) / variance)
    held = np.sqrt(np.array([entry.validation for entry in entries]) / variance)
    height = _PLOT + 0.3 + _ROW * len(listed)
    with styled():
        figure = Figure(figsize=(WIDTH, height))
        top = 0.5 + _ROW * len(listed)
        axes = figure.add_axes((0.72 / WIDTH, top / height, (WIDTH - 0.9) / WIDTH, (height - top - 0.2) / height))
        _curve(axes, [entry.complexity for entry in entries], errors, held, chosen, listed)
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
        page.set_axis_off()
        page.patch.set_visible(False)
        for row, n in enumerate(listed):
            y = top - 0.5 - _ROW * (row + 0.5)
            color = ORANGE if n == chosen else INK
            page.text(0.3, y, f"{n + 1}", ha="right", va="center", size=_SIZE, color=color)
            error = held[n] if np.isfinite(held[n]) else errors[n]
            page.text(1.0, y, _percent(error), ha="right", va="center", size=_SIZE, color=color)
            _write(page, *_fitting(entries[n], target, digits, WIDTH - 1.35), 1.2, y, color)
        if len(listed) < len(entries):
            left_out = f"{len(entries) - len(listed)} formulas are not written out."
            page.text(WIDTH - 0.1, 0.02, left_out, ha="right", va="bottom", size=7, color=GREY)
        return settled(figure)


def _curve(axes: Axes, complexity: list[int], errors: np.ndarray, held: np.ndarray, chosen: int, listed: list[int]):
    """The dots; exact formulas, whose error has no logarithm, at a floor below the others."""
    both = np.concatenate([errors, held[np.isfinite(held)]])
    seen = both[both > 1e-9]
    floor = max(min(seen.min(initial=1.0) / 10, 1e-3), 1e-9)
    shown = np.maximum(errors, floor)
    axes.set_yscale("log")
    axes.step(complexity, shown, where="post", color=FAINT, linewidth=1.0, zorder=1)
    axes.scatter(complexity, shown, s=22, color=BLUE, zorder=3, linewidths=0, label="data of the search")
    if np.isfinite(held).any():
        rings = np.maximum(held, floor)
        label = "rows held out"
        axes.scatter(complexity, rings, s=34, facecolors="none", edgecolors=GREY, linewidths=0.9, zorder=2, label=label)
    at = complexity[chosen], shown[chosen]
    axes.scatter(*at, s=110, facecolors="none", edgecolors=ORANGE, linewidths=1.4, zorder=4, label="chosen")
    for n in listed:
        color = ORANGE if n == chosen else GREY
        place = {"textcoords": "offset points", "xytext": (5, 5), "size": 8, "color": color}
        axes.annotate(f"{n + 1}", (complexity[n], shown[n]), **place)
    axes.set_xlim(0, max(complexity) * 1.06 + 1)
    low, high = shown.min(), max(1.0, np.nanmax(np.append(held, shown)))
    axes.set_ylim(low / 2.5, high * 2.5)
    if (errors <= floor).any():
        axes.axhline(floor, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        axes.text(axes.get_xlim()[1], floor, "exact", ha="right", va="bottom", size=7.5, color=GREY)
    axes.set_xlabel("complexity (symbols)", labelpad=2)
    axes.set_ylabel("error / standard deviation")
    axes.legend(loc="best", handletextpad=0.2, borderaxespad=0.1)


def _write(page: Axes, text: str, size: float, x: float, y: float, color: str) -> None:
    """A formula as outlines, since a reader's font would move the parts of mathematics; words as words."""
    if not text.startswith("$"):
        page.text(x, y, text, ha="left", va="center", size=size, color=color)
        return
    outline = TextPath((x, y - 0.3 * size / 72), text, size=size / 72)
    page.add_patch(PathPatch(outline, facecolor=color, linewidth=0, label=text))


def _percent(error: float) -> str:
    """A relative error for the list."""
    if error <= 1e-9:
        return "exact"
    if error >= 1:
        return f"{100 * error:.0f} %"
    return f"{100 * error:.2g} %" if error >= 1e-4 else f"{100 * error:.0e} %"


def _fitting(entry: FrontEntry, target: str, digits: int, width: float) -> tuple[str, float]:
    """A formula as mathematics, or as cut text where it is too long, and the size at which it fits."""
    math = f"${latex_name(target)} = {entry.formula.latex(digits)}$"
    try:
        _MATH.parse(math)
        wide = text_width(math, _SIZE)
        if wide * _SMALLEST / _SIZE <= width:
            return math, min(_SIZE, _SIZE * width / max(wide, 1e-9))
    except ValueError:  # a name that mathtext cannot set
        pass
    text = f"{target} = {entry.formula.text(digits)}".replace("$", r"\$")
    most = int(width / text_width("0123456789", _SMALLEST) * 10)
    text = text if len(text) <= most else text[: most - 1] + "…"
    # Small letters are set wider, for the sake of whole pixels.
    return text, min(_SIZE, 0.94 * _SIZE * width / text_width(text, _SIZE))
