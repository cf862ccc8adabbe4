"""An estimator draws, summarises and reports itself, in the units and names of the user."""

import re

import numpy as np
import pytest
import torch

from edgewise import KAN, KANClassifier, KANRegressor
from edgewise.errors import InputError
from edgewise.estimator import KANSurvival
from edgewise.estimator.reporting import alike_sentences, explained
from edgewise.estimator.storage import load_estimator, save_estimator
from edgewise.plot import edge_curves, effect_curves, network_diagram
from edgewise.plot.themes import COLORS
from edgewise.tables.columns import NumberInput

pandas = pytest.importorskip("pandas")
SETTINGS = {"hidden": (), "grid_size": 4, "regularization": 1e-4}


def houses(rows=120):
    rng = np.random.default_rng(0)
    area, city = rng.uniform(30, 200, rows), rng.choice(["Bonn", "Ulm", "Köln"], rows)
    price = 2000 * area + np.select([city == "Köln", city == "Ulm"], [60_000, -30_000], 0)
    noise = rng.normal(0, 2000, rows)
    return pandas.DataFrame({"area": area, "city": city, "idle": rng.normal(size=rows)}), pandas.Series(
        price + noise, name="price"
    )


@pytest.fixture(scope="module")
def regressor():
    return KANRegressor(**SETTINGS).fit(*houses())


@pytest.fixture(scope="module")
def classifier():
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(rng.normal(size=(150, 2)), columns=["long", "wide"])
    kind = np.select([X["long"] > 0.5, X["wide"] > 0], ["oak", "ash"], "elm")
    return KANClassifier(**SETTINGS).fit(X, pandas.Series(kind, name="tree")), X, kind


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_two_classes_are_described_by_the_second():
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(rng.normal(size=(150, 2)), columns=["long", "wide"])
    model = KANClassifier(**SETTINGS).fit(X, np.where(X["long"] > 0, "slow", "fast"))
    content = model.report().content
    assert content.findings[0].startswith("As long goes") and "the probability of slow rises" in content.findings[0]
    assert not content.class_findings and not any(figure.group for figure in content.figures)
    local = model.explain_local(X[:3])
    assert all(local.sentence(row).startswith("probability of slow ") for row in range(3))
    assert "fast" not in local._repr_html_()


def test_counts_below_bars_are_those_of_the_training_rows(regressor, tmp_path):
    X, _ = houses()
    save_estimator(regressor, tmp_path / "model.safetensors")
    for model in (regressor, load_estimator(tmp_path / "model.safetensors")[0]):
        assert model._training_rows == len(X)
        panel = model.plot("city").axes[0]
        levels = [label.get_text() for label in panel.get_xticklabels()]
        counts = [text.get_text() for text in panel.texts if text.get_text().isdigit()]
        assert dict(zip(levels, map(int, counts), strict=True)) == X["city"].value_counts().to_dict()
    few = regressor.plot("city", X[:10]).axes[0]
    assert sum(int(text.get_text()) for text in few.texts if text.get_text().isdigit()) == 10


def test_effects_are_in_the_unit_of_the_target_and_a_category_is_one_panel(regressor):
    figure = regressor.plot()
    assert titles(figure)[:2] == ["area", "city"] and figure.get_supylabel() == "price"
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "$y$" or line.get_linewidth() > 1]
    x, y = line.get_data()
    assert (y[-1] - y[0]) / (x[-1] - x[0]) == pytest.approx(2000, rel=0.03)
    bars = {
        label.get_text(): bar.get_height()
        for label, bar in zip(figure.axes[1].get_xticklabels(), figure.axes[1].patches, strict=True)
    }
    assert bars["Köln"] - bars["Ulm"] == pytest.approx(90_000, rel=0.05)
    assert figure.get_supxlabel().startswith("band, and line on a bar: two standard errors")
    ends = lines_on_bars(figure.axes[1])
    assert len(ends) == 3  # one for each level, of plausible length: a level has 40 rows with noise of 2000
    assert (ends[:, 1, 1] - ends[:, 0, 1] > 4 * 2000 / np.sqrt(60)).all()
    assert (ends[:, 1, 1] - ends[:, 0, 1] < 4 * 2000 / np.sqrt(20)).all()
    assert len(lines_on_bars(edge_curves(regressor).axes[1])) == 3


def lines_on_bars(panel):
    """Return the ends of all upright lines, (n, 2, 2)."""
    paths = [segment for one in panel.collections if hasattr(one, "get_segments") for segment in one.get_segments()]
    return np.array([path for path in paths if path[0][0] == path[1][0] and path[0][1] != path[1][1]])


@pytest.mark.slow
def test_axes_of_dates_are_written_as_dates():
    days = pandas.date_range("2020-01-01", periods=60)
    frame = pandas.DataFrame({"when": days, "city": ["Bonn", "Ulm"] * 30})
    model = KANRegressor(**SETTINGS).fit(frame, np.arange(60.0))
    for figure in (model.plot(), edge_curves(model)):
        figure.canvas.draw()
        assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["2020-01-07", "2020-02-23"]


@pytest.mark.slow
def test_edges_of_an_additive_model_are_in_the_unit_of_the_target(regressor):
    X, _ = houses()
    figure = edge_curves(regressor, X)
    assert figure.get_supylabel() == "contribution to price"
    x, y = figure.axes[titles(figure).index("area")].lines[0].get_data()
    assert (y[-1] - y[0]) / (x[-1] - x[0]) == pytest.approx(2000, rel=0.03)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_plot_draws_the_network_or_one_input(regressor):
    assert "price" in [text.get_text() for text in network_diagram(regressor).axes[0].texts]
    texts = [text.get_text() for text in network_diagram(regressor).axes[0].texts]
    assert "city" in texts and "[city is Köln]" not in texts  # a category is one node
    assert "1 weak edge is not drawn (below 1 % of what the layer does)." in texts and "idle" not in texts
    (axes,) = regressor.plot("area", theme="dark").axes
    assert axes.get_title(loc="left") == "area"
    assert regressor.plot("area", theme="dark").theme == "dark"
    with pytest.raises(InputError, match="got 'aera'; did you mean 'area'"):
        regressor.plot("aera")
    with pytest.raises(InputError, match="theme must be"):
        regressor.plot(theme="blue")


@pytest.mark.slow
def test_figures_take_the_estimator_with_a_frame(regressor):
    X, _ = houses()
    assert titles(effect_curves(regressor, X, max_inputs=1)) == ["area"]
    network_diagram(regressor, X)
    network_diagram(regressor.model_, regressor._to_network(regressor._inputs(X)))


def test_an_estimator_that_is_not_fitted_says_so():
    from sklearn.exceptions import NotFittedError

    for draw in (KANRegressor().plot, KANRegressor().summary, KANRegressor().report):
        with pytest.raises(NotFittedError):
            draw()


def test_a_summary_ranks_the_inputs_by_what_they_do(regressor):
    summary = regressor.summary()
    assert summary.title == "KANRegressor of price from 3 inputs"
    assert [name for name, *_ in summary.terms] == ["area", "city", "idle"]
    assert summary.terms[0][3] == "rises" and summary.terms[1][3] == "is highest for Köln, lowest for Ulm"
    assert "additive" in str(summary) and repr(summary) == str(summary)


def test_a_notebook_shows_a_short_table(regressor):
    page = regressor._repr_mimebundle_()["text/html"]
    assert "KANRegressor of price from 3 inputs" in page and "is highest for Köln" in page
    assert len(page) < 12_000 and "<script" not in page
    assert "Not fitted" in KANRegressor()._repr_html_()


@pytest.mark.slow
def test_a_report_without_rows_has_the_held_out_score(regressor):
    X, y = houses()
    content = regressor.report().content
    assert content.split == {"training": len(X)} and not content.comparison.models
    assert content.cautions[-1].startswith("No test rows were given, so how well")
    model = KANRegressor(effort="low").fit(X[["area"]], y)
    text = model.report().html
    assert "On the held-out rows the R² of the KAN is 0.8" in text and "R² on held-out rows" in text
    assert "On the held-out rows by which the model was chosen, the R² was 0.8" in text
    assert "No rows were given, and a model keeps none of its training rows" in text
    assert "its number of training rows" in text and "up to 300 combinations of values" in text
    assert "No test rows were given. The score is that" in text


def test_a_report_takes_rows_by_name(regressor):
    with pytest.raises(InputError, match=r"path must be the name of a file, got DataFrame; .* report\(X=X, y=y\)"):
        regressor.report(*houses(5))


@pytest.mark.slow
def test_a_report_of_a_regressor(regressor, tmp_path):
    X, y = houses(60)
    report = regressor.report(tmp_path / "r.html", X, y)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text == report.html
    assert "Of the 3 levels of city, price is highest for Köln" in text
    assert "R² on 60 test rows" in text and "The score rests on only 60 test rows" in text
    with pytest.raises(InputError, match="X and y must be given together"):
        regressor.report(X=X)


@pytest.mark.slow
def test_the_formulas_of_a_model_are_a_table_in_its_report():
    X = np.random.default_rng(0).uniform(1, 2, (60, 1))
    model = KANRegressor(**SETTINGS).fit(X, 2 * X[:, 0] + 1).fit_equations(X, 2 * X[:, 0] + 1, time_limit=2)
    text = model.report().html
    best = model.equations_.best.formula.text(4)
    assert f"<pre><code>y = {best}</code></pre>" in text.replace("<wbr>", "") and '<table class="formulas">' in text
    assert '<figure class="formulas">' in text


@pytest.mark.slow
def test_a_report_of_curves_says_what_a_formula_with_a_product_means():
    X = np.random.default_rng(0).uniform(1, 2, (60, 2))
    model = KANRegressor(**SETTINGS).fit(X, X[:, 0] * X[:, 1]).fit_equations(X, X[:, 0] * X[:, 1], time_limit=2)
    content = model.report().content
    assert content.joint[0].startswith("The model is a sum of one curve of each input: it has no pairs of inputs")
    assert content.joint[1].startswith("The formula joins x_1 and x_2 in one term")
    first_page = model.report().html.split("<details>")[0]
    assert all(sentence in first_page for sentence in content.joint)
    assert "edges" not in {figure.kind for figure in content.figures}  # they are the effects of the first page


@pytest.mark.slow
def test_a_report_explains_every_class_each_in_its_colour(classifier):
    model, X, kind = classifier
    content = model.report(X=X, y=kind).content
    assert list(content.class_findings) == ["ash", "elm", "oak"]
    assert all("the probability of oak" in sentence for sentence in content.class_findings["oak"])
    drawn = {one.group: one.figure for one in content.figures if one.kind == "effects"}
    assert set(drawn) == {"", "ash", "elm", "oak"}
    lines = [line for line in drawn["oak"].axes[0].lines if line.get_color() == COLORS[2]]
    assert lines and titles(drawn["oak"])[0] == "long"
    legend = drawn[""].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["ash", "elm", "oak"]


def test_columns_that_are_nearly_the_same_are_named():
    a = np.linspace(0, 1, 50)
    codes = np.stack([a, a + 1e-3 * np.cos(40 * a), np.cos(9 * a), np.zeros(50)], 1)
    (sentence,) = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in "abcd"])
    assert sentence.startswith("a and b are nearly the same (correlation 1.00)")
    codes[:, 1] *= -1
    (sentence,) = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in "abcd"])
    assert sentence.startswith("a and b are nearly opposite (correlation \N{MINUS SIGN}1.00)")


@pytest.mark.slow
def test_several_targets_and_survival_times_are_summarised_and_shown():
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = KANRegressor(**SETTINGS).fit(X, np.stack([X[:, 0], X[:, 1] ** 2], 1))
    assert {effect for *_, effect in model.summary().terms} == {"y1 rises", "y2 falls, then rises"}
    assert len(model.plot().legends) == 1
    explanation = explained(model, model.background_)
    assert explanation is not None and explanation.outputs == ("y1", "y2")
    survival = KANSurvival(pairs="none").fit(X, (np.ones(60, dtype=bool), np.exp(-X[:, 0])))
    assert "KANSurvival" in survival._repr_html_()
    assert titles(survival.plot())[0] == "x1"


def test_a_bare_network_is_a_short_table_in_a_notebook():
    page = KAN([3, 2, 1], grid_size=4)._repr_html_()
    assert "[3, 2, 1]" in page and len(page) < 3_000


def test_a_search_shows_its_candidates_and_the_summary_their_held_out_score():
    X = np.random.default_rng(0).normal(size=(60, 1))
    model = KANRegressor().fit(X, X[:, 0])
    page = model.search_._repr_html_()
    assert "held-out loss" in page and page.count("<tr>") == len(model.search_.trials) + 1
    assert dict(model.summary().facts)["held-out R²"].startswith(("1 ±", "0.99"))


@pytest.mark.slow
def test_a_model_that_is_constant_is_one_sentence():
    X, kind = houses(60)[0], np.array(["oak", "elm", "elm"] * 20)
    model = KANClassifier(**SETTINGS).fit(X, kind)
    with torch.no_grad():
        for part in model.model_.parameters():
            part.zero_()
    sentence = "No input helps: the model always answers"
    content = model.report().content
    assert content.findings[0].startswith(sentence) and not content.inputs and not content.class_findings
    assert not {"effects", "shares"} & {figure.kind for figure in content.figures}
    assert sentence in str(model.summary()) and "moves a prediction" not in str(model.summary())


@pytest.mark.slow
def test_the_overview_of_classes_has_numbers_and_no_sentence_of_weak_inputs(classifier):
    findings = classifier[0].report().content.findings
    text = r"wide matters most for elm, whose probability falls with it, from 0\.\d+ to 0\.\d+\."
    assert re.fullmatch(text, findings[0])


@pytest.mark.slow
def test_summary_and_global_explanation_describe_the_second_of_two_classes():
    rows = np.random.default_rng(0).normal(size=(80, 2))
    for up in (1, -1):
        y = np.where(up * rows[:, 0] > 0, "well", "sick")
        model = KANClassifier(hidden=(), grid_size=3, regularization=1e-3).fit(rows, y)
        summary, explained = model.summary(rows), model.explain_global(rows)
        assert "effect on the probability of well" in str(summary)
        assert "effect on the probability of well" in str(explained)
        word = "rises" if up == 1 else "falls"
        assert summary.terms[0][3] == word
        assert f"the probability of well {word}" in explained.sentences[0]
        shares = [share for _, _, share, _ in summary.terms]
        assert shares == [
            f"{share:.2g} %" for share in 100 * np.sort(explained.importance / explained.importance.sum())[::-1]
        ]
        assert "made-up rows" in str(model.summary())
        assert "effect on the probability of well" in model._repr_html_()
        assert "background_" not in str(summary)


def test_a_category_is_one_panel_of_the_edges(regressor):
    figure = edge_curves(regressor)
    assert titles(figure)[:2] == ["area", "city"]
    panel = figure.axes[1]
    heights = dict(
        zip([t.get_text() for t in panel.get_xticklabels()], [b.get_height() for b in panel.patches], strict=True)
    )
    assert heights["Köln"] - heights["Ulm"] == pytest.approx(90_000, rel=0.05)


def test_a_report_reads_targets_in_text_as_the_fit_does():
    x = np.random.default_rng(3).uniform(size=(40, 2))
    numbers = np.linspace(1, 2, 40)
    model = KANRegressor(effort="low").fit(x, numbers)
    assert model.report(X=x, y=numbers.astype(str)).html == model.report(X=x, y=numbers).html
    with pytest.raises(ValueError):
        model.score(x, numbers, sample_weight=np.zeros(40))
