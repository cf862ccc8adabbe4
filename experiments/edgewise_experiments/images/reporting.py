"""What the rows of the experiment on images show: tables, sentences, pictures side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from statistics import fmean, stdev

from edgewise_experiments.images.tasks import BAND, FIELDS, HELD_OUT, NOISE, SIDE, TASKS, unpacked
from edgewise_experiments.runner.jobs import latest, repeats
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable

KEY = ("task", "field", "kind", "setting", "size", "given", "seed")
RIVAL = "SIREN"
NAMES = {"super-resolution": "cubic splines, no training", "denoising": "noisy picture as it is"}  # of kind "none"
QUALITY = ("PSNR", "SSIM")


def summary(rows: list[dict]) -> Outcome:
    """Fits at equal parameters and time, then super-resolution and denoising, then longer fits."""
    rows = latest(rows, *KEY)
    fits = [row for row in rows if row["task"] in ("fit", "longer")]
    tasks = list(_of_tasks(rows))
    if not fits and not tasks:
        return NO_ROWS
    heads = ("picture", "parameters", "model", "setting", "steps", "seconds", *QUALITY)
    tables = (
        ResultTable(heads, tuple(_line(seeds) for seeds in _repeats(fits)), "Fits"),
        ResultTable(
            ("task", *heads),
            tuple((seeds[0]["task"], *_line(seeds)) for seeds in _repeats(tasks)),
            "From part of the pixels, or noise",
        ),
    )
    sentences = [_about(rows), *_compared(fits), *(_task_said(task, tasks) for task in TASKS if tasks)]
    return Outcome(
        tuple(table for table in tables if table.rows),
        tuple(filter(None, sentences)),
        _figures(fits, tasks),
    )


def chosen(rows: Sequence[dict], task: str, field: str, kind: str, seed: int) -> dict:
    """The row of the setting with the lowest error: on held-out pixels, or on all where none are held out."""
    found = [row for row in rows if (row["task"], row["field"], row["kind"], row["seed"]) == (task, field, kind, seed)]

    def quality(row: dict) -> float:
        told = row["psnr"] if row.get("held_out") is None else row["held_out"]
        return -math.inf if told is None else told

    return max(found, key=quality)


def line(row: dict) -> str:
    """A stored row for people."""
    model = NAMES[row["task"]] if row["kind"] == "none" else f"{row['kind']} {_told(row['setting'])}"
    return f"{row['task']}, {row['field']}, {model}: {_decibels(row['psnr'])} dB, {row['seconds']:.1f} s"


def _of_tasks(rows: Sequence[dict]) -> Iterator[dict]:
    """Of super-resolution and denoising one row for each picture, kind and seed."""
    plans = dict.fromkeys((row["task"], row["field"], row["kind"], row["seed"]) for row in rows if row["task"] in TASKS)
    return (chosen(rows, *plan) for plan in plans)


def _repeats(rows: Sequence[dict]) -> list[list[dict]]:
    """The seeds of one model for one picture together, whatever settings they chose."""
    return repeats(rows, "task", "field", "kind", "size", "given")


def _line(seeds: Sequence[dict]) -> tuple[str, ...]:
    """Means of the seeds; of the PSNR with the standard deviation."""
    row = seeds[0]
    if row["kind"] == "none":
        cells = ("-", NAMES[row["task"]], "-", "-", "-")
    else:
        settings = dict.fromkeys(_told(each["setting"]) for each in seeds)
        numbers = (f"{fmean(each['steps'] for each in seeds):,.0f}", f"{row['trained']:.0f}")
        sizes = dict.fromkeys(f"{each['parameters']:,}" for each in seeds)
        cells = (" or ".join(sizes), row["kind"], " or ".join(settings), *numbers)
    similarity = _mean(each["ssim"] for each in seeds)
    return (row["field"], *cells, _spread(seeds), "-" if similarity is None else f"{similarity:.3f}")


def _spread(seeds: Sequence[dict]) -> str:
    values = [row["psnr"] for row in seeds]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 and None not in values and len(set(values)) > 1 else ""
    return _decibels(_mean(values)) + spread


def _mean(values: Iterable[float | None]) -> float | None:
    """None where one of them is."""
    values = list(values)
    return None if None in values or not values else fmean(values)


def _told(setting: Mapping[str, float]) -> str:
    """A setting in words, as "omega 30, Adam 0.003"."""
    words = {"last_grid": "last grid"}
    told = [f"{words.get(name, name)} {value:g}" for name, value in setting.items() if name != "rate"]
    method = f"Adam {setting['rate']:g}" if setting.get("rate") else "L-BFGS"
    return ", ".join([*told, method])


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _about(rows: Sequence[dict]) -> str:
    seeds = len({row["seed"] for row in rows})
    threads = " or ".join(map(str, sorted({row.get("machine", {}).get("threads", 1) for row in rows})))
    return (
        f"Pictures of {SIDE} x {SIDE} pixels, values 0 to 1: scikit-image's camera by means of blocks, and a random "
        f"field with energy k^-5/3 for wavenumbers {BAND[0]} to {BAND[1]}. Parameters: all trainable numbers, those of "
        f"a kind as near below a common limit as its width allows; seconds: of CPU, threads: {threads}, the same for "
        f"all kinds of a size. {seeds} seed(s), figures show the first. Super-resolution: every second pixel of rows "
        "and columns is seen, the others are scored (SSIM: the whole picture); denoising: noise of standard deviation "
        f"{NOISE:g}, scored against the clean picture; {HELD_OUT:.0%} of the pixels that are seen choose settings and "
        "when to stop."
    )


def _pairs(fits: Sequence[dict]) -> Iterator[tuple[dict, float, float]]:
    """Rows of a KAN with its lead in PSNR over SIREN, and over the best of all others, of the same fit."""
    for row in fits:
        same = [
            other
            for other in fits
            if all(other[name] == row[name] for name in ("task", "field", "size", "given", "seed"))
        ]
        quality = {other["kind"]: other["psnr"] for other in same if other["psnr"] is not None}
        if row["kind"] == "KAN" and "KAN" in quality and RIVAL in quality:
            others = max(value for kind, value in quality.items() if kind != "KAN")
            yield row, quality["KAN"] - quality[RIVAL], quality["KAN"] - others


def _compared(fits: Sequence[dict]) -> Iterator[str]:
    pairs = list(_pairs(fits))
    means = "means of the seeds: " if len({row["seed"] for row, _, _ in pairs}) > 1 else ""
    equal = [(row, lead) for row, lead, _ in pairs if row["task"] == "fit"]
    if equal:
        ahead = sum(lead > 0 for _, lead in equal)
        leads = "; ".join(
            f"{field}, {size:,} parameters: {_lead(of)}" for (field, size), of in _fits_of(equal, "field", "size")
        )
        best = sum(lead > 0 for row, _, lead in pairs if row["task"] == "fit")
        yield (
            f"At equal parameters and CPU seconds the KAN's PSNR is above SIREN's in {ahead} of {len(equal)} fits "
            f"({means}{leads}) and above every other model's in {best} of {len(equal)}."
        )
    longer = [(row, lead) for row, lead, _ in pairs if row["task"] == "longer"]
    if longer:
        told = "; ".join(
            f"{field}: {_lead(of)}, with {_decibels(fmean(row['psnr'] for row, _ in of))} dB"
            for (field,), of in _fits_of(longer, "field")
        )
        ahead, first = sum(lead > 0 for _, lead in longer), longer[0][0]
        yield (
            f"With {first['given']:g} CPU seconds for each at {first['size']:,} parameters the KAN is above SIREN in "
            f"{ahead} of {len(longer)} ({means}{told})."
        )


def _fits_of(pairs: Sequence[tuple[dict, float]], *names: str) -> Iterator[tuple[tuple, list[tuple[dict, float]]]]:
    """(row, lead) of one fit together, over its seeds."""
    found: dict[tuple, list[tuple[dict, float]]] = {}
    for row, lead in pairs:
        found.setdefault(tuple(row[name] for name in names), []).append((row, lead))
    yield from found.items()


def _lead(pairs: Sequence[tuple[dict, float]]) -> str:
    lead = round(fmean(lead for _, lead in pairs), 1)
    return f"KAN {lead:+.1f} dB" if lead else "KAN as good"


def _task_said(task: str, rows: Sequence[dict]) -> str:
    told, ahead = [], []
    for field in FIELDS:
        found = [seeds for seeds in _repeats(rows) if (seeds[0]["task"], seeds[0]["field"]) == (task, field)]
        means = {seeds[0]["kind"]: _mean(row["psnr"] for row in seeds) for seeds in found}
        quality = {kind: mean for kind, mean in means.items() if mean is not None}
        others = {kind: value for kind, value in quality.items() if kind not in ("KAN", "none")}
        if not {"KAN", "none"} <= set(quality) or not others:
            continue
        kan, plain, best = quality["KAN"], quality["none"], max(others, key=others.get)
        ahead.append((kan > others[best], kan > plain))
        each = (("KAN", kan), (best, others[best]), (NAMES[task], plain))
        told.append(f"{field}: {', '.join(f'{name} {_decibels(value)} dB' for name, value in each)}")
    networks, plain = (sum(pair[which] for pair in ahead) for which in (0, 1))
    return (
        f"{task.capitalize()}: the KAN is above every other network in {networks} of {len(told)} pictures, above the "
        f"{NAMES[task].removesuffix(', no training')} in {plain} ({'; '.join(told)})."
        if told
        else ""
    )


def _figures(fits: Sequence[dict], tasks: Sequence[dict]) -> dict:
    found = {}
    fits, tasks = (_shown(rows) for rows in (fits, tasks))
    first = min((row["size"] for row in fits), default=0)
    shown = [row for row in fits if (row["task"], row["size"]) == ("fit", first)]
    for field in FIELDS:
        if rows := [row for row in shown if row["field"] == field]:
            found[field] = partial(_draw_pictures, field, rows)
    for task, field in product(TASKS, FIELDS):
        if rows := list(_nearest([row for row in tasks if (row["task"], row["field"]) == (task, field)])):
            found[f"{task}-{field}"] = partial(_draw_pictures, field, rows)
    if shown:
        found["time"] = partial(_draw_time, shown)
    return found


def _shown(rows: Sequence[dict]) -> list[dict]:
    """Of every model the first seed's row, if it has its picture."""
    return [seeds[0] for seeds in _repeats(rows) if "picture" in seeds[0]]


def _nearest(rows: Sequence[dict]) -> Iterator[dict]:
    """What needs no training, the KAN, and the two best others; each panel more makes all of them smaller."""
    others = [row for row in rows if row["kind"] not in ("none", "KAN") and row["psnr"] is not None]
    kept = {row["kind"] for row in sorted(others, key=lambda row: -row["psnr"])[:2]}
    return (row for row in rows if row["kind"] in {"none", "KAN", *kept})


def _draw_pictures(field: str, rows: Sequence[dict]):
    from edgewise_experiments.plots.pictures import side_by_side

    names = {"none": {"super-resolution": "cubic splines", "denoising": "noisy"}.get(rows[0]["task"], "")}
    pictures = {names.get(row["kind"], row["kind"]): unpacked(row["picture"]) for row in rows}
    notes = {names.get(row["kind"], row["kind"]): f"{_decibels(row['psnr'])} dB" for row in rows}
    return side_by_side(FIELDS[field](), pictures, notes=notes)


def _draw_time(rows: Sequence[dict]):
    from edgewise_experiments.plots.pictures import quality_curves

    groups: dict[str, dict[str, list]] = {}
    for row in rows:
        points = [(seconds, quality) for seconds, quality in row["looks"] if quality is not None]
        groups.setdefault(row["field"], {})[row["kind"]] = points
    ordered = {field: groups[field] for field in FIELDS if field in groups}
    return quality_curves(ordered, ylabel="PSNR (dB)")
