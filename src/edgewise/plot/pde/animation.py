"""Solutions that change with time as moving pictures: GIF everywhere, MP4 where ffmpeg is installed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.figure import Figure
from matplotlib.text import Text

from edgewise.errors import InputError
from edgewise.files import read_bytes, write_bytes
from edgewise.pde.domains.domain import TIME
from edgewise.pde.solver.solution import Solution
from edgewise.plot.pde.maps import (
    Units,
    colour_bar,
    cut_out,
    draw_map,
    filled,
    number_axis,
    outline_of,
    range_of,
    with_unit,
)
from edgewise.plot.pde.slices import Exact, Slice, chosen_slots, chosen_times, middle, slice_of
from edgewise.plot.style import BLUE, ORANGE, styled

MOVIES = (".gif", ".mp4")
_DPI = 110
_LINE, _MAP = 401, 121  # points along a curve, and along a side of a map
_ROOM = 0.06  # of the range of the values, above and below curves


def animate(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    fields: Sequence[str] | None = None,
    exact: Exact | None = None,
    units: Units | None = None,
    frames: int = 60,
    rate: float = 15.0,
) -> None:
    """Writes a moving picture of a solution over time: curves over one coordinate of space, maps over two.

    Curves come with the exact solution where that is known. In more dimensions of space the plane of the first two
    through the middle of the domain is shown.

    Args:
        path: of a .gif, or of an .mp4 where ffmpeg is installed; written whole or not at all.
        fields, exact, units: as for `solution_figure`.
        frames: moments from the first to the last. rate: frames a second.

    Raises:
        InputError: an argument is not as above, or the solution has no coordinate of space or no time.
        FileError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    domain = solution.problem.domain
    if suffix not in MOVIES:
        raise InputError(f"path must end in .gif or .mp4, got {os.fspath(path)!r}")
    if TIME not in domain.coordinates or domain.dimension < 2:
        raise InputError(f"solution must have coordinates of space and the time t, got {', '.join(domain.coordinates)}")
    if not isinstance(frames, int) or frames < 2 or not rate > 0:
        raise InputError(f"frames must be an integer of at least 2 and rate positive, got {frames!r} and {rate!r}")
    if suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise InputError("path must end in .gif where ffmpeg is not installed, got an .mp4")
    slots = chosen_slots(solution.problem, fields)
    program = mpl.rcParams["animation.ffmpeg_path"]  # the user's own, which the style would forget
    with styled(), mpl.rc_context({"animation.ffmpeg_path": program}), TemporaryDirectory() as folder:
        figure, draw = _scene(solution, slots, exact, units or {}, frames)
        writer = (PillowWriter if suffix == ".gif" else FFMpegWriter)(fps=rate)
        place = Path(folder) / f"movie{suffix}"
        _write(writer, figure, draw, frames, place)
        write_bytes(path, read_bytes(place))


def _write(writer: AbstractMovieWriter, figure: Figure, draw: Callable[[int], None], frames: int, place: Path) -> None:
    figure.set_facecolor("white")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # or panels would move with the width of the numbers
    with writer.saving(figure, str(place), _DPI):
        for number in range(frames):
            draw(number)
            writer.grab_frame(facecolor="white")


def _scene(
    solution: Solution, slots: Sequence[int], exact: Exact | None, units: Units, frames: int
) -> tuple[Figure, Callable[[int], None]]:
    """The figure at the first moment, and what turns it into that of a later one."""
    problem = solution.problem
    names = [name for name in problem.domain.coordinates if name != TIME][:2]
    times = chosen_times(problem, None, np.linspace(0, 1, frames).tolist())
    counts = [_LINE] if len(names) == 1 else [_MAP, _MAP]
    fixed = middle(problem)
    slices = [slice_of(solution, names, {**fixed, TIME: t}, counts, exact, residual=False) for t in times]
    make = _curves if len(names) == 1 else _maps
    figure, clock, redraw = make(solution, slices, slots, units)
    unit = f" {units[TIME]}" if units.get(TIME) else ""

    def draw(number: int) -> None:
        clock.set_text(f"{with_unit(TIME, {})} = {times[number]:.3f}{unit}")
        redraw(slices[number])

    draw(0)
    return figure, draw


def _curves(
    solution: Solution, slices: Sequence[Slice], slots: Sequence[int], units: Units
) -> tuple[Figure, Text, Callable[[Slice], None]]:
    figure = Figure(figsize=(4.6, 0.5 + 2.2 * len(slots)), layout="constrained")
    panels = figure.subplots(len(slots), 1, squeeze=False, sharex=True)[:, 0]
    lines = []
    for panel, slot in zip(panels, slots, strict=True):
        seen = np.concatenate([part.values[slot] for part in slices])
        low, high = range_of(seen, signed=False)[0]
        panel.set_ylim(low - _ROOM * (high - low), high + _ROOM * (high - low))
        panel.set_xlim(slices[0].ticks[0][0], slices[0].ticks[0][-1])
        panel.set_ylabel(with_unit(solution.problem.fields[slot], units))
        number_axis(panel)
        pair = [panel.plot([], [], color=BLUE, linewidth=1.8, label="solution")[0]]
        if slices[0].error is not None:
            dashes = {"color": ORANGE, "linewidth": 1.2, "linestyle": (0, (3.5, 2.5)), "label": "exact"}
            pair.append(panel.plot([], [], **dashes)[0])
        lines.append(pair)
    if len(lines[0]) > 1:
        panels[0].legend(loc="upper right", handlelength=1.8)
    panels[-1].set_xlabel(with_unit(slices[0].names[0], units))

    def redraw(shown: Slice) -> None:
        for pair, slot in zip(lines, slots, strict=True):
            for line, values in zip(pair, (shown.values, shown.exact), strict=False):
                line.set_data(shown.ticks[0], values[slot])

    return figure, panels[0].set_title(" ", loc="left"), redraw


def _maps(
    solution: Solution, slices: Sequence[Slice], slots: Sequence[int], units: Units
) -> tuple[Figure, Text, Callable[[Slice], None]]:
    problem, names = solution.problem, slices[0].names
    outline = outline_of(problem, names, middle(problem))
    figure = Figure(figsize=(0.4 + 3.4 * len(slots), 3.0), layout="constrained")
    panels = figure.subplots(1, len(slots), squeeze=False)[0]
    images = []
    for panel, slot in zip(panels, slots, strict=True):
        ends, extend = range_of(np.stack([part.values[slot] for part in slices]), signed=False)
        first = slices[0]
        images.append(draw_map(panel, first.ticks, first.values[slot], ends, signed=False, contours=False))
        panel.set_aspect("equal")
        cut_out(panel, images[-1], outline)
        panel.set_xlabel(with_unit(names[0], units))
        colour_bar(images[-1], panel, extend, with_unit(problem.fields[slot], units))
    panels[0].set_ylabel(with_unit(names[1], units))

    def redraw(shown: Slice) -> None:
        for image, slot in zip(images, slots, strict=True):
            image.set_data(filled(shown.values[slot]).T)

    return figure, panels[0].set_title(" ", loc="left"), redraw
