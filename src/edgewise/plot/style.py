"""One look for all figures, and how they become files: the same figure gives the same bytes."""

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from warnings import catch_warnings, filterwarnings

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from edgewise.errors import InputError
from edgewise.files import write_bytes

INK, GREY, FAINT = "#1d1d1f", "#6e6e73", "#d2d2d7"
# Okabe and Ito's colours, told apart with every common colour blindness; black and yellow left out (ink, too light).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
BLUE, ORANGE = COLORS[:2]
MARKERS = ("o", "D", "s", "^", "v", "P")  # told apart without colour too
# White to blue: lightness falls steadily, so that it reads in grey too.
SHADES = LinearSegmentedColormap.from_list("edgewise", ["#ffffff", "#cfe3f0", "#7fb8d9", "#0072B2", "#003a5d"])
WIDTH = 7.0  # inches: the text width of a page
_READER_FONTS = b"STIXGeneral, 'STIX Two Text', 'Times New Roman', Times, serif"
FORMATS = (".svg", ".pdf", ".png")

# STIX comes with matplotlib, so the layout is the same everywhere; DejaVu Sans fills in for letters STIX lacks.
_STYLE = {
    "font.family": ["STIXGeneral", "DejaVu Sans", "serif"],
    "font.serif": ["STIXGeneral"],
    "mathtext.fontset": "stix",
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
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
    "axes.grid": False,
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
_NO_DATE = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib uses Edgewise's style; whatever the user had set is back afterwards."""
    with mpl.rc_context(), catch_warnings():
        # A column named in a script that neither font has: a PNG shows boxes, SVG the reader's own font.
        filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure as .svg (text as text), .pdf (fonts embedded) or .png, whole or not at all, without a date.

    Raises:
        InputError: the name ends in nothing of these.
        FileError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"path must end in .svg, .pdf or .png, got {os.fspath(path)!r}")
    write_bytes(path, render(figure, suffix))


def render(figure: Figure, suffix: str) -> bytes:
    """The file of a figure as bytes; suffix is ".svg", ".pdf" or ".png". PNG gets a white page, the others none."""
    buffer = io.BytesIO()
    page = "white" if suffix == ".png" else "none"
    with styled():
        figure.savefig(buffer, format=suffix[1:], metadata=_NO_DATE[suffix], facecolor=page)
    data = buffer.getvalue()
    # Readers seldom have STIX; their Times has its widths, and must come before the wider fallback of the layout.
    return data.replace(b"'STIXGeneral', 'DejaVu Sans', serif", _READER_FONTS) if suffix == ".svg" else data


def plain(text: object, limit: int = 40) -> str:
    """A user's text for a figure: one line of printable characters, at most `limit`, in which $ is no formula."""
    words = " ".join(str(text).split())
    words = "".join(letter if letter.isprintable() else "\ufffd" for letter in words)
    words = re.sub(r"^-(?=[\d.])", "\N{MINUS SIGN}", words)
    if len(words) > limit:
        words = f"{words[: limit - limit // 3 - 1]}…{words[-(limit // 3) :]}"
    return words.replace("$", r"\$")


def labels(names: Sequence[object] | None, count: int, letter: str, argument: str, limit: int = 40) -> list[str]:
    """Texts for `count` things: the user's names, or letter_1, letter_2, ...; one alone is just the letter."""
    if names is None:
        return [f"${letter}_{{{k + 1}}}$" for k in range(count)] if count > 1 else [f"${letter}$"]
    if isinstance(names, str) or len(names) != count:
        raise InputError(f"{argument} must hold {count} names, got {names!r:.80}")
    return [plain(name, limit) for name in names]


def text_width(text: str, size: float) -> float:
    """Width in inches of a text set at `size` points."""
    ismath = "$" in text.replace(r"\$", "")
    font = FontProperties(family=_STYLE["font.family"], size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(
        text.replace(r"\$", "$") if not ismath else text, font, ismath
    )
    return width / 72


def settled(figure: Figure) -> Figure:
    """The figure with its layout made once and for all: a second drawing, or another format, looks the same."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def title(axes: Axes, text: str, width: float) -> None:
    """A title at the left, set smaller where it would be wider than `width` inches."""
    size = min(9.5, 9.5 * width / max(text_width(text, 9.5), 0.01))
    axes.set_title(text, loc="left", fontsize=max(size, 5.5))


def panels(count: int, columns: int, height: float, **settings) -> tuple[Figure, list[Axes]]:
    """A figure as wide as a page with `count` panels of the given height (inches); call it within `styled()`."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH if columns > 1 else WIDTH * 0.6, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **settings).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def density(axes: Axes, values: np.ndarray, height: float = 0.13) -> None:
    """How the data lie along x: a histogram in the bottom `height` of a panel (its scale: the fullest bar)."""
    values = values[np.isfinite(values)]
    levels = np.unique(values)
    across = axes.get_xaxis_transform()
    if 1 < len(levels) <= 12:
        counts = np.array([(values == level).sum() for level in levels])
        axes.vlines(levels, 0, height * counts / counts.max(), transform=across, color=FAINT, linewidth=4, zorder=0)
    elif len(levels) > 1:
        low, high = axes.get_xlim()
        counts, edges = np.histogram(values, bins=40, range=(low, high))
        if counts.max():
            axes.stairs(height * counts / counts.max(), edges, transform=across, fill=True, color=FAINT, zorder=0)


def as_numpy(values, argument: str) -> np.ndarray:
    """A tensor or array-like of numbers as a float64 array.

    Raises:
        InputError: it is anything else.
    """
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{argument} must hold numbers, got {type(values).__name__}") from error


def legend(figure: Figure, axes: Iterable[Axes], most: int = 5) -> None:
    """One for all panels, above them, in as many columns as have room, and no more than `most`."""
    found = {label: mark for each in axes for mark, label in zip(*each.get_legend_handles_labels(), strict=True)}
    widths = [text_width(label, 8.5) + 0.62 for label in found]  # inches, with mark and gaps
    for columns in range(min(most, len(widths)), 0, -1):
        # As matplotlib fills them: column by column, as evenly as it goes.
        if sum(max(column) for column in np.array_split(widths, columns)) <= figure.get_figwidth():
            break
    figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=columns)
