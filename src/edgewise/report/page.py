"""Layout of a report as one HTML page, without scripts or other files and with every text escaped.

The page opens with what fits on one sheet: what was learned, how good the model is, and what to distrust. Details
follow behind folds, which open with a click and are all printed.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from string import Template
from typing import Literal

import numpy as np

from edgewise.escaping import html_text
from edgewise.files.whole import write_bytes
from edgewise.presentation import column_texts, counted, enumeration, number_text, percent_text, r2_text
from edgewise.report.content import FIGURE_TEXTS, ReportContent, ReportFigure, TestTable
from edgewise.report.vector import inline_svg
from edgewise.report.wording import HEADLINE_SYMBOLS, cautions, method_sentence


@dataclass(frozen=True, eq=False)
class Report:
    """A report that appears in a notebook and can be saved as one file.

    Parameters
    ----------
    content : ReportContent
        Texts, numbers and figures.
    layout : {"page", "tabs"}
        One page to read from the top, or tabs to choose from, with what one asks of a model first.

    Examples
    --------
    >>> report = Report(ReportContent("House prices", summary=["The model was trained on 400 rows."]))
    >>> report, "400 rows" in report.html
    (<Report "House prices"; report.save("report.html") writes it to a file>, True)
    """

    content: ReportContent
    layout: Literal["page", "tabs"] = "page"

    @cached_property
    def html(self) -> str:
        """The page."""
        if self.layout == "tabs":
            return tabs(self.content)
        return page(self.content)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one self-contained HTML file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file. The same content gives the same bytes.

        Raises
        ------
        FileError
            The file cannot be written.
        """
        write_bytes(path, self.html.encode("utf-8"))

    def __repr__(self) -> str:
        return f'<Report "{self.content.title}"; report.save("report.html") writes it to a file>'

    def _repr_html_(self) -> str:
        # In a frame of its own, so that the styles of the page and of the notebook stay apart.
        inner = html.escape(self.html)
        style = "width:100%;height:640px;border:1px solid rgba(128,128,128,.4)"  # about a screen high
        frame = f'<iframe title="{html_text(self.content.title)}" srcdoc="{inner}" style="{style}" sandbox=""></iframe>'
        # A notebook of someone else leaves out frames until the reader trusts it: something must stand there.
        note = "A notebook that is not trusted shows no frame above; save(&quot;report.html&quot;) writes its page."
        return f"{frame}<br><small>{note}</small>"


def page(content: ReportContent) -> str:
    """Return the report as HTML."""
    drawn = _Figures(content)
    # Of a comparison of more than four models the first page has the sentences alone.
    table = _comparison(content)
    folded_table = ""
    if len(content.comparison.models) > 4:
        folded_table = table
        table = ""
    chosen = _headline(content)
    # The first findings and the joint effects of inputs stand on the first page, the others below.
    shown = [*content.findings[:5], *content.joint[:2]]
    later = [*content.findings[5:], *content.joint[2:]]
    method = _wrapped("blockquote", html_text(method_sentence(content)))
    # Open sections for every reader, folded ones for who wants the details.
    opening = [
        ("What was learned", [_list(shown), chosen]),
        ("How good it is", [_paragraph([*content.comparison.sentences, *content.errors]), table]),
        ("What to distrust", [_list(cautions(content))]),
        ("What each input does", drawn.of("learned")),
        ("The motion", drawn.of("motion")),
    ]
    folded = [
        *((title, [_texts(table)]) for title, table in content.tables),
        ("The result in detail", [folded_table, *drawn.of("result"), _classes(content)]),
        (f"Every {content.class_kind}", _each_class(content, drawn)),
        ("The inputs", [_inputs(content), _list(later), *drawn.of("inputs"), _tests(content)]),
        ("The formulas", [_formulas(content), _list(content.formulas[1:]), *drawn.of("formulas")]),
        ("The network", drawn.of("network")),
        ("The data", [_facts(content.data), _split(content), _list(content.notes)]),
        ("The training", [_facts(content.training), *drawn.of("training")]),
        ("For a method section, and to repeat the fit", [method, _repeat(content), _facts(content.versions)]),
    ]
    parts = [
        f'<section aria-labelledby="s{n}">\n<h2 id="s{n}">{title}</h2>\n{inner}\n</section>'
        for n, (title, inner) in enumerate(_filled(opening), start=1)
    ]
    parts += [
        f"<details>\n<summary><h2>{title}</h2></summary>\n{inner}\n</details>" for title, inner in _filled(folded)
    ]
    # The abstract, the figures of the headline and the background stand above all sections.
    lines = []
    if content.summary:
        lines.append(f'<p class="abstract">{html_text(" ".join(content.summary))}</p>')
    lines.append(_strip(content))
    lines += [f"<p>{html_text(paragraph)}</p>" for paragraph in content.background]
    return _filled_template(content.title, lines, parts)


def tabs(content: ReportContent) -> str:
    """Return the parts of the report that one asks for first as HTML, each behind a tab."""
    drawn = _Figures(content)
    effects = ReportContent(content.title, figures=[one for one in content.figures if one.kind == "effects"])
    pairs = ReportContent(content.title, figures=[one for one in content.figures if one.kind == "pair"])
    # The parts, or a sentence why one is empty or how to fill it.
    joint = _list(content.joint) or _paragraph(
        ["The model is a sum of curves of single inputs, or what pairs add to it is too small to be told from chance."]
    )
    formulas = _formulas(content) or _paragraph(["No formula was searched for: model.fit_equations(X, y) does so."])
    comparison = [
        _paragraph([*content.comparison.sentences, *content.errors]),
        _comparison(content),
        _list(cautions(content)),
        _paragraph(["model.compare(X, y) sets the model beside a linear one and gradient boosting, on held-out rows."]),
    ]
    panels = [
        ("Curves", _Figures(effects).of("learned")),
        ("Table", [_inputs(content), _list(content.findings), *drawn.of("inputs"), _tests(content)]),
        ("Interactions", [joint, *_Figures(pairs).of("learned")]),
        ("Formula", [formulas, _list(content.formulas[1:])]),
        ("Comparison", comparison),
    ]
    # Radio buttons choose the section that the style sheet shows.
    buttons = []
    sections = []
    for n, (title, inner) in enumerate(_filled(panels), start=1):
        chosen = " checked" if n == 1 else ""
        buttons.append(f'<input type="radio" name="tab" id="tab{n}"{chosen}><label for="tab{n}">{title}</label>')
        sections.append(f'<section class="tab{n}" aria-label="{title}">\n{inner}\n</section>')
    body = f'<div class="tabs">\n{"".join(buttons)}\n{"".join(sections)}\n</div>'
    return _filled_template(content.title, [_strip(content)], [body])


def _filled_template(title: str, opening: Iterable[str], body: Iterable[str]) -> str:
    template = Template((files("edgewise.report") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=html_text(title), opening="\n".join(filter(None, opening)), body="\n".join(body))


def _headline(content: ReportContent) -> str:
    """Return the chosen formula for the first page, or a sentence if it is too long to be read there."""
    if not content.formulas:
        return ""
    symbols = max((one.symbols for one in content.formula_rows if one.chosen), default=0)
    if symbols > HEADLINE_SYMBOLS:
        short = "No short formula describes these data"
        return _paragraph([f'{short}; the best has {symbols} symbols, see "The formulas" below.'])
    return f"<pre>{_code(content.formulas[0])}</pre>"


def _filled(sections: Iterable[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Return the sections that have a content."""
    joined = [(title, "\n".join(filter(None, parts))) for title, parts in sections]
    return [(title, inner) for title, inner in joined if inner]


def _marked(sentence: str) -> str:
    """Return a sentence for HTML, in which what stands between backquotes is code."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a lone backquote is a character like others
        return html_text(sentence)
    texts = [html_text(part) for part in parts]
    texts[1::2] = [f"<code>{text}</code>" for text in texts[1::2]]
    return "".join(texts)


def _code(formula: str) -> str:
    """Return a formula for HTML whose lines break after operators and parentheses, and never inside a name."""
    parts = re.split(r"(?<=[*/(])(?![*])", formula)  # where a line may break
    return f"<code>{'<wbr>'.join(html_text(part) for part in parts if part)}</code>"


class _Figures:
    """The figures of a report as HTML, numbered in the order in which the page asks for them."""

    def __init__(self, content: ReportContent) -> None:
        self._content = content
        self._number = 0

    def of(self, section: str) -> list[str]:
        """Return the figures of a section that are not about one class."""
        figures = [one for one in self._content.figures if FIGURE_TEXTS[one.kind][0] == section]
        return [self._html(one) for one in figures if not one.group]

    def of_class(self, name: str) -> list[str]:
        """Return all figures about one class."""
        return [self._html(one) for one in self._content.figures if one.group == name]

    def _html(self, figure: ReportFigure) -> str:
        self._number += 1
        _, caption, alt = FIGURE_TEXTS[figure.kind]
        caption = figure.caption or caption
        drawn = (one for axes in figure.figure.axes for one in axes.collections)
        if figure.kind == "parity" and not figure.caption and any(type(o).__name__ == "PolyCollection" for o in drawn):
            caption += " Hexagons gather many rows, darker where there are more."
        below = f"<figcaption><b>Figure {self._number}.</b> {html_text(caption)}</figcaption>"
        drawing = inline_svg(figure.figure, f"f{self._number}", figure.alt or alt)
        return f'<figure class="{figure.kind}">\n<div>{drawing}</div>\n{below}\n</figure>'


def _table(caption: str, head: list[str], rows: list[list[str]], marked: Collection[int] = ()) -> str:
    """Return a table of cells that are HTML already; the first column names the rows, those in `marked` stand out."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = []
    for n, row in enumerate(rows):
        start = '<tr class="ours">' if n in marked else "<tr>"
        cells = "".join(f"<td>{cell}</td>" for cell in row[1:])
        lines.append(f'{start}<th scope="row">{row[0]}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table>\n<caption>{caption}</caption>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _comparison(content: ReportContent) -> str:
    comparison = content.comparison
    if len(comparison.models) < 2:
        return ""  # the score stands in the sentence
    rows = []
    for model, cells in zip(comparison.order, comparison.table(), strict=True):
        name = html_text(cells[0])
        if model.remark:
            name += f"<br><small>{html_text(model.remark)}</small>"
        rows.append([name, *cells[1:]])
    better = "higher" if comparison.higher_is_better else "lower"
    caption = f"Every model had the same training and test rows. Best first: {better} is better"
    if any(one.error is not None for one in comparison.models):
        caption += ", ± is one standard error"
    caption += "."
    head = [html_text(title) for title in comparison.head]
    return _table(caption, head, rows, marked=[comparison.order.index(comparison.models[0])])


def _classes(content: ReportContent) -> str:
    if not content.classes:
        return ""

    def share(value: float | None) -> str:
        if value is None:
            return "–"
        return percent_text(value)

    rows = [[html_text(c.name), f"{c.rows:,}", share(c.recall), share(c.precision)] for c in content.classes]
    caption = (
        "Recall and precision of each class on the test rows: the share of its rows that is predicted correctly, "
        "and the share of its predictions that is correct."
    )
    return _table(caption, ["class", "rows", "recall", "precision"], rows)


def _inputs(content: ReportContent) -> str:
    if not content.inputs:
        return ""
    # Bars as wide as the contributions, relative to the largest; none for a negative or unknown one.
    contributions = np.array([size for _, size in content.inputs], dtype=np.float64)
    sizes = np.where(np.isfinite(contributions), contributions, 0.0).clip(min=0.0)
    top = sizes.max() or 1.0
    texts = column_texts([size for _, size in content.inputs])
    rows = [
        [html_text(name), text, f'<span class="bar" style="width:{100 * width / top:.1f}%"></span>']
        for (name, _), text, width in zip(content.inputs, texts, sizes, strict=True)
    ]
    caption = (
        "By how much each input moves a prediction on average: its mean absolute contribution to a prediction (Shapley "
        "values by sampling), in the unit of the prediction. It shows the inputs that this model uses, not causes."
    )
    head = ["input", "moves a prediction by", '<span class="unseen">the same as a bar</span>']
    return _table(caption, head, rows).replace("<table>", '<table class="bars">')


def _tests(content: ReportContent) -> str:
    if content.tests is None:
        return ""
    return _texts(content.tests)


def _texts(table: TestTable) -> str:
    rows = [[html_text(cell) for cell in row] for row in table.rows]
    return _table(html_text(table.caption), [html_text(title) for title in table.head], rows)


def _formulas(content: ReportContent) -> str:
    if not content.formula_rows:
        return ""
    rows = []
    for one in content.formula_rows:
        mark = " <small>(chosen)</small>" if one.chosen else ""
        rows.append([f"{_code(one.text)}{mark}", f"{one.symbols:,}", percent_text(one.error), r2_text(one.r2)])
    chosen = [n for n, one in enumerate(content.formula_rows) if one.chosen]
    caption = (
        "The best formula of each length. The error is the root mean squared error on held-out rows in per cent of the "
        "standard deviation of the target. [a is b] is 1 where that holds and 0 elsewhere."
    )
    table = _table(caption, ["formula", "symbols", "error", "R²"], rows, marked=chosen)
    return table.replace("<table>", '<table class="formulas">')


def _each_class(content: ReportContent, drawn: _Figures) -> list[str]:
    """Return a fold for each class or target, with its sentences and figures."""
    names = list(dict.fromkeys([*content.class_findings, *(one.group for one in content.figures if one.group)]))
    parts = []
    for name in names:
        inner = "\n".join([_list(content.class_findings.get(name, ())), *drawn.of_class(name)])
        opened = " open" if name == names[0] else ""
        parts.append(
            f'<details class="class"{opened}>\n<summary><h3>{html_text(name)}</h3></summary>\n{inner}\n</details>'
        )
    return parts


def _strip(content: ReportContent) -> str:
    """Return the few numbers that a reader wants first."""
    shown = []
    own = content.comparison.own
    if own is not None:
        comparison = content.comparison
        name = f"{comparison.score_name} on {comparison.rows.removeprefix('the ')}"
        shown.append((name, comparison.score_with_error(own)))
    if "training" in content.split:
        shown.append(("training rows", f"{content.split['training']:,}"))
    if "inputs" in content.data:
        shown.append(("inputs", str(content.data["inputs"])))
    items = "".join(f"<div><dd>{html_text(text)}</dd><dt>{html_text(name)}</dt></div>" for name, text in shown)
    if shown:
        return f'<dl class="strip">{items}</dl>'
    return ""


def _split(content: ReportContent) -> str:
    if len(content.split) < 2:
        return ""
    total = sum(content.split.values())
    parts = [f"{rows:,} {html_text(name)} ({percent_text(rows / total)})" for name, rows in content.split.items()]
    return f"<p>The {counted(total, 'row')} were split into {enumeration(parts)}.</p>"


def _repeat(content: ReportContent) -> str:
    parts = []
    if content.command:
        parts.append(f"<pre><code>{html_text(content.command)}</code></pre>")
    if content.seed is not None:
        parts.append(
            f"\n<p>Seed {content.seed}; the same seed, versions and number of threads give the same model on the same "
            "machine.</p>"
        )
    return "".join(parts)


def _wrapped(tag: str, inner: str) -> str:
    """Return an element; nothing where it would be empty."""
    if inner:
        return f"<{tag}>{inner}</{tag}>"
    return ""


def _paragraph(sentences: Iterable[str]) -> str:
    return _wrapped("p", html_text(" ".join(sentences)))


def _facts(facts: Mapping[str, object]) -> str:
    if not facts:
        return ""

    def shown(value: object) -> str:
        match value:
            case list() | tuple():
                return "<br>".join(shown(one) for one in value)
            case bool():
                return "yes" if value else "no"
            case int() | float():
                return html_text(number_text(value))
        return html_text(value)

    rows = "\n".join(f"<div><dt>{html_text(name)}</dt><dd>{shown(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>\n{rows}\n</dl>"


def _list(sentences: Iterable[str]) -> str:
    items = "\n".join(f"<li>{_marked(sentence)}</li>" for sentence in sentences)
    return _wrapped("ul", items and f"\n{items}\n")
