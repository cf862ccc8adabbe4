"""What the rows of the experiment on language show: losses, speed, samples, curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean, stdev

from edgewise_experiments.runner.jobs import latest, repeats
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable

TASKS = ("equal time", "equal text")
SHOWN = 160  # characters of a sample


def summary(rows: list[dict]) -> Outcome:
    """Equal time and equal text; settings that were only tried are not shown."""
    rows = latest(rows, "task", "kind", "setting", "given", "seed", "most", "device")
    shown = [row for row in rows if row["task"] in TASKS]
    if not shown:
        return NO_ROWS
    heads = ("at", "blocks", "setting", "parameters", "in blocks", "characters", "seconds", "a second", "loss")
    spoken = [seeds[0] for seeds in _repeats(shown) if seeds[0]["task"] == TASKS[0]]
    samples = tuple((row["kind"], row["task"], _one_line(row["said"])) for row in spoken)
    tables = (
        ResultTable(
            heads,
            tuple(_line(seeds) for seeds in _repeats(shown)),
            "Held-out loss in nats a character, characters read in training",
        ),
        ResultTable(("blocks", "at", "what it writes"), samples, "Samples"),
    )
    devices = {row["device"]: [other for other in shown if other["device"] == row["device"]] for row in shown}
    said = (_compared(task, mine) for mine in devices.values() for task in TASKS)
    sentences = (_about(rows, shown), *(sentence for sentence in said if sentence))
    first = next(iter(devices.values()))
    return Outcome(tuple(table for table in tables if table.rows), sentences, {"loss": partial(_draw, first)})


def best_of(rows: Sequence[dict], task: str, kind: str, seed: int) -> dict:
    """The row with the lowest held-out loss."""
    found = [row for row in rows if (row["task"], row["kind"], row["seed"]) == (task, kind, seed)]
    return min(found, key=lambda row: math.inf if row["loss"] is None else row["loss"])


def line(row: dict) -> str:
    """A stored row for people."""
    return (
        f"{row['task']}, {row['kind']} {_told(row['setting'])}: loss {_nats(row['loss'])}, "
        f"{row['a_second']:,} characters a second, {row['seconds']:.1f} s"
    )


def _repeats(rows: Sequence[dict]) -> list[list[dict]]:
    """The seeds of one model at one task together, whatever settings they chose."""
    return repeats(rows, "task", "kind", "given", "device")


def _line(seeds: Sequence[dict]) -> tuple[str, ...]:
    """Means of the seeds; of the loss with the standard deviation."""
    row = seeds[0]
    setting = " or ".join(dict.fromkeys(_told(each["setting"]) for each in seeds))
    read, trained, pace = (fmean(each[name] for each in seeds) for name in ("read", "trained", "a_second"))
    counts = (
        " or ".join(dict.fromkeys(f"{each[name]:,}" for each in seeds)) for name in ("parameters", "feed_forward")
    )
    sizes = (*counts, f"{read:,.0f}")
    losses = [each["loss"] for each in seeds]
    known = None not in losses
    spread = f" ± {stdev(losses):.3f}" if known and len(losses) > 1 else ""
    loss = _nats(fmean(losses) if known else None) + spread
    return (row["task"], row["kind"], setting, *sizes, f"{trained:.0f}", f"{pace:,.0f}", loss)


def _told(setting: Mapping[str, float | str]) -> str:
    """A setting in words, as "grid 4, degree 3, rate 0.003"."""
    return ", ".join(value if isinstance(value, str) else f"{name} {value:g}" for name, value in setting.items())


def _nats(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.3f}"


def _one_line(text: str) -> str:
    return " / ".join(part.strip() for part in text.strip()[:SHOWN].split("\n") if part.strip())


def _about(rows: Sequence[dict], shown: Sequence[dict]) -> str:
    devices = " and ".join(sorted({row["device"] for row in shown}))
    tried = len({str(row["setting"]) for row in rows if row["task"] == "tune"})
    return (
        "Milton's Paradise Lost, character by character, the last tenth held out; who only knows how often each "
        f"character comes has {_nats(shown[0]['unigram'])} nats there. Transformers alike but for their feed-forward "
        f"blocks, at most {max(row['most'] for row in shown):,} parameters; of {tried} settings each kind's best in a "
        f"short trial, told by the same held-out text. {len({row['seed'] for row in shown})} seed(s), on {devices}, "
        "curves and samples of the first; speed: of training."
    )


def _pairs(task: str, rows: Sequence[dict]) -> Iterator[tuple[dict, dict]]:
    """KAN and MLP of one seed and device."""
    found = {(row["kind"], row["seed"], row["device"], str(row["given"])): row for row in rows if row["task"] == task}
    for (kind, *same), row in found.items():
        if kind == "KAN" and ("MLP", *same) in found:
            yield row, found["MLP", *same]


def _compared(task: str, rows: Sequence[dict]) -> str:
    pairs = [(kan, mlp) for kan, mlp in _pairs(task, rows) if None not in (kan["loss"], mlp["loss"])]
    if not pairs:
        return ""
    kan, mlp = (sum(pair[which]["loss"] for pair in pairs) / len(pairs) for which in (0, 1))
    pace = sum(one["a_second"] / other["a_second"] for one, other in pairs) / len(pairs)
    # What is the same in print is a tie.
    lower = "the same" if _nats(kan) == _nats(mlp) else f"{'lower' if kan < mlp else 'higher'} by {abs(kan - mlp):.3f}"
    return (
        f"At equal parameters and {task}, on {pairs[0][0]['device']}: KAN {_nats(kan)}, MLP {_nats(mlp)} nats a "
        f"character, the KAN's {lower}; the KAN reads {pace:.2f} times as many characters a second."
    )


def _draw(rows: Sequence[dict]):
    from edgewise_experiments.plots.pictures import quality_curves

    time, text = ([row for row in rows if row["task"] == task] for task in TASKS)
    groups = {
        "equal time": {row["kind"]: [(seconds, loss) for _, seconds, loss in row["looks"]] for row in reversed(time)},
        "equal text": {row["kind"]: [(read / 1e6, loss) for read, _, loss in row["looks"]] for row in reversed(text)},
    }
    kinds = ("KAN", "MLP")
    groups = {name: {kind: found[kind] for kind in kinds if kind in found} for name, found in groups.items() if found}
    labels = {"equal time": "seconds of training", "equal text": "million characters read"}
    return quality_curves(groups, ylabel="held-out loss (nats a character)", xlabels=[labels[name] for name in groups])
