"""Figure of the effect of each input on the prediction (`effect_curves`), a curve for a number, bars for a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from matplotlib.axes import Axes

from edgewise.checks import check_options, is_integer, numbered, typed, unknown_name
from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import Effect, evenly_picked, mean_contributions, partial_dependence
from edgewise.interpret.black_box import BlackBox
from edgewise.plot.network.panels import (
    MOST_LEVELS,
    NAME,
    curve_style,
    date_ticks,
    draw_densities,
    draw_function,
    level_bars,
    level_ticks,
    panel_titles,
)
from edgewise.plot.network.views import MOST_RANKED, PredictionView, Viewable, as_prediction_view
from edgewise.plot.style import (
    FAINT,
    GREY,
    INK,
    SIZES,
    Figure,
    as_numpy,
    display_text,
    fix_layout,
    labels,
    panels,
    shared_legend,
    styled,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class EffectCurveLimits(TypedDict, total=False):
    """Limits of what `effect_curves` computes and shows, as keyword arguments."""

    # names or numbers of the inputs that are shown; by default the inputs that move the prediction most
    inputs: Sequence[str | int]
    max_inputs: int  # largest number of panels
    max_outputs: int  # largest number of curves in a panel; the outputs with the largest effects are shown
    rows: int  # largest number of rows, picked evenly, over which the predictions are averaged


@typed
def effect_curves(
    model: BlackBox | Viewable | PredictionView,
    X: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    target: str | None = None,
    scores: Sequence[float] | None = None,
    **limits: Unpack[EffectCurveLimits],
) -> Figure:
    """Draw the partial dependence of the prediction on each input: its mean over the data while one input moves.

    In each panel one input takes its values over the data while the other inputs stay as they are in each row.

    Parameters
    ----------
    model : fitted estimator, torch.nn.Module, object with `predict`, or callable
        An estimator of Edgewise brings names, units and error bars. Anything else is a function of an array (n, d) in
        the units of `X`, giving (n,) or (n, outputs).
    X : array-like or data frame, optional
        (n, d), the data. An estimator that was fitted in this session has rows of its own.
    names, outputs : sequence of str, optional
        Names of the columns and of the outputs; those of the estimator or data frame by default, else x1, x2, ...
        and y1, y2, ...
    target : str, optional
        Predicted quantity with its unit, the label of the vertical axis.
    scores : sequence of float, optional
        (d,), importance of the inputs in place of their mean contributions.
    **limits
        `inputs`, `max_inputs`, `max_outputs` and `rows`, see `EffectCurveLimits`.

    Returns
    -------
    matplotlib.figure.Figure
        Inputs in the order of their contributions to the prediction, see
        `edgewise.interpret.shapley_shares`; a category has one bar for each level, from the mean
        prediction to that with this level. The bands are the uncertainty of the curve for an additive model with error
        bars. For other models with one output they hold the middle 80 % of the curves of single rows, each shifted to
        the same mean: where such a band is narrow the input acts alone, where it is wide its effect depends on the
        other inputs. A line below the panels names them. A histogram of the data stands at the bottom of each panel.

    Raises
    ------
    InputError
        If an argument does not fit `X`.

    References
    ----------
    J. Friedman, "Greedy function approximation", Annals of Statistics 29, 2001, p. 1189, section 8.2.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    >>> figure = effect_curves(lambda X: X[:, 0] ** 2 + 0.1 * X[:, 1], X, names=["speed", "mass"], target="energy / J")
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['speed', 'mass']
    """
    check_options(effect_curves, limits, EffectCurveLimits)
    view = as_prediction_view(model, X, names, outputs, target)
    titles = labels(view.names, view.X.shape[1], "x", "names")
    order = _shown_columns(view, scores, limits)
    rows = limits.get("rows", 300)
    # Partial dependence on each column, and the outputs that vary most.
    effects = [partial_dependence(view.function, view.X, i, rows=rows, kind=view.kind(i)) for i in order]
    if view.X.shape[1] > MOST_RANKED and scores is None and not limits.get("inputs"):
        effects = sorted(effects, key=lambda effect: -effect.strength.max())[: limits.get("max_inputs", 9)]
    count = effects[0].mean.shape[1]
    ends = labels(view.outputs, count, "y", "outputs", NAME)
    strength = np.max([effect.strength for effect in effects], 0)
    shown = sorted(np.argsort(-strength, kind="stable")[: limits.get("max_outputs", 6)].tolist())
    bands = [_band(view, effect) for effect in effects]
    base = float(view.function(evenly_picked(view.X, rows)).mean())  # the line from which effects go up and down
    # One panel for each column.
    with styled():
        figure, axes = panels(len(effects), SIZES.columns, SIZES.panel, sharey=True)
        if len(axes) == 1:
            figure.set_size_inches(*SIZES.single)
        for panel, effect, band in zip(axes, effects, bands, strict=True):
            if effect.levels:
                _draw_bars(panel, (effect, band), view, shown, ends)
                continue
            for o in shown:
                edges = None
                if band is not None:
                    edges = (band[0][:, o], band[1][:, o])
                draw_function(
                    panel, (effect.points, effect.mean[:, o]), edges, effect.discrete, o + view.color, ends[o]
                )
            if count == 1:
                panel.axhline(base, color=FAINT, linewidth=0.6, zorder=0)
            if effect.missing is not None:
                _draw_missing(panel, effect, shown, view.color)
            date_ticks(panel.xaxis, view.kind(effect.input), effect.points)
        # Axes: limits of a probability, titles, and histograms of the data.
        if view.limits is not None and np.isfinite(view.limits[1]):
            low, high = view.limits
            # A little room above the largest possible prediction, so that a line there is seen whole.
            axes[0].set_ylim(low, high + 0.02 * (high - low))
            axes[0].set_yticks(np.linspace(low, high, 5))
        panel_titles(axes, [titles[effect.input] for effect in effects])
        data = [None if effect.levels else view.X[:, effect.input] for effect in effects]
        draw_densities(axes, data)
        if len(axes) == 1 and data[0] is not None and not view.counts:
            # Mark each row below the curve of a single input, if they are few enough to be distinguished.
            marks = data[0][np.isfinite(data[0])]
            # Up to 400 rows each have a mark of their own.
            if len(marks) <= 400:
                across = axes[0].get_xaxis_transform()
                axes[0].vlines(marks, 0, 0.02, transform=across, color=INK, alpha=0.35, linewidth=0.5, zorder=1)
        if count > 1:
            shared_legend(figure, axes, order=ends)
        # What the bands are, if any can be seen.
        heights = [float(np.nanmax(band[1] - band[0], initial=0.0)) for band in bands if band is not None]
        # A band is no wider than its line below about one point, 0.5 % of the axis.
        if max(heights, default=0.0) > 0.005 * float(
            np.ptp(axes[0].get_ylim())
        ):  # nothing explains a band that cannot be seen
            remark = "band: the middle 80 % of the curves of single rows"
            if view.band is not None:
                remark = view.band_text
            if any(effect.levels for effect in effects):
                remark = remark.replace("band:", "band, and line on a bar:")
            figure.supxlabel(remark, fontsize=SIZES.remark, color=GREY, x=0.99, ha="right")
        figure.supylabel(display_text(view.target), fontsize=SIZES.text)
        return fix_layout(figure)


def _shown_columns(view: PredictionView, scores: Sequence[float] | None, limits: EffectCurveLimits) -> list[int]:
    """Return the numbers of the columns that are shown, in their order."""
    count = view.X.shape[1]
    if limits.get("inputs"):
        return [input_number(view, one) for one in limits["inputs"]]
    if scores is not None and np.shape(scores) != (count,):
        raise InputError(f"scores must hold {count} numbers, got shape {np.shape(scores)}")
    if scores is None and count > MOST_RANKED:  # ordered later by the strength of their effects
        return list(range(count))
    if scores is not None:
        rank = as_numpy(scores, "scores")
    elif len(view.X) > 1:
        rank = mean_contributions(view.function, view.X)
        rank = np.where(np.isfinite(rank), rank, np.inf)
    else:
        rank = np.zeros(count)
    return np.argsort(-rank, kind="stable")[: limits.get("max_inputs", 9)].tolist()


def input_number(view: PredictionView, name: str | int) -> int:
    """Return the number of the input with this name or number; raise InputError where there is none."""
    count = view.X.shape[1]
    known = [str(one) for one in (numbered("x", count) if view.names is None else view.names)]
    if isinstance(name, str):
        if name not in known:
            raise InputError(f"name must be one of the inputs, got {name!r}; {unknown_name(name, known)}")
        return known.index(name)
    if not is_integer(name) or name not in range(count):
        raise InputError(f"name must be the name of an input or a number from 0 to {count - 1}, got {name!r}")
    return int(name)


def _band(view: PredictionView, effect: Effect) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lower and upper edge of the bands, (p, outputs) each, if there are any."""
    edges: tuple[np.ndarray, np.ndarray] | None = None
    if view.band is not None:
        points = effect.points
        mean = effect.mean
        if effect.levels and effect.missing is not None:
            points = np.append(points, np.nan)
            mean = np.vstack([mean, effect.missing])
        half = view.band(effect.input, points)
        edges = mean - half, mean + half
    elif effect.mean.shape[1] == 1:
        edges = (effect.low, effect.high)
    if edges is None or view.limits is None:
        return edges
    return np.clip(edges[0], *view.limits), np.clip(edges[1], *view.limits)


def _draw_bars(
    panel: Axes,
    drawn: tuple[Effect, tuple[np.ndarray, np.ndarray] | None],
    view: PredictionView,
    shown: Sequence[int],
    ends: Sequence[str],
) -> None:
    """Draw a bar for each level of a category (for each output), from the mean prediction over the rows."""
    # Means and numbers of rows of the levels, the missing value last.
    effect, band = drawn
    means = effect.mean
    names = list(effect.levels)
    codes = view.X[:, effect.input]
    counts = [int((codes == code).sum()) for code in effect.points]
    missing = int(np.isnan(codes).sum())
    if view.counts:
        *known, missing = view.counts[effect.input]
        counts = [known[int(code)] for code in effect.points]
    if effect.missing is not None:
        means = np.vstack([means, effect.missing])
        names = [*names, "missing"]
        counts = [*counts, missing]
    # The levels that differ most from the mean over the rows.
    base = np.average(means, axis=0, weights=counts if sum(counts) else None)
    kept = np.sort(np.argsort(-np.abs(means - base).max(1), kind="stable")[:MOST_LEVELS])
    # Curves of single rows, from which a band may come, are not known for missing values, the last of the levels.
    curved = kept
    if band is not None:
        curved = kept[kept < len(band[0])]
    for place, o in enumerate(shown):
        look = (curve_style(o + view.color)[0], ends[o])
        ends_of_lines = None
        if band is not None:
            ends_of_lines = band[0][curved, o], band[1][curved, o]
        level_bars(panel, means[kept, o], base[o], (place, len(shown)), look, ends_of_lines)
        panel.hlines(base[o], -0.5, len(kept) - 0.5, color=GREY, linewidth=0.6, zorder=3)
    level_ticks(panel, [names[level] for level in kept], len(names))
    for place, level in enumerate(kept):
        across = panel.get_xaxis_transform()
        text = f"{counts[level]:,}"
        panel.text(place, 0.02, text, transform=across, ha="center", va="bottom", size=SIZES.count, color=GREY)


def _draw_missing(panel: Axes, effect: Effect, shown: Sequence[int], color: int) -> None:
    """Mark the mean prediction of rows without a value, to the right of the curve."""
    assert effect.missing is not None
    low = effect.points[0]
    high = effect.points[-1]
    # Beside the end of the curve, by a share of its width.
    place = high + 0.09 * (high - low or 1.0)
    for o in shown:
        panel.plot([place], [effect.missing[o]], "D", color=curve_style(o + color)[0], markersize=3.5, label="_missing")
    # Beside the marks, where no curve goes, and upright, since there is little space.
    at = (place, float(effect.missing[shown].mean()))
    text: dict[str, Any] = {"rotation": 90, "ha": "left", "va": "center", "size": SIZES.count, "color": GREY}
    panel.annotate("missing", at, (4, 0), textcoords="offset points", **text)
    # Room for the word beside the mark.
    panel.set_xlim(right=place + 0.12 * (high - low or 1.0))
