"""One self-contained HTML page about all experiments, and the table of claims for results/README.md.

Every experiment has a section with its command, tables, notes and figures, in one type size whatever the result. The
page has no scripts and needs no other files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from edgewise.files import write_bytes
from edgewise_experiments import load_experiment
from edgewise_experiments.pages.claims import CLAIMS, total_seconds
from edgewise_experiments.pages.marking import html_cell, html_text
from edgewise_experiments.runner.outcome import Outcome, ResultTable

TITLE = "The KAN paper's claims, run again"
HEADS = ("claim", "command", "paper", "ours", "seconds")


@dataclass(frozen=True)
class Section:
    """An experiment: its name, the first sentence of its docstring, and its outcome."""

    name: str
    sentence: str
    outcome: Outcome


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
        "NAME --out results` measures the missing rows and draws the figures; `python -m edgewise_experiments "
        "--all --quick --out DIR` runs a little of everything and writes one page, DIR/index.html. The column "
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


def write_page(
    path: str | os.PathLike[str], sections: Sequence[Section], stored: Mapping[str, list[dict]], *, quick: bool
) -> None:
    """Write the page, whole or not at all, from the sections and, for the claims, the rows by experiment."""
    write_bytes(path, page(sections, stored, quick=quick).encode("utf-8"))


def page(sections: Sequence[Section], stored: Mapping[str, list[dict]], *, quick: bool) -> str:
    """Return the page as HTML: a list of sections, the claims, and the sections in the order of the claims."""
    claims = _claims_table(claim_lines(stored))
    order = list(dict.fromkeys(claim.experiment for claim in CLAIMS))
    sections = sorted(sections, key=lambda each: order.index(each.name) if each.name in order else len(order))
    links = ", ".join(f'<a href="#s{n}">{escape(section.name)}</a>' for n, section in enumerate(sections, start=1))
    body = [_STYLE, f'<nav><p><a href="#claims">Claims</a>, {links}</p></nav>']
    body += [f'<section>\n<h2 id="claims">Claims</h2>\n{claims}\n</section>']
    body += [_section(number, section) for number, section in enumerate(sections, start=1)]
    opening = (
        "A quick run: a few problems with small budgets. It shows that all runs; its numbers are not the results."
        if quick
        else "Full runs. Every number comes from the stored rows."
    )
    template = Template((files("edgewise.report") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=TITLE, opening=f'<p class="abstract">{opening}</p>', body="\n".join(body))


def _section(number: int, section: Section) -> str:
    from edgewise.report.vector import inline_svg

    outcome = section.outcome
    parts = [
        f"<p>{html_text(section.sentence)}</p>",
        f"<pre><code>python -m edgewise_experiments {section.name}</code></pre>",
    ]
    parts += [_table(table) for table in outcome.tables if table.rows]
    parts += [f"<p>{html_text(note)}</p>" for note in outcome.notes]
    for name, draw in outcome.figures.items():
        drawing = inline_svg(draw(), f"f{number}-{name}", f"{section.name}: {name}")
        caption = f"<figcaption><b>{escape(section.name)}</b>: {escape(name)}</figcaption>"
        parts.append(f"<figure>\n<div>{drawing}</div>\n{caption}\n</figure>")
    inner = "\n".join(parts)
    return f'<section aria-labelledby="s{number}">\n<h2 id="s{number}">{escape(section.name)}</h2>\n{inner}\n</section>'


def _claims_table(lines: Sequence[tuple[str, ...]]) -> str:
    """Return the claims as an HTML table of words, each with its command below; on a narrow page each is a block."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in HEADS if each != HEADS[1])
    body = "\n".join(
        f'<tr><th scope="row">{html_text(claim)}<br><code>{escape(command)}</code></th>'
        + "".join(
            f'<td data-head="{escape(name)}">{html_text(cell)}</td>'
            for name, cell in zip(HEADS[2:], (paper, ours, seconds), strict=True)
        )
        + "</tr>"
        for claim, command, paper, ours, seconds in lines
    )
    widths = "".join(f'<col style="width:{width}%">' for width in (28, 23, 41, 8))
    return (
        f'<table class="claims">\n<colgroup>{widths}</colgroup>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


# What this page adds to the style of the report: tables may be wider than text, and formulas keep a readable width.
_STYLE = """<style>
main { max-width: 66rem; }
h1, p, pre { max-width: 45rem; }
.claims th, .claims td { white-space: normal; text-align: left; vertical-align: top; }
.claims tbody tr > * { border-bottom: 0.75px solid var(--hair); padding: 0.55rem 0.6rem; }
.claims td:last-child, .claims thead th:last-child { text-align: right; }
.wide tbody th:has(code), .wide td:has(code) { min-width: 17rem; }
@media screen and (max-width: 40rem) {
  .claims thead, .claims colgroup { display: none; }
  .claims tr { display: block; padding: 0.6rem 0; border-bottom: 0.75px solid var(--line); }
  .claims tbody tr > * { display: block; border: 0; padding: 0.1rem 0; }
  .claims td:last-child { text-align: left; }
  .claims td::before { content: attr(data-head) ": "; color: var(--soft); font-style: italic; }
  .claims tbody th { font-weight: 600; }
  .wide tbody th:has(code), .wide td:has(code) { min-width: 11rem; }
}
</style>"""


# Columns of words may wrap; numbers stay on one line, as in the template.
_WORDS = 'style="white-space:normal; text-align:left"'


def _table(table: ResultTable) -> str:
    styles = ["", *("" if is_number else f" {_WORDS}" for is_number in table.number_columns()[1:])]
    head = "".join(
        f'<th scope="col"{style}>{escape(column)}</th>' for column, style in zip(table.columns, styles, strict=True)
    )
    body = "\n".join(
        f'<tr><th scope="row">{html_cell(row[0])}</th>'
        + "".join(f"<td{style}>{html_cell(cell)}</td>" for cell, style in zip(row[1:], styles[1:], strict=True))
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.title)}</caption>\n" if table.title else ""
    return (
        f'<div class="wide"><table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )
