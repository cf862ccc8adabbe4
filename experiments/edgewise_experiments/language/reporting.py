"""Result tables and the figure of the experiment on language, from its stored rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean, stdev

from scipy.stats import t as student

from edgewise_experiments.runner import NO_ROWS, Figure, Outcome, ResultTable, key_figures, latest, repeats

TASKS = ("equal time", "equal text")
SHOWN = 160  # characters of a sample in the table
NOTES = (
    "The text is Milton's Paradise Lost, character by character; the last tenth is held out. The transformers differ "
    "in their feed-forward blocks alone, which are as wide as the limit of parameters allows. Of the tried settings "
    "of each kind the one with the lowest loss on the same held-out text was trained, for the same time and for the "
    "same number of characters. The unigram loss is that of a model that knows the frequency of each character and "
    "nothing else.",
    "Losses are means of the seeds with the standard deviation, in nats a character; curves and samples are those of "
    "the first seed. The comparison is between KAN and MLP of the same seed: a positive difference of losses means "
    "that the MLP is better, and stands with half of its 95 % interval by Student's t; the ratio of speeds is that of "
    "characters read a second in training.",
)


def summary(rows: list[dict]) -> Outcome:
    """Compare KAN and MLP at equal time and at equal text; rows of tried settings are not shown."""
    rows = latest(rows, "task", "kind", "setting", "given", "seed", "most", "device")
    shown = [row for row in rows if row["task"] in TASKS]
    if not shown:
        return NO_ROWS
    models = repeats(shown, "task", "kind", "given", "device")  # whatever their settings
    columns = ("at", "blocks", "setting", "parameters", "in blocks", "characters", "seconds", "a second", "loss")
    samples = []
    for row in (seeds[0] for seeds in models):
        if row["task"] == TASKS[0]:
            lines = [text.strip() for text in row["said"].strip()[:SHOWN].split("\n") if text.strip()]
            samples.append((row["kind"], row["task"], " / ".join(lines)))
    devices = sorted({row["device"] for row in shown})
    numbers = {
        "unigram loss": _nats(shown[0]["unigram"]),
        "limit of parameters": f"{max(row['most'] for row in shown):,}",
        "settings tried": str(len({str(row["setting"]) for row in rows if row["task"] == "tune"})),
        "seeds": str(len({row["seed"] for row in shown})),
        "devices": ", ".join(devices),
    }
    for device in dict.fromkeys(row["device"] for row in shown):
        for task in TASKS:
            own = [row for row in shown if (row["task"], row["device"]) == (task, device)]
            numbers |= comparison(f"{task}, {device}", own)
    title = "Held-out loss in nats a character, characters read in training"
    tables = (
        key_figures(numbers),
        ResultTable(columns, tuple(model_cells(seeds) for seeds in models), title),
        ResultTable(("blocks", "at", "what it writes"), tuple(samples), "Samples"),
    )
    first_device = [row for row in shown if row["device"] == shown[0]["device"]]
    return Outcome(tuple(table for table in tables if table.rows), NOTES, {"loss": partial(draw_loss, first_device)})


def best_row(rows: Sequence[dict], task: str, kind: str, seed: int) -> dict:
    """Return the row with the lowest held-out loss."""
    own = [row for row in rows if (row["task"], row["kind"], row["seed"]) == (task, kind, seed)]
    return min(own, key=lambda row: math.inf if row["loss"] is None else row["loss"])


def model_cells(seeds: Sequence[dict]) -> tuple[str, ...]:
    """Return the cells of one model: means of the seeds, and the standard deviation of the loss."""
    row = seeds[0]
    settings = dict.fromkeys(_setting_text(each["setting"]) for each in seeds)
    counts = (
        " or ".join(dict.fromkeys(f"{each[name]:,}" for each in seeds)) for name in ("parameters", "feed_forward")
    )
    read, trained, pace = (fmean(each[name] for each in seeds) for name in ("read", "trained", "a_second"))
    losses = [each["loss"] for each in seeds]
    is_known = None not in losses
    spread = f" ± {stdev(losses):.3f}" if is_known and len(losses) > 1 else ""
    return (
        row["task"],
        row["kind"],
        " or ".join(settings),
        *counts,
        f"{read:,.0f}",
        f"{trained:.0f}",
        f"{pace:,.0f}",
        _nats(fmean(losses) if is_known else None) + spread,
    )


def comparison(label: str, rows: Sequence[dict]) -> dict[str, str]:
    """Compare the KANs with the MLPs of the same seeds, at one task and on one device; empty without such pairs."""
    by_kind = {(row["kind"], row["seed"], str(row["given"])): row for row in rows if row["loss"] is not None}
    pairs = [
        (row, by_kind["MLP", *same])
        for (kind, *same), row in by_kind.items()
        if kind == "KAN" and ("MLP", *same) in by_kind
    ]
    if not pairs:
        return {}
    kan, mlp = (fmean(pair[which]["loss"] for pair in pairs) for which in (0, 1))
    pace = fmean(one["a_second"] / other["a_second"] for one, other in pairs)
    # Losses that are equal in print are a tie.
    difference = 0.0 if _nats(kan) == _nats(mlp) else kan - mlp
    differences = [one["loss"] - other["loss"] for one, other in pairs]
    spread = ""
    if len(pairs) > 1:
        half = float(student.ppf(0.975, len(pairs) - 1)) * stdev(differences) / math.sqrt(len(pairs))
        spread = f" ± {half:.3f}"
    return {
        f"{label}: loss of the KAN": _nats(kan),
        f"{label}: loss of the MLP": _nats(mlp),
        f"{label}: KAN minus MLP": f"{difference:+.3f}{spread}",
        f"{label}: speed of the KAN over that of the MLP": f"{pace:.2f}",
    }


def draw_loss(rows: Sequence[dict]) -> Figure:
    """Draw the held-out loss of the first seed against seconds and against characters read."""
    from edgewise_experiments.plots.pictures import quality_curves

    panels, xlabels = {}, []
    for task, xlabel in zip(TASKS, ("seconds of training", "million characters read"), strict=True):
        first = {row["kind"]: row["looks"] for row in reversed(rows) if row["task"] == task}
        if first:
            xlabels.append(xlabel)
            panels[task] = {
                kind: [(seconds if task == "equal time" else read / 1e6, loss) for read, seconds, loss in first[kind]]
                for kind in ("KAN", "MLP")
                if kind in first
            }
    return quality_curves(panels, ylabel="held-out loss (nats a character)", xlabels=xlabels)


def _setting_text(setting: Mapping[str, float | str]) -> str:
    """Describe a setting, as "grid 4, degree 3, rate 0.003"."""
    return ", ".join(value if isinstance(value, str) else f"{name} {value:g}" for name, value in setting.items())


def _nats(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.3f}"
