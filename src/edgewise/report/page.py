"""Layout of a report as one HTML page, without scripts or other files and with every text escaped."""

import html
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from string import Template

from edgewise.files import object_then_path, write_bytes
from edgewise.report.comparison import comparison_sentences, score_text
from edgewise.report.content import FIGURE_TEXTS, ReportContent
from edgewise.report.vector import inline_svg


def write_report(content: ReportContent, path: str | os.PathLike[str]) -> None:
    """Write the report as one self-contained HTML file, whole or not at all.

    Parameters
    ----------
    content : ReportContent
        Texts, numbers and figures.
    path : path-like
        The file. The same content gives the same bytes.

    Raises
    ------
    FileError
        The file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from edgewise.report import ReportContent
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "report.html"
    ...     write_report(ReportContent("House prices", summary=["The model was trained on 400 rows."]), path)
    ...     "400 rows" in path.read_text(encoding="utf-8")
    True
    """
    content, path = object_then_path(content, path, "edgewise.report.write_report")
    write_bytes(path, page(content).encode("utf-8"))


def page(content: ReportContent) -> str:
    """Return the report as HTML."""
    drawn = _figures(content)
    formula = ""
    if content.formulas:
        formula = f"<pre><code>{_text(content.formulas[0])}</code></pre>\n{_list(content.formulas[1:])}"
    split = ""
    if content.split:
        total = sum(content.split.values())
        *rest, last = (f"{rows:,} {_text(name)} ({100 * rows / total:.0f} %)" for name, rows in content.split.items())
        parts = f"{', '.join(rest)} and {last}" if rest else last
        split = f"<p>The {total:,} rows were split into {parts}.</p>"
    repeat = f"<pre><code>{_text(content.command)}</code></pre>" if content.command else ""
    if content.seed is not None:
        repeat += (
            f"\n<p>Seed {content.seed}; the same seed, versions and number of threads give the same model on the same "
            "machine.</p>"
        )
    sections = [
        ("Result", [_comparison(content), *drawn["result"], _classes(content)]),
        ("Inputs that the prediction depends on", [_inputs(content), _list(content.findings), *drawn["inputs"]]),
        ("A formula", [formula, *drawn["formulas"]]),
        ("The network", drawn["network"]),
        ("The data", [_facts(content.data), split, _list(content.notes)]),
        ("Training", [_facts(content.training), *drawn["training"]]),
        ("Repeating the fit", [repeat, _facts(content.versions)]),
    ]
    filled = [(title, "\n".join(filter(None, parts))) for title, parts in sections]
    body = "\n".join(
        f'<section aria-labelledby="s{n}">\n<h2 id="s{n}">{n}. {title}</h2>\n{inner}\n</section>'
        for n, (title, inner) in enumerate(((title, inner) for title, inner in filled if inner), start=1)
    )
    abstract = " ".join([*content.summary, *comparison_sentences(content)])
    opening = f'<p class="abstract">{_text(abstract)}</p>' if abstract else ""
    opening += "".join(f"\n<p>{_text(paragraph)}</p>" for paragraph in content.background)
    template = Template((files("edgewise.report") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=_text(content.title), opening=opening, body=body)


def _text(value: object) -> str:
    """Return plain text made safe for HTML; characters that cannot be printed become the replacement mark."""
    return html.escape("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(value)))


def _figures(content: ReportContent) -> dict[str, list[str]]:
    """Return the figures of each section, numbered in the order of the page."""
    placed: dict[str, list[str]] = {section: [] for section, _, _ in FIGURE_TEXTS.values()}
    ordered = sorted(content.figures, key=lambda figure: list(placed).index(FIGURE_TEXTS[figure.kind][0]))
    for number, figure in enumerate(ordered, start=1):
        section, caption, alt = FIGURE_TEXTS[figure.kind]
        caption = f"<figcaption><b>Figure {number}.</b> {_text(figure.caption or caption)}</figcaption>"
        drawing = inline_svg(figure.figure, f"f{number}", figure.alt or alt)
        placed[section].append(f'<figure class="{figure.kind}">\n<div>{drawing}</div>\n{caption}\n</figure>')
    return placed


def _table(caption: str, head: list[str], rows: list[list[str]], marked: int | None = None) -> str:
    """Return a table of cells that are HTML already; the first column names the rows, row `marked` is highlighted."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = [
        ('<tr class="ours">' if n == marked else "<tr>")
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for n, row in enumerate(rows)
    ]
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table>\n<caption>{caption}</caption>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _comparison(content: ReportContent) -> str:
    if not content.models:
        return ""
    sign = -1 if content.higher_is_better else 1
    ours = content.models[0]
    order = sorted(content.models, key=lambda m: (m.score is None, sign * (m.score or 0.0)))
    rows = []
    for model in order:
        score = score_text(content, model.score)
        if model.error is not None and model.score is not None:
            score += f" ± {100 * model.error:.1f}" if content.score_percent else f" ± {model.error:.2g}"
        parameters = "–" if model.parameters is None else f"{model.parameters:,}"
        seconds = "–"
        if model.seconds is not None:
            digits = 2 if model.seconds < 1 else 1 if model.seconds < 100 else 0
            seconds = f"{model.seconds:,.{digits}f}"
        remark = f"<br><small>{_text(model.remark)}</small>" if model.remark else ""
        rows.append([_text(model.name) + remark, score, parameters, seconds])
    better = "higher" if content.higher_is_better else "lower"
    caption = f"Every model had the same training and test rows. Best first: {better} is better"
    caption += ", ± is one standard error." if any(model.error is not None for model in order) else "."
    head = ["model", _text(content.score_name), "parameters", "seconds to fit"]
    return _table(caption, head, rows, marked=order.index(ours))


def _classes(content: ReportContent) -> str:
    if not content.classes:
        return ""

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}".replace("%", " %")

    rows = [[_text(c.name), f"{c.rows:,}", share(c.recall), share(c.precision)] for c in content.classes]
    caption = (
        "Recall and precision of each class on the test rows: the share of its rows that is predicted correctly, "
        "and the share of its predictions that is correct."
    )
    return _table(caption, ["class", "rows", "recall", "precision"], rows)


def _inputs(content: ReportContent) -> str:
    if not content.inputs:
        return ""
    top = max((score for _, score in content.inputs), default=0.0) or 1.0
    rows = [
        [_text(name), f"{score:.3g}", f'<span class="bar" style="width:{100 * max(score, 0) / top:.1f}%"></span>']
        for name, score in content.inputs
    ]
    caption = (
        "Strongest inputs. The score follows the variation of the outputs back through the network (KAN 2.0, "
        "arXiv 2408.10205, section 4.1). It shows the inputs that this model uses, not causes."
    )
    return _table(caption, ["input", "score", '<span class="unseen">score as a bar</span>'], rows).replace(
        "<table>", '<table class="bars">'
    )


def _facts(facts: Mapping[str, object]) -> str:
    if not facts:
        return ""

    def shown_value(value: object) -> object:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:.4g}" if isinstance(value, float) else value

    rows = "\n".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(shown_value(value))}</dd></div>" for name, value in facts.items()
    )
    return f"<dl>\n{rows}\n</dl>"


def _list(sentences: Iterable[str]) -> str:
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f"<ul>\n{items}\n</ul>" if items else ""
