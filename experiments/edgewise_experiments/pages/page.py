"""The table of claims for results/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise_experiments import load_experiment
from edgewise_experiments.pages.claims import CLAIMS, total_seconds

HEADS = ("claim", "experiment", "paper", "ours", "seconds")


def claim_lines(stored: Mapping[str, list[dict]]) -> list[tuple[str, ...]]:
    """Return a line for each claim, under `HEADS`, from the rows by experiment."""
    lines = []
    for claim in CLAIMS:
        rows = stored.get(claim.experiment, [])
        others = getattr(load_experiment(claim.experiment), "ALSO", ())
        ours = claim.ours([*rows, *(row for name in others for row in stored.get(name, []))]) if rows else "not run yet"
        lines.append((claim.text, claim.experiment, claim.paper, ours, total_seconds(rows)))
    return lines


def claims_markdown(stored: Mapping[str, list[dict]], figures: Sequence[str] = ()) -> str:
    """Return the text of results/README.md: the table of claims, and the figures with these file names."""
    lines = [
        "# Results",
        "",
        "Made by `python tools/results_readme.py` from the JSON files in this folder, the rows of experiments and "
        "benchmarks, each with seed, commit, machine and seconds. `python -m edgewise_experiments NAME --out results` "
        "measures the missing rows of an experiment and draws its figures; [docs/measured](../docs/measured/index.md) "
        "has its tables. The column *ours* quotes its key figures; seconds are the CPU seconds of all rows together, "
        "or wall seconds where a row has no others. Of some rows of tables and noise the commit was moved onto a newer "
        "base before it was published, so that the history does not hold it.",
        "",
        f"| {' | '.join(HEADS)} |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for claim, name, *rest in claim_lines(stored):
        cells = (cell.replace("|", "\\|") for cell in (claim, f"`{name}`", *rest))
        lines.append(f"| {' | '.join(cells)} |")
    if figures:
        lines += ["", "## Figures"]
    for name in figures:
        lines += ["", f"![{name.removesuffix('.svg')}]({name})"]
    return "\n".join(lines) + "\n"
