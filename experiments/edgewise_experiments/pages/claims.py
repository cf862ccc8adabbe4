"""The table of claims for results/README.md: the KAN paper's numbers (data/claims.toml), and ours from stored rows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from edgewise_experiments import load_experiment

FEW = "too few rows"
HEADS = ("claim", "experiment", "paper", "ours", "seconds")


@dataclass(frozen=True)
class Claim:
    """A claim, the experiment that measures it, and the key figures that it quotes."""

    text: str
    experiment: str
    quotes: Sequence[str]
    paper: str = "not in the paper"

    def ours(self, rows: list[dict]) -> str:
        """Quote the key figures that are known."""
        figures = load_experiment(self.experiment).summary(rows).key_figures
        known = [f"{quantity}: {figures[quantity]}" for quantity in self.quotes if figures.get(quantity, "-") != "-"]
        return "; ".join(known) or FEW


_TEXT = resources.files("edgewise_experiments.data").joinpath("claims.toml").read_text(encoding="utf-8")
CLAIMS = tuple(Claim(**claim) for claim in tomllib.loads(_TEXT)["claims"])


def total_seconds(rows: Sequence[dict]) -> str:
    """Return the CPU seconds of all rows together as text, with wall seconds for rows that have no others."""
    if not rows:
        return "-"
    return f"{sum(row.get('cpu_seconds', row.get('seconds', 0.0)) for row in rows):,.0f}"


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
