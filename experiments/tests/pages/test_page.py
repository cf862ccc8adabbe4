"""The page of all experiments: self-contained, escaped, complete; the table of claims."""

import re

import pytest
from experiments.tests.made_rows import accuracy_row
from matplotlib.figure import Figure

from edgewise_experiments.pages.claims import CLAIMS
from edgewise_experiments.pages.page import HEADS, Section, claim_lines, claims_markdown, page, write_page
from edgewise_experiments.runner.outcome import Outcome, ResultTable


def drawn():
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


SECTION = Section(
    "one",
    "A first <experiment>.",
    Outcome(
        (ResultTable(("name", "value"), (("a & b", "1.0"), ("c", "word " * 9)), "Title"), ResultTable(("x",), ())),
        ("It falls short.",),
        {"curve": drawn},
    ),
)


@pytest.mark.slow
def test_the_page_has_everything_and_needs_nothing(tmp_path):
    write_page(tmp_path / "index.html", [SECTION, SECTION], {}, quick=True)
    text = (tmp_path / "index.html").read_text()
    assert text.count("<svg ") == 2 and "A first &lt;experiment&gt;." in text and "a &amp; b" in text
    assert text.count("<p>It falls short.</p>") == 2 and "<caption>Title</caption>" in text
    assert text.count("<table") == 3 and "python -m edgewise_experiments one" in text  # the claims, and two with rows
    assert "A quick run" in text and "Full runs" in page([SECTION], {}, quick=False)
    assert not re.search(r'<script|<link|src="|https?://(?!www\.w3\.org)', text)
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))


def test_sections_are_in_the_order_of_the_claims():
    names = ["unclaimed", "guide", "poisson", "representation"]
    text = page([Section(name, "", Outcome(())) for name in names], {}, quick=True)
    assert re.findall(r'<a href="#s\d">([^<]+)</a>', text) == names[::-1]
    assert re.findall(r'<h2 id="s\d">([^<]+)</h2>', text) == names[::-1]


def test_columns_of_words_are_set_as_words_in_every_row():
    table = ResultTable(("a", "words", "number"), (("x", "short", "1"), ("y", "a cell of many words, longer", "2")))
    text = page([Section("one", "", Outcome((table,)))], {}, quick=True)
    words = 'style="white-space:normal; text-align:left"'
    assert f'<th scope="col" {words}>words</th><th scope="col">number</th>' in text
    assert f"<td {words}>short</td><td>1</td>" in text and f"<td {words}>a cell of many words, longer</td>" in text


def test_claims_stand_on_the_page_with_their_commands():
    text = page([], {}, quick=False)
    for claim in CLAIMS:
        assert f"<br><code>python -m edgewise_experiments {claim.experiment}</code></th>" in text
    assert text.count("not run yet") == len(CLAIMS)


def test_claims_without_rows_say_so():
    lines = claim_lines({})
    assert len(lines) == len(CLAIMS) and all(len(line) == len(HEADS) for line in lines)
    assert {line[3] for line in lines} == {"not run yet"} and {line[4] for line in lines} == {"-"}
    text = claims_markdown({})
    assert text.startswith("# Results\n") and text.count("\n| ") == 2 + len(CLAIMS) and "## Figures" not in text
    assert claims_markdown({}, ["a-b.svg"]).endswith("\n## Figures\n\n![a-b](a-b.svg)\n")


def test_claims_read_what_their_experiments_compare_with():
    kan = accuracy_row("kv", rmse=1e-8, phases=[])
    mlp = accuracy_row("kv", rmse=1e-6, model="MLP", hidden=[10], activation="tanh", method="LM", validation_rmse=1e-6)
    del mlp["phases"]
    stored = {"mlp-comparison": [{**mlp, "stage": "final"}]}
    ours = {line[1]: line[3] for line in claim_lines(stored)}["python -m edgewise_experiments mlp-comparison"]
    assert ours == "too few rows"
    ours = {line[1]: line[3] for line in claim_lines({**stored, "special-functions": [kan]})}
    assert ours["python -m edgewise_experiments mlp-comparison"].startswith(
        "functions for which the KAN's error is lower: 1 of 1"
    )
