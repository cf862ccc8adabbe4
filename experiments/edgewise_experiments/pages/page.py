"""The table of claims for results/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise_experiments import load_experiment
from edgewise_experiments.pages.claims import CLAIMS, total_seconds

HEADS = ("claim", "command", "paper", "ours", "seconds")


def claim_lines(stored: Mapping[str, list[dict]]) -> list[tuple[str, ...]]:
    """Return a line for each claim, under `HEADS`, from the rows by experiment."""
    lines = []
    for claim in CLAIMS:
        rows = stored.get(claim.experiment, [])
        others = getattr(load_experiment(claim.experiment), "ALSO", ())
        ours = claim.ours([*rows, *(row for name in others for row in stored.get(name, []))]) if rows else "not run yet"
        command = f"python -m edgewise_experiments {claim.experiment}"
        lines.append((claim.text, command, claim.paper, ours, total_seconds(rows)))
    return lines


# Commits of stored rows that are not in the history, and those in it that hold the same changes.
MOVED = {
    "17ef26e8": "8325e704",
    "31869e24": "99a7bb91",
    "77ccb77a": "bc82094e",
    "1739f9f6": "9186b007",
    "c0be7b5c": "219b5c1c",
    "ee995c5c": "249e4a63",
    "1961fd72": "9b081590",
}


def claims_markdown(stored: Mapping[str, list[dict]], figures: Sequence[str] = ()) -> str:
    """Return the text of results/README.md: the table of claims, and the figures with these file names."""
    lines = [
        "# Results",
        "",
        "Made by `python tools/results_readme.py` from the JSON files in this folder, which hold the rows of "
        "experiments and benchmarks, each with seed, commit, machine and seconds. `python -m edgewise_experiments "
        "NAME --out results` measures the missing rows and draws the figures. The column "
        "*ours* quotes the key figures of the experiment, whose tables are in "
        "[docs/measured](../docs/measured/index.md). Seconds are the CPU seconds of all rows together, or wall "
        "seconds where a row has no others.",
        "",
        "Some rows were measured on commits that were moved onto a newer base before they were published. The history "
        f"has the same changes under other names: {', '.join(f'{old} is {new}' for old, new in MOVED.items())}. Of two "
        "more, 17c955fc (ablation, coverage) and 7ec6aff4 (noise), only the rows are kept.",
        "",
        f"| {' | '.join(HEADS)} |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for claim, command, *rest in claim_lines(stored):
        cells = (cell.replace("|", "\\|") for cell in (claim, f"`{command}`", *rest))
        lines.append(f"| {' | '.join(cells)} |")
    if figures:
        lines += ["", "## Figures"]
    for name in figures:
        lines += ["", f"![{name.removesuffix('.svg')}]({name})"]
    return "\n".join(lines) + "\n"
