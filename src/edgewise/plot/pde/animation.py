"""Solutions that change with time as films (`animate`): GIF, or MP4 where ffmpeg is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.text import Text

from edgewise.errors import InputError
from edgewise.files.whole import read_bytes, write_bytes
from edgewise.pde.solver.solution import Solution
from edgewise.plot.pde.maps import (
    Units,
    color_range,
    colour_bar,
    cut_out,
    draw_interfaces,
    draw_map,
    filled,
    moment_text,
    number_axis,
    outline_of,
    with_breaks,
    with_unit,
)
from edgewise.plot.pde.slices import Slice, chosen_fields, chosen_times, middle, slice_of, time_of
from edgewise.plot.style import BLUE, ORANGE, Figure, styled


def animate(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    fields: Sequence[str] | None = None,
    units: Units | None = None,
    frames: int = 60,
    rate: float = 15.0,
) -> None:
    """Write a film of a solution over time: curves over one coordinate of space, maps over two.

    Curves of an exact solution, where the problem has one, are drawn beside them. In more dimensions of space it shows
    the plane of the first two coordinates through the middle of the domain.

    Parameters
    ----------
    solution : edgewise.pde.Solution
        Of a problem with coordinates of space and time, as t.
    path : path-like
        Ends in .gif, or in .mp4 where ffmpeg is installed; the file is written whole or not at all.
    fields : sequence of str, optional
        Names of the fields to show; all by default.
    units : mapping of str to str, optional
        Units of fields and coordinates by name, such as {"x": "m", "t": "s"}.
    frames : int
        Number of moments, from the first to the last.
    rate : float
        Frames per second.

    Raises
    ------
    InputError
        If an argument is not as above, or the problem has no coordinate of space or no time.
    FileError
        If the file cannot be written.

    Examples
    --------
    >>> from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time, solve
    >>> heat = PDE(
    ...     lambda u: u.t - 0.1 * u.xx,
    ...     Interval(0, 1) * Time(0, 1),
    ...     [Dirichlet(0.0), Initial(lambda x: x * (1 - x))],
    ...     points=50,
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     animate(solve(heat, grid_size=2, tolerance=1.0), Path(folder) / "heat.gif", frames=2)
    ...     [file.name for file in Path(folder).iterdir()]
    ['heat.gif']
    """
    suffix = Path(path).suffix.lower()
    domain = solution.problem.domain
    time = time_of(solution.problem)
    if suffix not in (".gif", ".mp4"):
        raise InputError(f"path must end in .gif or .mp4, got {os.fspath(path)!r}")
    if time is None or domain.dimension < 2:
        raise InputError(f"solution must have coordinates of space and time, as t, got {', '.join(domain.coordinates)}")
    if not isinstance(frames, int) or frames < 2 or not rate > 0:
        raise InputError(f"frames must be an integer of at least 2 and rate positive, got {frames!r} and {rate!r}")
    if suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise InputError("path must end in .gif where ffmpeg is not installed, got an .mp4")
    slots = chosen_fields(solution.problem, fields)
    units = units or {}
    names = [name for name in domain.coordinates if name != time][:2]
    times = chosen_times(solution.problem, None, np.linspace(0, 1, frames).tolist())
    # Points along a curve, or along each side of a map.
    counts = [401] if len(names) == 1 else [121, 121]
    fixed = middle(solution.problem)
    slices = [slice_of(solution, names, {**fixed, time: t}, counts, residual=False) for t in times]
    program = mpl.rcParams["animation.ffmpeg_path"]  # the user's own, which the style would reset
    with styled(), mpl.rc_context({"animation.ffmpeg_path": program}), TemporaryDirectory() as folder:
        figure, title, redraw = (_curves if len(names) == 1 else _maps)(solution, slices, slots, units)

        def draw(number: int) -> None:
            title.set_text(moment_text(times[number], time, units, ".3f"))
            redraw(slices[number])

        draw(0)
        figure.set_facecolor("white")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # otherwise the panels would move with the width of the numbers
        kind: type[AbstractMovieWriter] = PillowWriter if suffix == ".gif" else FFMpegWriter
        writer = kind(fps=rate)  # type: ignore[arg-type]  # declared as int; both formats allow any number
        film = Path(folder) / f"film{suffix}"
        # About 500 pixels for one field.
        with writer.saving(figure, str(film), 110):
            for number in range(frames):
                draw(number)
                writer.grab_frame(facecolor="white")
        write_bytes(path, read_bytes(film))


def _curves(
    solution: Solution, slices: Sequence[Slice], slots: Sequence[int], units: Units
) -> tuple[Figure, Text, Callable[[Slice], None]]:
    """Make a figure of curves; return it with its title and a function that draws another slice."""
    figure = Figure(figsize=(4.6, 0.5 + 2.2 * len(slots)), layout="constrained")
    panels = figure.subplots(len(slots), 1, squeeze=False, sharex=True)[:, 0]
    # A panel for each field, whose axes fit all moments.
    lines = []
    for panel, slot in zip(panels, slots, strict=True):
        low, high = color_range(np.stack([part.values[slot] for part in slices]), signed=False)[0]
        free = 0.06 * (high - low)  # above and below the curves
        panel.set_ylim(low - free, high + free)
        panel.set_xlim(slices[0].ticks[0][0], slices[0].ticks[0][-1])
        panel.set_ylabel(with_unit(solution.problem.fields[slot], units))
        number_axis(panel)
        pair = panel.plot([], [], color=BLUE, linewidth=1.8, label="solution")
        if slices[0].error is not None:
            pair += panel.plot([], [], color=ORANGE, linewidth=1.2, linestyle=(0, (3.5, 2.5)), label="exact")
        lines.append(pair)
    if len(lines[0]) > 1:
        panels[0].legend(loc="upper right", handlelength=1.8)
    panels[-1].set_xlabel(with_unit(slices[0].names[0], units))

    def redraw(shown: Slice) -> None:
        for pair, slot in zip(lines, slots, strict=True):
            pair[0].set_data(*with_breaks(solution.problem, shown, shown.values[slot]))
            if shown.exact is not None:
                pair[1].set_data(*with_breaks(solution.problem, shown, shown.exact[slot]))

    return figure, panels[0].set_title(" "), redraw


def _maps(
    solution: Solution, slices: Sequence[Slice], slots: Sequence[int], units: Units
) -> tuple[Figure, Text, Callable[[Slice], None]]:
    """Make a figure of maps; return it with its title and a function that draws another slice."""
    problem = solution.problem
    names = slices[0].names
    outline = outline_of(problem, names, middle(problem))
    figure = Figure(figsize=(0.4 + 3.4 * len(slots), 3.0), layout="constrained")
    panels = figure.subplots(1, len(slots), squeeze=False)[0]
    # A map for each field, whose colours fit all moments.
    images = []
    for panel, slot in zip(panels, slots, strict=True):
        ends, extend = color_range(np.stack([part.values[slot] for part in slices]), signed=False)
        first = slices[0]
        images.append(draw_map(panel, first.ticks, first.values[slot], ends, signed=False, contours=False))
        panel.set_aspect("equal")
        cut_out(panel, images[-1], outline)
        panel.set_xlabel(with_unit(names[0], units))
        colour_bar(figure, images[-1], panel, extend, with_unit(problem.fields[slot], units))
    panels[0].set_ylabel(with_unit(names[1], units))

    lines: list[Artist] = []

    def redraw(shown: Slice) -> None:
        while lines:
            lines.pop().remove()
        for panel, image, slot in zip(panels, images, slots, strict=True):
            image.set_data(filled(shown.values[slot]).T)
            lines.extend(draw_interfaces(panel, problem, names, shown.fixed))

    return figure, panels[0].set_title(" "), redraw
