"""Result tables and figures of the experiment on images, from its stored rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from statistics import fmean, stdev

from edgewise_experiments.images.products import PRODUCT_KAN
from edgewise_experiments.images.quality import FIELDS, unpacked
from edgewise_experiments.runner import NO_ROWS, Figure, Outcome, ResultTable, key_figures, latest, repeats

KEY = ("task", "field", "kind", "setting", "size", "given", "seed")
RIVAL = "SIREN"
KANS = (PRODUCT_KAN, "KAN")
QUALITY = ("PSNR", "SSIM")
SHOWN = "camera"  # picture of the figure
NOTES = (
    "Pictures have 128 x 128 pixels with values from 0 to 1: scikit-image's camera, reduced by means of blocks, and a "
    "random field with energy k^-5/3 for wavenumbers 2 to 48. Parameters are all trainable numbers; every kind of "
    "network is as wide as a common limit allows. Seconds are CPU seconds of training, the same for all kinds of a "
    "size. PSNR is in dB, the mean of the seeds with the standard deviation; the figure shows the first seed.",
    "The KAN and the other networks are trained by steps. The product KAN is a sum of products of a function of x and "
    "one of y, solved for by `sparse_on_grid` of the experiments: it keeps the largest products of cosines, or of "
    "piecewise linear functions at several resolutions, whichever leaves the smaller error. Its numbers are the "
    "weights and one more for every 32 products that could have been kept, a bit for each.",
    "A lead is the PSNR of a KAN minus that of SIREN with the same limit of parameters and at most the same CPU "
    "seconds, the mean of the seeds. The key figures count fits (a picture, a size and a seed) with a KAN ahead.",
)


def summary(rows: list[dict]) -> Outcome:
    """Show fits at equal parameters and time, and longer fits."""
    rows = sorted(latest(rows, *KEY), key=_place)
    fits = [row for row in rows if row["task"] in ("fit", "longer")]
    if not fits:
        return NO_ROWS
    columns = ("picture", "parameters", "model", "setting", "steps", "seconds", *QUALITY)
    leads = leads_of(fits)
    tables = (
        key_figures(main_numbers(rows, leads)),
        ResultTable(columns, tuple(model_cells(seeds) for seeds in _repeats(fits)), "Fits"),
        lead_table(leads),
    )
    return Outcome(tuple(table for table in tables if table.rows), NOTES, picture_figures(fits))


def _place(row: Mapping) -> tuple:
    """Place of a row in tables and figures: KANs stand before the others, which stay in their order."""
    kind = KANS.index(row["kind"]) if row["kind"] in KANS else len(KANS)
    return row["task"] == "longer", row["size"], row["field"], kind


def best_row(rows: Sequence[dict], task: str, field: str, kind: str, seed: int) -> dict:
    """Return the row of the setting with the lowest error."""
    candidates = [
        row for row in rows if (row["task"], row["field"], row["kind"], row["seed"]) == (task, field, kind, seed)
    ]
    return max(candidates, key=lambda row: -math.inf if row["psnr"] is None else row["psnr"])


def _repeats(rows: Sequence[dict]) -> list[list[dict]]:
    """Group the seeds of one model for one picture, whatever their settings."""
    return repeats(rows, "task", "field", "kind", "size", "given")


def model_cells(seeds: Sequence[dict]) -> tuple[str, ...]:
    """Return the cells of one model: means of the seeds, and the standard deviation of the PSNR."""
    row = seeds[0]
    settings = dict.fromkeys(_setting_text(each) for each in seeds)
    seconds = row["trained"]
    numbers = (f"{fmean(each['steps'] for each in seeds):,.0f}", f"{seconds:.{0 if seconds >= 1 else 2}f}")
    sizes = dict.fromkeys(f"{each['parameters']:,}" for each in seeds)
    cells = (" or ".join(sizes), row["kind"], " or ".join(settings), *numbers)
    values = [each["psnr"] for each in seeds]
    spread = f" ± {stdev(values):.1f}" if None not in values and len(set(values)) > 1 else ""
    similarity = _mean(each["ssim"] for each in seeds)
    return (
        row["field"],
        *cells,
        _decibels(_mean(values)) + spread,
        "-" if similarity is None else f"{similarity:.3f}",
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean, or None if one of the values is None or there are none."""
    known = list(values)
    return None if None in known or not known else fmean(value for value in known if value is not None)


def _setting_text(row: Mapping) -> str:
    """Describe the setting of a row, as "omega 30, Adam 0.003"."""
    if row["kind"] == PRODUCT_KAN:
        return "solved for"
    setting = row["setting"]
    texts = [f"{name.replace('_', ' ')} {value:g}" for name, value in setting.items() if name != "rate"]
    method = f"Adam {setting['rate']:g}" if setting.get("rate") else "L-BFGS"
    return ", ".join([*texts, method])


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def leads_of(fits: Sequence[dict]) -> list[tuple[dict, float, float]]:
    """List the KANs' rows with their leads in PSNR over SIREN and over the best network of another kind, fit by fit."""
    leads = []
    for fit in repeats(fits, "task", "field", "size", "given", "seed"):
        quality = {row["kind"]: row["psnr"] for row in fit if row["psnr"] is not None}
        if RIVAL in quality:
            best_other = max(value for kind, value in quality.items() if kind not in KANS)
            for row in (row for kind in KANS for row in fit if row["kind"] == kind and kind in quality):
                leads.append((row, row["psnr"] - quality[RIVAL], row["psnr"] - best_other))
    return leads


def lead_table(leads: Sequence[tuple[dict, float, float]]) -> ResultTable:
    """Show the means of the KANs' leads over SIREN for each picture, size and time."""
    groups: dict[tuple, dict[str, list[float]]] = {}
    for row, lead, _ in leads:
        groups.setdefault((row["field"], row["size"], row["given"]), {}).setdefault(row["kind"], []).append(lead)
    kinds = [kind for kind in KANS if any(kind in own for own in groups.values())]
    lines = tuple(
        (
            *(field, f"{size:,}", f"{seconds:g}"),
            *(f"{round(fmean(own[kind]), 1) or 0.0:+.1f}" if kind in own else "-" for kind in kinds),
        )
        for (field, size, seconds), own in groups.items()
    )
    return ResultTable(("picture", "parameters up to", "seconds", *kinds), lines, f"Lead over {RIVAL} in dB")


def main_numbers(rows: Sequence[dict], leads: Sequence[tuple[dict, float, float]]) -> dict[str, str]:
    """Count the fits in which a KAN of each kind is ahead."""
    numbers = {}
    for (task, label), kind in product((("fit", "fits"), ("longer", "longer fits")), KANS):
        own = [(over, over_all) for row, over, over_all in leads if (row["task"], row["kind"]) == (task, kind)]
        if own:
            numbers[f"{label} with the {kind} above {RIVAL}"] = f"{sum(pair[0] > 0 for pair in own)} of {len(own)}"
            if task == "fit":
                ahead = sum(pair[1] > 0 for pair in own)
                numbers[f"fits with the {kind} above every other network"] = f"{ahead} of {len(own)}"
    threads = sorted({row.get("machine", {}).get("threads", 1) for row in rows})
    return numbers | {"seeds": str(len({row["seed"] for row in rows})), "threads": " or ".join(map(str, threads))}


def picture_figures(fits: Sequence[dict]) -> dict[str, Callable[[], Figure]]:
    """Return the figure of the smallest networks: the photograph by each model, from the row of its first seed."""
    fits = [seeds[0] for seeds in _repeats(fits) if "picture" in seeds[0]]
    first_size = min((row["size"] for row in fits), default=0)
    shown = [row for row in fits if (row["task"], row["size"], row["field"]) == ("fit", first_size, SHOWN)]
    return {SHOWN: partial(draw_pictures, SHOWN, shown)} if shown else {}


def draw_pictures(field: str, rows: Sequence[dict]) -> Figure:
    """Draw the original and the picture of every model with its PSNR."""
    from edgewise_experiments.plots.pictures import side_by_side

    named = {row["kind"]: row for row in rows}
    pictures = {name: unpacked(row["picture"]) for name, row in named.items()}
    notes = {name: f"{_decibels(row['psnr'])} dB" for name, row in named.items()}
    return side_by_side(FIELDS[field](), pictures, notes=notes)
