"""Tests of the report as a file: self-contained, well-formed, escaped, repeatable, and not too large."""

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from edgewise.nn.model import KAN
from edgewise.plot import confusion, effect_curves, network_diagram, training_history
from edgewise.report import Report
from edgewise.report.comparison import Comparison, ModelResult
from edgewise.report.content import ClassResult, FormulaRow, ReportContent, ReportFigure, TestTable
from edgewise.report.page import page
from edgewise.train import StepRecord

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "br", "link", "img", "wbr", "input"}


class Reader(HTMLParser):
    """Collects tags, ids, text and attributes, and checks that every element is closed in turn."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.attributes, self.text = [], Counter(), [], [], ""

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def full_report():
    model = KAN([2, 2, 1], seed=0)
    trace = model.trace(torch.randn(30, 2, generator=torch.Generator().manual_seed(0)))
    history = [StepRecord(k, 1 / (k + 1), None, penalty=0.0, seconds=0.0) for k in range(5)]
    return ReportContent(
        title=f"Fit of {EVIL}",
        summary=[f"The column {EVIL} & others."],
        comparison=Comparison(
            [
                ModelResult("KAN", 0.81, 120, 3.25, 0.01),
                ModelResult(EVIL, 0.85, None, 0.123, remark=f"needs {EVIL}", gap_error=0.01),
                ModelResult("MLP", None, 33, 250.0),
            ],
            "R²",
            rows="the 1,600 test rows",
        ),
        classes=[ClassResult(EVIL, 3, 0.5, None)],
        inputs=[(EVIL, 0.5), ("b", 0.25)],
        tests=TestTable(("term", "p"), [(EVIL, "0.01")], f"Tests of {EVIL}."),
        findings=[f"{EVIL} rises."],
        class_findings={EVIL: [f"{EVIL} rises with b."], "other": ["It falls."]},
        class_kind="target",
        cautions=[f"{EVIL} is odd."],
        formulas=[f"y = {EVIL}", "It fits."],
        formula_rows=[FormulaRow("b + [city is Köln]", 3, 0.9, 0.3), FormulaRow(EVIL, 5, 0.99, 0.1, chosen=True)],
        figures=[
            ReportFigure("network", network_diagram(model, trace, names=[EVIL, "b"])),
            ReportFigure("history", training_history(history, best_step=4), caption=f"A caption with {EVIL}."),
            ReportFigure("confusion", confusion(np.array(["a", EVIL]), np.array(["a", "a"]))),
            ReportFigure("effects", effect_curves(lambda x: x[:, 0], np.arange(8.0).reshape(4, 2)), group="other"),
        ],
        data={"rows": 8000, EVIL: EVIL},
        split={"training": 6400, "test": 1600},
        notes=[f"{EVIL} was dropped.", f"Call `predict {EVIL}`."],
        training={"shape": "[2, 2, 1]", "steps": 5, "penalty": 1e-3, "early": True, "reasons": ["Linear.", EVIL]},
        versions={"edgewise": "0.1.0"},
        command=f"edgewise fit '{EVIL}'",
        seed=7,
    )


@pytest.fixture(scope="module")
def report():
    return page(full_report())


@pytest.mark.slow
def test_no_text_of_the_user_becomes_markup(report):
    reader = read(report)
    assert reader.tags["script"] == 0
    assert reader.text.count(EVIL) >= 16
    assert not [a for a in reader.attributes if a[1].startswith("on")]


def test_nothing_is_loaded_from_elsewhere(report):
    links = [value for _, name, value in read(report).attributes if name in ("src", "href", "xlink:href", "data")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert not re.search(r"@import|url\((?!#)", report)


def test_ids_are_unique_and_references_find_them(report):
    reader = read(report)
    assert [name for name, times in Counter(reader.ids).items() if times > 1] == []
    used = set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', report))
    assert used and used <= set(reader.ids)


def test_one_page_first_and_the_details_behind_folds(report):
    opening, *folds = re.split(r"<details>", report)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", opening) == ["What was learned", "How good it is", "What to distrust"]
    assert [re.search(r"<h2>(.*?)</h2>", fold)[1] for fold in folds] == [
        "The result in detail",
        "Every target",
        "The inputs",
        "The formulas",
        "The network",
        "The data",
        "The training",
        "For a method section, and to repeat the fit",
    ]
    reader = read(report)
    assert [f"Figure {n}." in reader.text for n in (1, 2, 3, 4, 5)] == [True, True, True, True, False]
    assert "the R² of the KAN is 0.81 (standard error 0.01). Verdict: use " in reader.text
    assert "The 8,000 rows were split into 6,400 training (80 %) and 1,600 test (20 %)." in reader.text
    assert "Seed 7" in reader.text


def test_every_class_has_a_fold_with_its_sentences_and_figures(report):
    folds = re.findall(r'<details class="class".*?</details>', report, re.DOTALL)
    assert len(folds) == 2
    assert "It falls." in folds[1] and '<figure class="effects">' in folds[1]


def test_formulas_are_a_table_of_text_in_which_no_line_has_two_equals_signs(report):
    table = report[report.index('<table class="formulas">') :]
    rows = re.findall(r"<tr.*?</tr>", table[: table.index("</table>")])
    assert "<code>b + [city is Köln]</code>" in rows[1] and "(chosen)" in rows[2] and 'class="ours"' in rows[2]
    assert all(re.sub(r"<.*?>", "", row).count("=") <= 1 for row in rows)


def test_what_to_distrust_follows_from_the_numbers(report):
    reader = read(report)
    assert f"{EVIL} predicts better than this model" in reader.text
    assert "Few test rows of a class" in reader.text and f"{EVIL} is odd." in reader.text
    assert "not causes" in reader.text
    poor = Comparison([ModelResult("KAN", 0.1, error=0.05)], "R²")
    weak = page(ReportContent("t", comparison=poor, split={"test": 40}))
    assert "explains little: most of the variation of the target (90 %)" in weak
    assert "The score rests on only 40 test rows (standard error 0.05)." in weak


def test_the_method_sentence_has_seed_and_versions(report):
    text = read(report).text
    assert (
        "A Kolmogorov-Arnold network of shape [2, 2, 1] was fitted on 6,400 rows with Edgewise 0.1.0 (random seed 7)."
        in text
    )
    assert "On the 1,600 test rows, which were not used in fitting, the R² was 0.81 (standard error 0.01)." in text


def test_a_report_appears_in_a_notebook_and_saves_the_same_page(tmp_path):
    report = Report(ReportContent("A <b>", summary=["Done."]))
    report.save(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == report.html
    assert report._repr_html_().startswith('<iframe title="A &lt;b&gt;" srcdoc="&lt;!DOCTYPE')
    assert repr(report).startswith('<Report "A <b>";')


def test_models_are_ordered_by_score_and_the_kan_is_set_off(report):
    table = report[report.index("<table>") : report.index("</table>")]
    rows = re.findall(r"<tr( class=\"ours\")?><th scope=\"row\">(.*?)(?:<br>.*?)?</th><td>(.*?)</td>", table)
    assert [(bool(ours), score) for ours, _, score in rows] == [(False, "0.85"), (True, "0.81 ± 0.01"), (False, "–")]
    assert ">250<" in table and ">3.2<" in table and ">0.12<" in table


def test_figures_and_tables_speak_to_those_who_cannot_see(report):
    reader = read(report)
    images = [value for tag, name, value in reader.attributes if tag == "svg" and name == "aria-label"]
    assert len(images) == reader.tags["svg"] == reader.tags["figcaption"] == 4
    assert all(images)
    assert reader.tags["caption"] == reader.tags["table"] == 5
    assert ("html", "lang", "en") in reader.attributes


def test_control_characters_and_half_letters_are_replaced(tmp_path):
    Report(ReportContent("a\x00b\ud800")).save(tmp_path / "report.html")
    assert "<h1>a\ufffdb\ufffd</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_first_page_has_joint_effects_errors_and_doubts_before_the_figures():
    note = "Column 'id' counts the rows; if it only numbers them, leave it out."
    content = ReportContent(
        "Fit",
        comparison=Comparison([ModelResult("KAN", 0.81)]),
        findings=[f"x{i} rises." for i in range(7)],
        joint=["a and b interact: 9 % of the variation."],
        errors=["The root mean square error is 3.2."],
        notes=[note],
        figures=[ReportFigure("effects", Figure())],
        inputs=[("x0", 1.0)],
    )
    text = page(content)
    places = [text.index(part) for part in ("x4 rises", "a and b interact", "error is 3.2", "counts the rows", "<svg")]
    assert places == sorted(places) and text.index("<details>") < text.index("x5 rises")
    assert text.count("a and b interact") == 1


def test_tabs_have_what_one_asks_of_a_model_first():
    rows = [FormulaRow("2*longitudinal_translation*meridional_translation + 1", 5, 0.9, 0.3, chosen=True)]
    content = ReportContent(
        "Fit",
        comparison=Comparison([ModelResult("KAN", 0.81), ModelResult("linear", 0.7, 3, gap_error=0.01)]),
        findings=["x rises."],
        joint=["a and b interact: 9 % of the variation."],
        formulas=["y = x"],
        formula_rows=rows,
        figures=[ReportFigure("effects", Figure()), ReportFigure("network", Figure())],
        inputs=[("x", 1.0)],
    )
    text = Report(content, layout="tabs").html
    reader = read(text)
    names = [value for tag, name, value in reader.attributes if tag == "section" and name == "aria-label"]
    assert names == ["Curves", "Table", "Interactions", "Formula", "Comparison"]
    assert reader.tags["input"] == reader.tags["label"] == 5 and text.count(" checked>") == 1
    assert reader.tags["figure"] == 1 and "Verdict: use the KAN" in reader.text
    # Lines of formulas break after operators, not inside names.
    assert "2*<wbr>longitudinal_translation*<wbr>meridional_translation + 1" in text
    assert "model.fit_equations" in Report(ReportContent("Empty"), layout="tabs").html
