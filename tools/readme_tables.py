"""Writes the generated tables of README.md, the paper and pages in docs from the stored results.

python tools/readme_tables.py

Between `<!-- table:NAME -->` and `<!-- end -->` stand the key figures of results/NAME.json, NAME being an experiment,
and its table, if both are short; on the site also its other tables and the notes of its module about them. "speed",
"scale", "tables-HALF" and "friedman" are tables of benchmarks, "pykan-tutorials" of a tool, "summary" has the key
figures that are listed here, "pages" links to all pages. No number there is typed by hand. Everything else on the
pages is written by hand.
tests/test_readme.py fails when page and results differ.
"""

import re
import runpy
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgewise_experiments.pages.marking import markdown_cell
from edgewise_experiments.pages.stored import stored_outcome
from edgewise_experiments.runner.outcome import ResultTable
from edgewise_experiments.runner.store import Store

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *(ROOT / name for name in ("README.md", "paper/paper.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("speed", "scale", "from-pykan")),
    *sorted((ROOT / "docs" / "measured").glob("*.md")),
)
# Lines of the table in README.md: what was compared, the experiment, and a sentence of its key figures.
SUMMARY = (
    (
        "Real tables, defaults, beside linear models, EBM, pyGAM, MLP and boosting",
        "tables",
        "within a percentage point of the best on {tables on which the KAN is within a point of the best}; average "
        "rank {average rank of the KAN among all models}, the best other has {best average rank of another model}",
    ),
    (
        "Signatures of knots, beside MLPs of equal size, at each of several sizes",
        "knots",
        "accuracy {17 inputs: gap of KAN to MLP in points} percentage points with all 17 inputs, and "
        "{3 inputs: gap of KAN to MLP in points} with 3 of them",
    ),
    (
        "Smooth functions without noise, beside MLPs with second-order training",
        "mlp-comparison",
        "lower error on {functions for which the KAN's error is lower}; median {median of times lower} times lower",
    ),
    (
        "Noisy laws, beside boosting, an MLP and a smoothing spline",
        "noise",
        "lowest error on {equations for which the KAN has the lowest error}; 90 % intervals cover "
        "{coverage of the 90 % intervals}",
    ),
    (
        "Differential equations with the defaults of `solve`",
        "pde-table",
        "requested error reached on {problems that reach the requested error}",
    ),
    (
        "Blocks of a small language model, beside MLPs",
        "language",
        "loss {equal time, cpu: KAN minus MLP} nats a character at equal time: the MLP is better",
    ),
)
SHORT = 14  # rows of the key figures and the first table up to which a page in the repository shows both
LONG_TABLE = 16  # rows above which a table stands on the site alone, folded (about half a screen)
KEY_FIGURES = "Key figures"  # title of the table that is never folded
BLOCK = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str, *, long_tables: bool = False) -> str:
    """Return the text of a page with its blocks made anew from the results; the site shows long tables too."""
    return BLOCK.sub(lambda block: f"{block[1]}{_tables_and_notes(block[2], long_tables)}{block[3]}", page)


def _tables_and_notes(name: str, long_tables: bool) -> str:
    if name == "speed":
        return runpy.run_path(str(ROOT / "benchmarks" / "summary.py"))["markdown"]()
    if name.startswith("tables-"):
        half = name.removeprefix("tables-")
        return runpy.run_path(str(ROOT / "benchmarks" / "tables_summary.py"))["stored"](half, each_table=long_tables)
    if name == "scale":
        return runpy.run_path(str(ROOT / "benchmarks" / "scale.py"))["stored"]() + "\n"
    if name == "friedman":
        return runpy.run_path(str(ROOT / "benchmarks" / "tables_summary.py"))["made_up"](each_table=long_tables)
    if name == "pykan-tutorials":
        return _pykan_tutorials() + "\n"
    if name == "pages":
        return "\n".join(_pages_in_short()) + "\n"
    if name == "summary":
        return _markdown(ResultTable(("compared", "KAN", "command"), tuple(map(_summary_line, SUMMARY)))) + "\n"
    outcome = stored_outcome(ROOT / "results", name)
    notes = [textwrap.fill(note, 120, break_on_hyphens=False) for note in outcome.notes]
    # The key figures first, then the table, if it is short; the site shows the others too, and how all was measured.
    key = [table for table in outcome.tables if table.title == KEY_FIGURES]
    others = [table for table in outcome.tables if table.title != KEY_FIGURES]
    rows = sum(len(table.rows) for table in (*key, *others[:1]))
    shown = others if long_tables else others[: rows <= SHORT]
    parts = [_markdown(table) for table in key]
    for table in shown:
        if len(table.rows) <= LONG_TABLE:
            parts.append(_markdown(table))
        elif long_tables:
            title = f"{table.title or 'the whole table'} ({len(table.rows)} lines)"
            parts.append(_fold(title, _markdown(replace(table, title=""))))
    if long_tables and notes:
        parts.append(_fold("What the columns are, and how they were measured", "\n\n".join(notes)))
    return "\n\n".join(parts) + "\n"


def _pykan_tutorials() -> str:
    """Return a line for each of pykan's tutorials, which tools/pykan/tutorials.py stores; the cells are Markdown."""
    rows = Store(ROOT / "results" / "pykan-tutorials.json").beside("pykan-tutorials")
    columns = ("tutorial", "task", "pykan", "Edgewise", "CPU s", "by")
    rules = ("---", "---", "---", "---", "---:", "---")
    lines = [[str(row[column]).replace("|", "\\|") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, rules, *lines))


def _pages_in_short() -> Iterator[str]:
    """Yield a link to each page of measurements, in the order of their contents."""
    folder = ROOT / "docs" / "measured"
    contents = (folder / "index.md").read_text(encoding="utf-8").split(":hidden:")[1]
    for name in contents.strip(" `\n").split("\n"):
        title = re.match(r"# (.*)\n\n\*\*In short:\*\* ", (folder / f"{name}.md").read_text(encoding="utf-8"))[1]
        yield f"- [{title}]({name}.md)"


def _fold(title: str, inner: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{inner}\n\n</details>"


def _summary_line(line: tuple[str, str, str]) -> tuple[str, str, str]:
    compared, name, sentence = line
    figures = stored_outcome(ROOT / "results", name).key_figures
    return (
        compared,
        re.sub(r"\{(.+?)\}", lambda key: figures[key[1]], sentence),
        f"`python -m edgewise_experiments {name}`",
    )


def _markdown(table: ResultTable) -> str:
    rules = ["---:" if number else "---" for number in table.number_columns()]
    lines = [[markdown_cell(cell) for cell in line] for line in (table.columns, rules, *table.rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{table.title}**\n\n{text}" if table.title else text


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
