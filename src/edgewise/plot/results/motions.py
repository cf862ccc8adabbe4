"""Figure of a motion: trajectories with fit and forecast, the phase portrait, and the front of systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from edgewise.plot.style import (
    BAND_OPACITY,
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    SIZES,
    Figure,
    fix_layout,
    styled,
)


@dataclass(frozen=True)
class MotionLook:
    """Numbers of the figure."""

    most: int = 4  # coordinates in panels of their own
    points: int = 24  # along an axis of the phase plane: streamlines turn no faster than between so many
    later: float = 0.5  # share of the measured time that the forecast goes on


LOOK = MotionLook()


def motion_figure(motion: Any) -> Figure:
    """Draw a `Motion`: samples, fits and forecasts of each coordinate above, phase portrait and front below."""
    shown = motion.names[: LOOK.most]
    with styled():
        figure = Figure(figsize=(SIZES.page, SIZES.panel * len(shown) + 2 * SIZES.panel))
        grid = figure.add_gridspec(
            len(shown) + 1,
            2,
            height_ratios=[*([1.0] * len(shown)), 1.7],
            hspace=0.42,
            wspace=0.3,
            left=0.11,
            right=0.97,
            top=1 - 0.3 / figure.get_figheight(),
            bottom=0.5 / figure.get_figheight(),
        )
        for k, name in enumerate(shown):
            axes = figure.add_subplot(grid[k, :])
            _draw_trajectories(axes, motion, k)
            axes.set_ylabel(name)
            if k == len(shown) - 1:
                axes.set_xlabel("n" if motion.choice.kind.is_map else "t", labelpad=2)
            if k == 0:
                axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, handletextpad=0.4, borderaxespad=0.1)
        _draw_portrait(figure.add_subplot(grid[-1, 0]), motion)
        _draw_front(figure.add_subplot(grid[-1, 1]), motion)
        return fix_layout(figure)


def _draw_trajectories(axes: Axes, motion: Any, k: int) -> None:
    """Samples and fit of every trajectory, and the forecast with its band after the end of the first."""
    runs = motion.evidence.runs
    for number, run in enumerate(runs):
        is_first = number == 0
        label: dict[str, str | None] = {"data": None, "fit": None}
        if is_first:
            label = {"data": "data", "fit": "fit"}
        axes.plot(run.t, run.y[:, k], ".", markersize=3, color=GREY, zorder=2, label=label["data"])
        axes.plot(run.t, run.states[:, k], color=BLUE, zorder=3, label=label["fit"])
    if motion.choice.is_autonomous:
        t = runs[0].t
        end = t[-1] + LOOK.later * (t[-1] - t[0])
        later = np.linspace(t[-1], end, 120)
        if motion.choice.kind.is_map:
            later = np.arange(t[-1], end + 1)
        forecast = motion.forecast(None, later)
        axes.plot(later, forecast.x[:, k], color=ORANGE, zorder=3, label="forecast")
        axes.fill_between(
            later, forecast.lower[:, k], forecast.upper[:, k], color=ORANGE, alpha=BAND_OPACITY, linewidth=0
        )


def _draw_portrait(axes: Axes, motion: Any) -> None:
    """The field with trajectories and fixed points: x' against x of one state, streamlines of two.

    One state on which an input or its own past acts is drawn against that.
    """
    # Fixed points as textbooks draw them: filled where they attract.
    marks = {
        "stable": (INK, "o"),
        "unstable": ("none", "o"),
        "saddle": ("none", "D"),
        "centre": ("none", "s"),
        "degenerate": ("none", "^"),
    }
    choice = motion.choice
    states = choice.kind.states
    fitted = [run.states for run in motion.evidence.runs]
    if states == 1 and not choice.is_autonomous:
        states = 2
        fitted = [run.columns(choice.kind)[:, :2] for run in motion.evidence.runs]
    names = choice.variables[:states]
    # The range of the fitted states, with a margin.
    flat = np.concatenate(fitted)
    low = flat.min(axis=0)
    high = flat.max(axis=0)
    margin = 0.12 * (high - low) + 1e-12
    low = low - margin
    high = high + margin
    draws_field = choice.is_autonomous and not choice.kind.is_map
    # One state: its rate against itself, whose zeros are the fixed points.
    if states == 1:
        x = np.linspace(low[0], high[0], 200)
        axes.plot(x, choice.rhs(x[:, None])[:, 0], color=BLUE)
        # Points of rest lie where the rate vanishes, or where the next state is the same
        rest = low if choice.kind.is_map else np.zeros(1)
        axes.axline((low[0], rest[0]), slope=float(choice.kind.is_map), color=FAINT, linewidth=0.8, zorder=0)
        axes.set_ylabel(choice.left_sides[0])
    else:
        # Two states: streamlines of the field, then the trajectories with their starts.
        if draws_field and states == 2:
            a = np.linspace(low[0], high[0], LOOK.points)
            b = np.linspace(low[1], high[1], LOOK.points)
            places = np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)
            rates = choice.rhs(places)
            if choice.kind.order == 2:
                rates = np.column_stack([places[:, 1], rates[:, 0]])
            u, v = np.ma.masked_invalid(rates).T.reshape(2, LOOK.points, LOOK.points)
            axes.streamplot(a, b, u, v, color=FAINT, linewidth=0.7, density=0.8, arrowsize=0.7, zorder=1)
        # States of a map have nothing between them
        line = "." if choice.kind.is_map else "-"
        for one in fitted:
            axes.plot(one[:, 0], one[:, 1], line, markersize=3, color=BLUE, zorder=2)
            axes.plot(*one[0, :2], ".", color=BLUE, markersize=6, zorder=3)
        axes.set_ylabel(names[1])
        axes.set_ylim(low[1], high[1])
    axes.set_xlabel(names[0], labelpad=2)
    axes.set_xlim(low[0], high[0])
    # Fixed points within the range, and a legend that names each kind once.
    if choice.is_autonomous:
        inside = [each for each in motion.fixed_points() if (low <= each.state).all() and (each.state <= high).all()]
        for point in inside:
            fill, marker = marks[point.stability]
            height = 0.0
            if states > 1:
                height = point.state[1]
            elif choice.kind.is_map:
                height = point.state[0]
            axes.plot(
                point.state[0],
                height,
                marker,
                markersize=6,
                markerfacecolor=fill,
                markeredgecolor=INK,
                zorder=4,
                label=point.stability,
            )
        handles, labels = axes.get_legend_handles_labels()
        single = dict(zip(labels, handles, strict=True))
        if single:
            axes.legend(
                list(single.values()),
                list(single),
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=len(single),
                handletextpad=0.2,
                borderaxespad=0.1,
            )


def _draw_front(axes: Axes, motion: Any) -> None:
    """Root mean squared residual in units of the noise, or of the samples' spread, against symbols."""
    # Errors of all systems, relative to the spread of the samples.
    spread = np.nanstd(np.concatenate([run.y for run in motion.evidence.runs]), axis=0) + np.finfo(float).tiny
    # A system that no trajectory follows has no error
    systems = [system for system in motion.systems if np.isfinite(system.error).all()]
    symbols = [system.complexity for system in systems]
    errors = [max(float(np.sqrt(np.mean((system.error / spread) ** 2))), 1e-12) for system in systems]
    axes.set_yscale("log")
    axes.step(symbols, errors, where="post", color=FAINT, linewidth=1.0, zorder=1)
    axes.scatter(symbols, errors, s=22, color=BLUE, linewidths=0, zorder=3)
    place = next((number for number, one in enumerate(systems) if one is motion.choice), None)
    if place is not None:
        axes.scatter(
            symbols[place],
            errors[place],
            s=110,
            label="choice",
            facecolors="none",
            edgecolors=ORANGE,
            linewidths=1.4,
            zorder=4,
        )
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), handletextpad=0.2, borderaxespad=0.1)
    # A line at the noise, below which no system can be told from another.
    noise = float(np.sqrt(np.mean((motion.noise / spread) ** 2)))
    if noise > 1e-12:
        axes.axhline(noise, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        axes.text(
            0.02,
            noise,
            "noise",
            ha="left",
            va="bottom",
            size=SIZES.tiny,
            color=GREY,
            transform=axes.get_yaxis_transform(),
        )
    axes.set_ylim(min([*errors, noise or 1.0]) / 3, (max([*errors, noise]) or 1.0) * 3)
    axes.set_xlabel("complexity (symbols)", labelpad=2)
    axes.set_ylabel("error / standard deviation")
