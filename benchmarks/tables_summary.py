"""Summary of the rows of tables.py: ranks, distances from the best model, seconds; as text and as a figure."""

import re
import statistics
import textwrap
from collections import defaultdict

from edgewise_experiments.runner.store import RESULTS, Store

WITHIN, NEAR, FAR = 1.0, 2.0, 5.0  # points from the best that count as equal to it, as near it, and as far behind
# A model of the key that was given up after its limit of seconds has the scores of the other one instead.
SUBSTITUTES = {"EBM": "small EBM"}
LEVEL_RANKS = 0.08  # mean ranks whose difference the height of a name covers in the figure


def read(half: str) -> list[dict]:
    """Return the stored rows of a half, "open" or "unopened"."""
    name = f"collection-{half}"
    return Store(RESULTS / f"{name}.json").beside(name)


def stored(half: str, each_table: bool = True) -> str:
    """Return the text about the stored rows of a half with the first seed, for the page of these tables."""
    return text([row for row in read(half) if row["seed"] == 0], each_table)


def made_up(each_table: bool = True) -> str:
    """Return the tables of the last fits of `tables_friedman.py` by the KAN, or the first two, for the same page."""
    rows = Store(RESULTS / "friedman.json").beside("friedman")
    last = {row.get("what", row.get("rows")): row for row in rows if row["model"] == "KAN"}.values()
    functions = [row for row in last if "rows" in row]
    smooth = [row for row in last if "relative rmse" in row]
    copies = [row for row in last if "r2 of the function" in row]
    noise = [row for row in last if "gain of noise" in row]
    parts = (
        markdown(
            "rows of Friedman's function",
            ("R²", "CPU seconds", "MiB"),
            functions,
            lambda row: (f"{row['rows']:,}", f"{row['r2']:.4f}", f"{row['seconds']:.1f}", f"{row['peak_mib']:,}"),
        ),
        markdown(
            "smooth function",
            ("relative RMSE", "CPU seconds"),
            smooth,
            lambda row: (
                f"`{row['what'].removesuffix(', 3,000 points')}`",
                f"{row['relative rmse']:.1e}",
                f"{row['seconds']:.1f}",
            ),
        ),
        markdown(
            "copies and weights",
            ("R² of the function",),
            copies,
            lambda row: (row["what"], f"{row['r2 of the function']:.4f}"),
        ),
        markdown(
            "discrete columns",
            ("gain in log loss by a column of noise", "standard error"),
            noise,
            lambda row: (
                row["what"].removesuffix(", a column of noise"),
                f"{row['gain of noise']:+.4f}",
                f"{row['error of the gain']:.4f}",
            ),
        ),
    )
    return "\n\n".join(parts if each_table else parts[:2]) + "\n"


def markdown(first: str, others, rows, cells) -> str:
    """Return a table with a line for each row."""
    lines = [(first, *others), ("---", *("---:" for _ in others)), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_substitutes(rows: list[dict]) -> list[dict]:
    """Give fits that ended without a score the score of a smaller model of their kind, and leave that model out.

    The seconds of such a row stay those after which the fit was given up.
    """
    known = {(row["table"], row["fold"], row["model"], row["seed"]): row for row in rows}
    kept = []
    for row in rows:
        key = row["table"], row["fold"], row["seed"]
        if row["model"] in SUBSTITUTES.values():
            model = next(model for model, smaller in SUBSTITUTES.items() if smaller == row["model"])
            full = known.get((*key[:2], model, row["seed"]))
            if full is None or full["score"] is None:
                seconds = None if full is None else full.get("seconds")
                kept.append({**row, "model": model, "seconds": seconds, "substitute": True})
        elif not (row["score"] is None and (*key[:2], SUBSTITUTES.get(row["model"]), row["seed"]) in known):
            kept.append(row)
    return kept


def scores(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Mean score in points of each model on each table, over the same folds for all.

    These are the folds in which the most models were fitted; a model that lacks one of them is left out of the table.
    """
    found = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row["score"] is not None:
            found[row["table"]][row["fold"]][row["model"]] = row["score"]
    result = {}
    for table, folds in found.items():
        models = set(folds[max(folds, key=lambda fold: (len(folds[fold]), -fold))])
        kept = [by_model for by_model in folds.values() if models <= set(by_model)]
        result[table] = {model: 100 * statistics.fmean(by_model[model] for by_model in kept) for model in models}
    return result


def behind(points: dict[str, float]) -> dict[str, float]:
    best = max(points.values())
    return {model: best - value for model, value in points.items()}


def ranks(points: dict[str, float]) -> dict[str, float]:
    """Rank of each model; equal scores share their places."""
    values = points.values()
    return {
        model: sum(other > value for other in values) + (sum(other == value for other in values) + 1) / 2
        for model, value in points.items()
    }


def seconds_of(row: dict) -> float | None:
    """CPU seconds of a fit, or the limit at which it was given up."""
    given_up = re.match(r"more than ([\d.]+) CPU seconds", row.get("error") or "")
    return float(given_up[1]) if given_up else row.get("seconds")


def statistics_of(rows: list[dict]) -> list[dict]:
    """One entry a model, in the order of mean ranks."""
    table_scores = scores(with_substitutes(rows))
    found = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if (seconds := seconds_of(row)) is not None and row["model"] not in SUBSTITUTES.values():
            found[row["model"]][row["table"]].append(seconds)
    result = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [points for points in table_scores.values() if model in points]
        gaps = [behind(points)[model] for points in own]
        seconds = [statistics.fmean(values) for values in found[model].values()]
        if not own or not seconds:
            continue
        entry = {
            "model": model,
            "tables": len(own),
            "rank": statistics.fmean(ranks(points)[model] for points in own),
            "best": sum(gap == 0 for gap in gaps),
            "within": sum(gap <= WITHIN for gap in gaps),
            "near": sum(gap <= NEAR for gap in gaps),
            "far": sum(gap > FAR for gap in gaps),
            "most": max(gaps),
            "mean": statistics.fmean(gaps),
            "median": statistics.median(gaps),
            "median seconds": statistics.median(seconds),
            "most seconds": max(seconds),
        }
        result.append(entry)
    return sorted(result, key=lambda entry: entry["rank"])


def text(rows: list[dict], each_table: bool = True) -> str:
    """Tables in Markdown, one line a model and one line a table, and what is to be known about them."""
    if not rows:
        return "There are no rows."
    entries = statistics_of(rows)
    lines = [
        f"| model | mean rank | best on | within {WITHIN:g} point | within {NEAR:g} | over {FAR:g} behind | "
        "most behind | median behind | median s | most s |",
        "| --- |" + " ---: |" * 9,
    ]
    for entry in entries:
        lines.append(
            f"| {entry['model']} | {entry['rank']:.2f} | {entry['best']} | {entry['within']} of {entry['tables']} | "
            f"{entry['near']} of {entry['tables']} | {entry['far']} | {entry['most']:.1f} | {entry['median']:.2f} | "
            f"{entry['median seconds']:.2f} | {entry['most seconds']:.1f} |"
        )
    if not each_table:
        each = (
            "`make bench-tables BENCH=--summary` prints, and the site shows, the score of each model on each table.\n"
        )
        return "\n".join([*lines, "", each, *notes(rows)[1:2], *notes(rows)[-1:]])
    models = [entry["model"] for entry in entries]
    lines += ["", f"| table | rows x columns | {' | '.join(models)} |", "| --- | ---: |" + " ---: |" * len(models)]
    smaller = {row["table"] for row in with_substitutes(rows) if row.get("substitute")}
    for table, points in sorted(scores(with_substitutes(rows)).items()):
        row = next(row for row in rows if row["table"] == table)
        best = max(points.values())
        cells = []
        for model in models:
            cell = "-" if model not in points else f"{points[model]:.1f}"
            cell = f"**{cell}**" if points.get(model) == best else cell
            cells.append(f"{cell}*" if model in SUBSTITUTES and model in points and table in smaller else cell)
        lines.append(f"| {table} | {sum(row['rows']):,} x {row['columns']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes(rows)])


def notes(rows: list[dict]) -> list[str]:
    """Sentences about fits that were given up and about the seconds of KAN and EBM."""
    result = [
        "Points of R² or accuracy on test rows, means over folds that all models have. Equal scores share their ranks; "
        "models are ranked where they were fitted. Seconds are CPU seconds of one fit with all its choices: means over "
        "the folds of a table, then the median and the largest over the tables."
    ]
    failed = [row for row in rows if row["score"] is None and row["model"] not in SUBSTITUTES]
    if failed:
        texts = "; ".join(f"{row['model']} on {row['table']}, {row['error']}" for row in failed)
        result.append(f"Fits without a score: {texts}.")
    full = {(row["table"], row["fold"]): row for row in rows if row["model"] == "EBM"}
    small = {(row["table"], row["fold"]): row for row in rows if row["model"] == "small EBM"}
    kan = {(row["table"], row["fold"]): row for row in rows if row["model"] == "KAN"}
    given_up = [row for row in full.values() if row["score"] is None]
    replaced = {key for key, row in small.items() if key not in full or full[key]["score"] is None}
    if replaced:
        limits = sorted({f"{seconds_of(row):g}" for row in given_up})
        sentence = f"EBM has its real defaults in {len(full) - len(given_up)} fits. "
        if given_up:
            sentence += (
                f"{len(given_up)} more were given up after {' or '.join(limits)} CPU seconds, which count as theirs. "
            )
        result.append(
            f"{sentence}Tables marked * have, in {len(replaced)} fits, the score of a smaller EBM, with 4 bags and "
            "1,000 rounds in place of 14 and 50,000."
        )
    both = [key for key, row in small.items() if (full.get(key) or {"score": None})["score"] is not None]
    if both:
        gains = [100 * (full[key]["score"] - small[key]["score"]) for key in both]
        result.append(
            f"Where both were fitted ({len(both)} fits), the defaults are better than the smaller EBM by "
            f"{statistics.fmean(gains):.2f} points in the mean, from {min(gains):.2f} to {max(gains):.2f}."
        )
    pairs = [(seconds_of(kan[key]), seconds_of(row)) for key, row in full.items() if key in kan]
    ratios = [other / own for own, other in pairs if own and other]
    if ratios:
        result.append(
            f"In the same fold EBM takes {statistics.median(ratios):.0f} times the CPU seconds of the KAN "
            f"(median of {len(ratios)} fits, at least so many where EBM was given up)."
        )
    return [textwrap.fill(note, 120, break_on_hyphens=False) + "\n" for note in result]


def draw(rows: list[dict], path) -> None:
    """Draw the points behind the best by table, and the mean rank and seconds of each model."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    table_scores = scores(with_substitutes(rows))
    order = [entry["model"] for entry in statistics_of(rows)]
    marks = dict(zip(order, "osD^vP<X>", strict=False))
    colours = {model: f"C{k}" for k, model in enumerate(sorted(order))}
    names = sorted(table_scores, key=lambda table: behind(table_scores[table]).get("KAN", 0.0))
    most = 10.0
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 0.24 * len(names) + 1.6), width_ratios=(2, 1), layout="constrained"
    )
    left.axvspan(0, WITHIN, color="0.93", zorder=0)
    for model in order:
        own = [(behind(table_scores[name])[model], k) for k, name in enumerate(names) if model in table_scores[name]]
        left.plot(
            [min(gap, most) for gap, _ in own],
            [k for _, k in own],
            linestyle="none",
            marker=marks[model],
            markersize=7 if model == "KAN" else 5,
            color=colours[model],
            alpha=1.0 if model == "KAN" else 0.6,
            zorder=3 if model == "KAN" else 2,
            label=model,
        )
    left.set_yticks(range(len(names)), names, fontsize=8)
    left.set_xlim(-0.3, most + 0.3)
    left.set_xticks(range(0, 11, 2), [*map(str, range(0, 10, 2)), "10 or more"])
    left.set_xlabel("points of R² or accuracy behind the best model")
    left.grid(axis="y", color="0.9", linewidth=0.6)
    left.legend(
        fontsize=8,
        ncols=len(order),
        loc="lower center",
        bbox_to_anchor=(0.4, 1.0),
        frameon=False,
        handletextpad=0.1,
        columnspacing=0.9,
    )
    entries = statistics_of(rows)
    for entry in entries:
        model = entry["model"]
        place = entry["median seconds"], entry["rank"]
        right.plot(*place, marks[model], color=colours[model], markersize=8)
        # Of two models of one rank, the faster one has its name on the left.
        is_left = any(
            abs(other["rank"] - entry["rank"]) < LEVEL_RANKS and other["median seconds"] > entry["median seconds"]
            for other in entries
        )
        offset, side = ((-8, -3), "right") if is_left else ((8, -3), "left")
        right.annotate(model, place, textcoords="offset points", xytext=offset, ha=side, fontsize=9)
    right.set_xscale("log")
    right.margins(x=0.35, y=0.1)
    right.set_xlabel("median CPU seconds of a fit")
    right.set_ylabel("mean rank, 1 is best")
    right.invert_yaxis()
    right.grid(color="0.92", linewidth=0.6)
    figure.savefig(path)
    pyplot.close(figure)
