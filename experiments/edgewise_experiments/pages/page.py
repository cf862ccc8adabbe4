"""One self-contained HTML page about all experiments, and the table of claims for results/README.md.

Every experiment gets a section: its command, its sentences, its tables and its figures, in one type size whether a
number wins or falls short. No scripts and no other files.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from edgewise.files import write_bytes
from edgewise_experiments import load_experiment
from edgewise_experiments.pages.claims import CLAIMS, seconds_said
from edgewise_experiments.runner.outcome import Outcome, ResultTable

TITLE = "The KAN paper's claims, run again"
HEADS = ("claim", "command", "paper", "ours", "seconds")


@dataclass(frozen=True)
class Section:
    """An experiment: its name, the first sentence of its docstring, and what it gave."""

    name: str
    sentence: str
    outcome: Outcome


def claim_lines(stored: Mapping[str, list[dict]]) -> list[tuple[str, ...]]:
    """A line for each claim, under `HEADS`. stored: rows by experiment; without rows a claim says so."""
    lines = []
    for claim in CLAIMS:
        rows = stored.get(claim.experiment, [])
        beside = getattr(load_experiment(claim.experiment), "ALSO", ())
        ours = claim.ours([*rows, *(row for name in beside for row in stored.get(name, []))]) if rows else "not run yet"
        command = f"edgewise reproduce {claim.experiment}"
        lines.append((claim.text, command, claim.paper, ours, seconds_said(rows)))
    return lines


def claims_markdown(stored: Mapping[str, list[dict]], figures: Sequence[str] = ()) -> str:
    """results/README.md: the table of claims, and the figures, whose files have these names."""
    lines = [
        "# Results",
        "",
        "Written by `python tools/results_readme.py` from the JSON files here, each of whose rows has seed, commit, "
        "machine and seconds. `edgewise reproduce NAME --out results` makes the missing rows and draws the figures, "
        "`edgewise reproduce --all --quick --out DIR` runs a little of everything and writes one page, DIR/index.html. "
        "Seconds are those of the CPU where a row has them, else of the clock, all rows together. Tables of each "
        "experiment stand in [docs/measured.md](../docs/measured.md).",
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
    """Writes the page, whole or not at all. stored: rows by experiment, for the claims. Raises FileError."""
    write_bytes(path, page(sections, stored, quick=quick).encode("utf-8"))


def page(sections: Sequence[Section], stored: Mapping[str, list[dict]], *, quick: bool) -> str:
    """The page as HTML: a list of sections, the claims, and the sections in the order of the claims."""
    claims = _claims(claim_lines(stored))
    order = list(dict.fromkeys(claim.experiment for claim in CLAIMS))
    sections = sorted(sections, key=lambda each: order.index(each.name) if each.name in order else len(order))
    links = ", ".join(f'<a href="#s{n}">{_text(section.name)}</a>' for n, section in enumerate(sections, start=1))
    body = [f'<nav><p><a href="#claims">Claims</a>, {links}</p></nav>']
    body += [f'<section>\n<h2 id="claims">Claims</h2>\n{claims}\n</section>']
    body += [_section(number, section) for number, section in enumerate(sections, start=1)]
    said = (
        "A quick run: a few problems, small budgets. It shows that everything runs; the numbers are not the results."
        if quick
        else "Full runs; every number comes from the stored rows."
    )
    template = Template((files("edgewise.report") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=TITLE, opening=f'<p class="abstract">{said}</p>', body="\n".join(body))


def _section(number: int, section: Section) -> str:
    from edgewise.report.vector import inline_svg

    outcome = section.outcome
    parts = [f"<p>{_text(section.sentence)}</p>", f"<pre><code>edgewise reproduce {section.name}</code></pre>"]
    parts += [_table(table) for table in outcome.tables if table.rows]
    parts += [f"<p>{_text(note)}</p>" for note in outcome.notes]
    for name, draw in outcome.figures.items():
        drawing = inline_svg(draw(), f"f{number}-{name}", f"{section.name}: {name}")
        caption = f"<figcaption><b>{_text(section.name)}</b>: {_text(name)}</figcaption>"
        parts.append(f"<figure>\n<div>{drawing}</div>\n{caption}\n</figure>")
    inner = "\n".join(parts)
    return f'<section aria-labelledby="s{number}">\n<h2 id="s{number}">{_text(section.name)}</h2>\n{inner}\n</section>'


def _claims(lines: Sequence[tuple[str, ...]]) -> str:
    """The claims as a table of words, each with its command below."""
    words, top = f'{_WORDS[:-1]}; vertical-align:top"', 'style="vertical-align:top"'
    head = "".join(f'<th scope="col" style="text-align:left">{_text(each)}</th>' for each in HEADS if each != HEADS[1])
    body = "\n".join(
        f'<tr><th scope="row" {words}>{_text(claim)}<br><code>{_text(command)}</code></th>'
        f"<td {words}>{_text(paper)}</td><td {words}>{_text(ours)}</td><td {top}>{_text(seconds)}</td></tr>"
        for claim, command, paper, ours, seconds in lines
    )
    widths = "".join(f'<col style="width:{width}%">' for width in (26, 24, 41, 9))
    return (
        f"<table>\n<colgroup>{widths}</colgroup>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


# Columns of words may wrap; numbers stay on one line as the template has it.
_WORDS = 'style="white-space:normal; text-align:left"'


def _table(table: ResultTable) -> str:
    words = [max(map(len, column), default=0) > 24 for column in zip(*table.rows, strict=True)] if table.rows else []
    styles = ["", *(f" {_WORDS}" if long else "" for long in words[1:])]
    head = "".join(
        f'<th scope="col"{style}>{_text(column)}</th>' for column, style in zip(table.columns, styles, strict=True)
    )
    body = "\n".join(f"<tr>{_row(row, styles)}</tr>" for row in table.rows)
    caption = f"<caption>{_text(table.title)}</caption>\n" if table.title else ""
    return (
        f'<div class="wide"><table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )


def _row(cells: Sequence[str], styles: Sequence[str]) -> str:
    rest = (f"<td{style}>{_text(cell)}</td>" for cell, style in zip(cells[1:], styles[1:], strict=True))
    return f'<th scope="row">{_text(cells[0])}</th>{"".join(rest)}'


def _text(value: str) -> str:
    return html.escape(value)
