"""Common style of all figures, their layout helpers, and writing them to files with reproducible bytes."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import Formatter, LogLocator, NullLocator, ScalarFormatter

from edgewise.checks import check_labels
from edgewise.errors import InputError
from edgewise.escaping import printable_line
from edgewise.files.whole import write_bytes
from edgewise.plot.themes import (
    COLORS,
    FAINT,
    GREY,
    INK,
    PAGES,
    FileTheme,
    Theme,
    check_theme,
    following_the_reader,
    recoloured,
)
from edgewise.presentation import number_text, tick_texts

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType
    from numpy.typing import ArrayLike
    from torch import Tensor

# Colours: themes.py has the palette.
BLUE, ORANGE = COLORS[:2]
MARKERS = ("o", "D", "s", "^", "v", "P")  # one for each colour, so that curves differ without colour too
# White to blue: the lightness falls steadily, so that the order also shows in a print without colours.
SHADES = LinearSegmentedColormap.from_list("edgewise", ["#ffffff", "#cfe3f0", "#7fb8d9", "#0072B2", "#003a5d"])
# J. R. Nunez, C. R. Anderton, R. S. Renslow, "Optimizing colormaps with consideration for color vision deficiency",
# PLOS ONE 13 (2018) e0199239: even steps of lightness, the same for all readers.
SEQUENTIAL = "cividis"
# For differences: blue below zero, orange above, white between; distinct with every common colour vision deficiency.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#00304f", BLUE, "#ffffff", "#E69F00", "#7a3200"])
BAND_OPACITY = 0.16  # of bands around curves (three overlapping bands still show the curves)


@dataclass(frozen=True)
class Sizes:
    """Sizes of all figures: those of letters in points, others in inches, and the panels beside each other."""

    text: float = 9.5  # labels and titles
    formula: float = 9.0  # in lists of formulas
    small: float = 8.5  # ticks and legends
    remark: float = 8.0  # beside titles
    tiny: float = 7.5  # numbers of colour bars, names of levels
    count: float = 6.0  # numbers of rows under bars
    smallest: float = 5.5  # smaller letters cannot be read in print
    page: float = 7.0  # the text width of a page
    single: tuple[float, float] = (5.04, 3.0)  # a figure of a single input
    pair: float = 2.6  # height of the maps of a pair
    front: float = 2.3  # of the curve of errors of formulas
    field: float = 2.0  # of a map of a solution
    panel: float = 1.75  # of a panel with curves
    columns: int = 3  # panels beside each other
    row: float = 0.27  # of an input or a formula in a list
    note: float = 0.2  # of a line of notes
    legend_mark: float = 0.62  # beside each label of a legend: its mark and gaps at these sizes (measured)


SIZES = Sizes()
POINTS_PER_INCH = 72  # definition of the point in PostScript, PDF and CSS

FORMATS = (".svg", ".pdf", ".png")
# STIX comes with matplotlib, so that the layout is the same on every machine; DejaVu Sans has letters that STIX lacks.
_FONTS = ["STIXGeneral", "DejaVu Sans", "serif"]

_STYLE: dict[RcKeyType, Any] = {
    "font.family": _FONTS,
    "font.serif": ["STIXGeneral"],
    "mathtext.fontset": "stix",
    "font.size": SIZES.text,
    "axes.titlesize": SIZES.text,
    "axes.titlelocation": "left",
    "axes.labelsize": SIZES.text,
    "xtick.labelsize": SIZES.small,
    "ytick.labelsize": SIZES.small,
    "legend.fontsize": SIZES.small,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.minor.visible": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titley": 1.0,  # above the axes; without a place matplotlib measures all ticks once more for each title
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "figure.dpi": 100.0,
    "savefig.dpi": 200.0,
    "savefig.bbox": None,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgewise",
    "pdf.fonttype": 42,
    "path.simplify": False,
    "text.usetex": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style of the figures to matplotlib within a `with` block; the user's settings return afterwards."""
    with mpl.rc_context(), catch_warnings():
        # A column named in a script that neither font has: a PNG shows boxes, an SVG the reader's own font.
        filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


class Figure(MatplotlibFigure):
    """A figure of matplotlib that appears in a notebook without a magic line, and explains how to save it elsewhere."""

    # colours in notebooks, and in files unless `edgewise.plot.save` is called with another theme
    theme: Theme = "light"

    def __repr__(self) -> str:
        width, height = self.get_size_inches()
        how = 'edgewise.plot.save(figure, "figure.svg") writes it to a file'
        return f"<Figure of {number_text(width, 2)} x {number_text(height, 2)} inches; {how}>"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        # 160 pixels an inch, shown at 80: sharp on screens of high resolution.
        width, height = (round(size * 80) for size in self.get_size_inches())
        return render(self, ".png", theme=self.theme, dpi=160.0), {"width": width, "height": height}

    def _repr_svg_(self) -> str | None:
        drawing = render(self, ".svg", theme=self.theme, page=True, text_as_paths=True)
        # A notebook holds larger drawings as pixels alone.
        if len(drawing) <= 400_000:
            return drawing.decode("utf-8")
        return None

    def savefig(self, fname: Any, **settings: Any) -> None:
        """Write the figure as matplotlib does, in the colours of its theme and with its fonts."""
        with styled(), recoloured(self, self.theme):
            usual = {"facecolor": PAGES[self.theme], "dpi": mpl.rcParams["savefig.dpi"]}
            super().savefig(fname, **(usual | settings))

    def show(self, warn: bool = True) -> None:
        """Show the figure below the cell of a notebook."""
        display = sys.modules.get("IPython.display")
        shell = sys.modules.get("IPython")
        if shell is None or display is None or shell.get_ipython() is None:
            raise InputError(
                'show() needs a notebook, got a plain Python session; edgewise.plot.save(figure, "figure.svg") writes '
                "the figure to a file"
            )
        display.display(self)


def save(
    figure: MatplotlibFigure,
    path: str | os.PathLike[str],
    *,
    theme: FileTheme | None = None,
    text_as_paths: bool = True,
) -> None:
    """Write a figure to a file, whole or not at all; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From a function of this package; its size is in inches.
    path : path-like
        Ends in .svg, .pdf (fonts are embedded) or .png (200 pixels per inch).
    theme : {"light", "dark", "print", "auto"}, optional
        Colours, page included; "auto" is for .svg, whose colours then follow the setting of the reader's system or
        browser. That of the figure if left out, which is "light".
    text_as_paths : bool
        Whether the letters of an SVG file are outlines, which look the same for every reader, or text, which can be
        searched and copied.

    Raises
    ------
    InputError
        If the name ends in none of these, or the theme is unknown.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from edgewise.plot import parity
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(parity([1.0, 2.0, 3.0], [1.1, 1.9, 3.2]), f"{folder}/parity.svg", theme="dark")
    ...     Path(f"{folder}/parity.svg").read_text()[:5]
    '<?xml'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"path must end in .svg, .pdf or .png, got {os.fspath(path)!r}")
    chosen: FileTheme = getattr(figure, "theme", "light") if theme is None else theme
    check_theme(chosen, auto=suffix == ".svg")
    drawn: Theme = "light" if chosen == "auto" else chosen
    drawing = render(figure, suffix, theme=drawn, text_as_paths=text_as_paths, page=True)
    if chosen == "auto":
        drawing = following_the_reader(drawing.decode("utf-8")).encode("utf-8")
    write_bytes(path, drawing)


def render(
    figure: MatplotlibFigure,
    suffix: str,
    *,
    theme: Theme = "light",
    page: bool = False,
    text_as_paths: bool = False,
    dpi: float | None = None,
) -> bytes:
    """Return the file of a figure as bytes, without a date."""
    # No date, so that equal figures are equal files; the name of the writer lets a later command replace its own file.
    writer = "Edgewise with Matplotlib, https://matplotlib.org"
    metadata: dict[str, dict[str, str | None]] = {
        ".svg": {"Date": None, "Creator": writer},
        ".pdf": {"CreationDate": None, "Creator": writer},
        ".png": {"Software": writer},
    }
    buffer = io.BytesIO()
    color = PAGES[theme] if page or suffix == ".png" else "none"
    with styled(), recoloured(figure, theme):
        if text_as_paths:
            mpl.rcParams["svg.fonttype"] = "path"
        MatplotlibFigure.savefig(  # not that of `Figure`, which has its own theme
            figure,
            buffer,
            format=suffix[1:],
            metadata=metadata[suffix],
            facecolor=color,
            dpi=dpi or mpl.rcParams["savefig.dpi"],
        )
    if suffix == ".svg":
        # Readers of SVG files seldom have STIX; their Times has the same widths and must precede the wider DejaVu Sans.
        fonts = b"STIXGeneral, 'STIX Two Text', 'Times New Roman', Times, serif"
        return buffer.getvalue().replace(b"'STIXGeneral', 'DejaVu Sans', serif", fonts)
    return buffer.getvalue()


def display_text(text: object, limit: int = 40) -> str:
    """Return a user's text as one line of at most `limit` printable characters in which $ starts no formula."""
    words = printable_line(text)
    words = re.sub(r"^-(?=[\d.])", "\N{MINUS SIGN}", words)
    if len(words) > limit:
        words = f"{words[: limit - limit // 3 - 1]}…{words[-(limit // 3) :]}"
    return words.replace("$", r"\$")


def labels(names: Sequence[object] | None, count: int, letter: str, argument: str, limit: int = 40) -> list[str]:
    """Return `count` labels: the user's names, or letter_1, letter_2, ... (a single one is just the letter)."""
    if names is None:
        if count > 1:
            return [f"${letter}_{{{k + 1}}}$" for k in range(count)]
        return [f"${letter}$"]
    return [display_text(name, limit) for name in check_labels(names, [letter] * count, argument)]


def text_width(text: str, size: float) -> float:
    """Return the width in inches of a text set at `size` points."""
    is_math = "$" in text.replace(r"\$", "")
    font = FontProperties(family=_FONTS, size=size)
    shown = text
    if not is_math:
        shown = text.replace(r"\$", "$")
    width, _, _ = text_to_path.get_text_width_height_descent(shown, font, is_math)
    return width / POINTS_PER_INCH


class ReadableFormatter(Formatter):
    """Labels of ticks as people write numbers: 300,000 and 0.25, with the same decimals on one axis."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        return tick_texts(values)

    def __call__(self, value: float, pos: int | None = None) -> str:
        return number_text(value)


def fix_layout(figure: Figure) -> Figure:
    """Compute the layout of a figure once and return it, so that later drawings in any format look the same.

    Numbers on axes that have matplotlib's own format get that of `ReadableFormatter`.
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if type(axis.get_major_formatter()) is ScalarFormatter:
                axis.set_major_formatter(ReadableFormatter())
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    # No engine at all: for the placeholder that "none" leaves, matplotlib draws a figure twice whenever it is saved.
    with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    return figure


def fitted_title(axes: Axes, text: str, width: float) -> None:
    """Set a title at the left, in smaller letters where it would be wider than `width` inches."""
    size = min(SIZES.text, SIZES.text * width / max(text_width(text, SIZES.text), 0.01))
    axes.set_title(text, fontsize=max(size, SIZES.smallest))


def panels(
    count: int, columns: int, height: float, *, sharey: bool | Literal["none", "all", "row", "col"] = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure with `count` panels in rows of at most `columns`; call it within `styled()`.

    The height is that of a panel in inches; the figure is as wide as a page, or 0.6 of that with a single column.
    `sharey` is that of `matplotlib.figure.Figure.subplots`.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    width = SIZES.page if columns > 1 else SIZES.page * 0.6
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def draw_density(axes: Axes, values: np.ndarray) -> None:
    """Draw a histogram of the data along x at the bottom of a panel, scaled to its fullest bar."""
    height = 0.13  # share of the panel that the fullest bar takes
    values = values[np.isfinite(values)]
    levels = np.unique(values)
    across = axes.get_xaxis_transform()
    # One bar for each of a few values.
    if 1 < len(levels) <= 12:
        counts = np.array([(values == level).sum() for level in levels])
        axes.vlines(levels, 0, height * counts / counts.max(), transform=across, color=FAINT, linewidth=4, zorder=0)
    elif len(levels) > 1:
        # Forty bars.
        counts, edges = np.histogram(values, bins=40, range=axes.get_xlim())
        if counts.max():
            axes.stairs(height * counts / counts.max(), edges, transform=across, fill=True, color=FAINT, zorder=0)


def decade_ticks(axis: Axis, most: int = 8) -> None:
    """Label a logarithmic axis at powers of ten only, at most `most` of them."""
    axis.set_major_locator(LogLocator(numticks=most))
    axis.set_minor_locator(NullLocator())


def as_numpy(values: ArrayLike | Tensor, argument: str) -> np.ndarray:
    """Return a tensor or array-like of numbers as a float64 array."""
    kind = type(values).__name__
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{argument} must hold numbers, got {kind}") from error


def shared_legend(figure: Figure, axes: Iterable[Axes], most: int = 5, order: Sequence[str] | None = None) -> None:
    """Place one legend for all panels above them, in at most `most` columns and no wider than the figure.

    `order` names the labels that are shown, in their order; by default all as they come.
    """
    # Marks of the labels, and the most columns that fit.
    marks = {label: mark for each in axes for mark, label in zip(*each.get_legend_handles_labels(), strict=True)}
    if order is not None:
        marks = {label: marks[label] for label in order if label in marks}
    widths = [text_width(label, SIZES.small) + SIZES.legend_mark for label in marks]
    for columns in range(min(most, len(widths)), 0, -1):
        # matplotlib fills column after column with as equal numbers of entries as possible, and so does array_split.
        if sum(max(column) for column in np.array_split(widths, columns)) <= figure.get_figwidth():
            break
    figure.legend(marks.values(), marks.keys(), loc="outside upper center", ncols=columns)
