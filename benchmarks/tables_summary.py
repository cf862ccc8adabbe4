"""What the rows of benchmarks/tables.py say: ranks, distances from the best model, seconds; as text and as a figure."""

import statistics
from collections import defaultdict

WITHIN, FAR = 1.0, 5.0  # points from the best that count as equal to it, and as far behind


def scores(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Mean score in points of each model on each table, over the same folds for all.

    These are the folds in which the most models were fitted; a model that lacks one of them is left out of the table.
    """
    found = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["table"]][row["fold"]][row["model"]] = row["score"]
    result = {}
    for table, folds in found.items():
        models = set(folds[max(folds, key=lambda fold: (len(folds[fold]), -fold))])
        kept = [by_model for by_model in folds.values() if models <= set(by_model)]
        values = {model: [by_model[model] for by_model in kept] for model in models}
        result[table] = {model: 100 * statistics.fmean(own) for model, own in values.items() if None not in own}
    return {table: points for table, points in result.items() if points}


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


def statistics_of(rows: list[dict]) -> list[dict]:
    """One entry a model, in the order of mean ranks."""
    table_scores = scores(rows)
    result = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [points for points in table_scores.values() if model in points]
        gaps = [behind(points)[model] for points in own]
        seconds = [row["seconds"] for row in rows if row["model"] == model and row.get("seconds") is not None]
        if not own:
            continue
        entry = {
            "model": model,
            "tables": len(own),
            "rank": statistics.fmean(ranks(points)[model] for points in own),
            "best": sum(gap == 0 for gap in gaps),
            "within": sum(gap <= WITHIN for gap in gaps),
            "far": sum(gap > FAR for gap in gaps),
            "most": max(gaps),
            "mean": statistics.fmean(gaps),
            "median seconds": statistics.median(seconds),
            "most seconds": max(seconds),
            "failed": sum(row["score"] is None for row in rows if row["model"] == model),
        }
        result.append(entry)
    return sorted(result, key=lambda entry: entry["rank"])


def text(rows: list[dict]) -> str:
    """Two tables in Markdown: one line a model, one line a table."""
    if not rows:
        return "There are no rows."
    heads = (
        f"| model | mean rank | best on | within {WITHIN:g} point | over {FAR:g} behind | most behind | mean behind |"
    )
    lines = [heads + " median s | most s | failed |", "|---" + "|---:" * 9 + "|"]
    for entry in statistics_of(rows):
        lines.append(
            f"| {entry['model']} | {entry['rank']:.2f} | {entry['best']} | {entry['within']} of {entry['tables']} | "
            f"{entry['far']} | {entry['most']:.1f} | {entry['mean']:.2f} | {entry['median seconds']:.2f} | "
            f"{entry['most seconds']:.1f} | {entry['failed']} |"
        )
    models = [entry["model"] for entry in statistics_of(rows)]
    lines += ["", f"| table | rows x columns | {' | '.join(models)} |", "|---|---:" + "|---:" * len(models) + "|"]
    for table, points in scores(rows).items():
        row = next(row for row in rows if row["table"] == table)
        best = max(points.values())
        cells = ["-" if model not in points else f"{points[model]:.1f}" for model in models]
        cells = [
            f"**{cell}**" if points.get(model) == best else cell for model, cell in zip(models, cells, strict=True)
        ]
        lines.append(f"| {table} | {sum(row['rows']):,} x {row['columns']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: list[dict], path) -> None:
    """Draw the points behind the best by table, and the mean rank and seconds of each model."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    table_scores = scores(rows)
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
    for entry in statistics_of(rows):
        model = entry["model"]
        right.plot(entry["median seconds"], entry["rank"], marks[model], color=colours[model], markersize=8)
        right.annotate(
            model, (entry["median seconds"], entry["rank"]), textcoords="offset points", xytext=(8, -3), fontsize=9
        )
    right.set_xscale("log")
    right.margins(x=0.35, y=0.1)
    right.set_xlabel("median CPU seconds of a fit")
    right.set_ylabel("mean rank, 1 is best")
    right.invert_yaxis()
    right.grid(color="0.92", linewidth=0.6)
    figure.savefig(path)
    pyplot.close(figure)
