"""An estimator draws, summarises and reports itself, in the units and names of the user."""

import numpy as np
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import InputError
from edgewise.estimator import display, reporting
from edgewise.estimator.reporting import alike_sentences
from edgewise.plot import edge_curves, network_diagram
from edgewise.report.wording import method_sentence
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


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


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
def test_a_report_of_a_regressor(regressor, tmp_path):
    X, y = houses(60)
    report = regressor.report(tmp_path / "r.html", X, y)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text == report.html
    assert "Of the 3 levels of city, price is highest for Köln" in text
    assert "R² on 60 test rows" in text and "The score rests on only 60 test rows" in text
    with pytest.raises(InputError, match="X and y must be given together"):
        regressor.report(X=X)


def figures_of(content, kind):
    return {one.group: one.figure for one in content.figures if one.kind == kind}


def test_a_report_computes_the_contributions_once_and_draws_what_moves_the_prediction(regressor, monkeypatch):
    calls = []
    monkeypatch.setattr(display, "mean_contributions", lambda *given: calls.append(given))
    X, _ = houses(60)
    content = regressor.report(X=X.assign(idle=0.0), y=houses(60)[1]).content
    assert not calls
    assert titles(figures_of(content, "effects")[""]) == ["area", "city"]
    # The curves of the network's edges are those effects.
    assert not figures_of(content, "edges")


def test_the_number_of_coefficients_is_that_of_the_search_wherever_a_model_is_shown():
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, (120, 5))
    model = KANRegressor(effort="low").fit(X, np.sin(3 * X[:, 0]) + 0.3 * rng.standard_normal(120))
    count = model.search_.chosen_trial.parameters
    freedom = f"{model.inference_.edf:.3g}"
    assert count < model.parameter_count_ / 3
    assert dict(model.summary().facts)["coefficients"] == str(count)
    content = reporting.page_content(model, model.background_, None, None, title="")
    assert content.training["coefficients"] == count == content.comparison.own.parameters
    sizes = f"it has {count} free coefficients and {freedom} effective degrees of freedom"
    assert sizes in method_sentence(content)


def test_columns_that_are_nearly_the_same_are_named():
    a = np.linspace(0, 1, 50)
    codes = np.stack([a, a + 1e-3 * np.cos(40 * a), np.cos(9 * a), np.zeros(50)], 1)
    (sentence,) = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in "abcd"])
    assert sentence.startswith("a and b are nearly the same (correlation 1)")
    codes[:, 1] *= -1
    (sentence,) = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in "abcd"])
    assert sentence.startswith("a and b are nearly opposite (correlation \N{MINUS SIGN}1)")
    codes[:, 1] = np.sin(5 * a)
    codes[:, 3] = codes[:, 1] + codes[:, 2] + 0.02 * np.cos(70 * a)
    (sentence,) = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in "abcd"])
    assert sentence.startswith("b, c and d nearly follow from the other inputs together (R² of at least 0.9)")


@pytest.mark.parametrize(
    ("factors", "constant", "said"),
    [
        ((1, 1, 1), 0, "total is a + b + c in every row"),
        ((1, 1, 0), 0, "total is a + b in every row"),
        ((1, 1, -1), 0, "total is a + b − c in every row"),
        ((2, 0.5, 0), 3, "total is 2 a + 0.5 b + 3 in every row"),
        ((-1, -1, -1), 100, "a + b + c + total is 100 in every row"),
    ],
)
def test_sums_of_columns_that_equal_another_are_named(factors, constant, said):
    """Columns of numbers with two decimals, the last in single precision."""
    rows = np.random.default_rng(0).uniform(0, 50, (90, 3)).round(2)
    total = (rows @ np.array(factors) + constant).astype(np.float32)
    codes = np.column_stack([rows, total])
    names = ("a", "b", "c", "total")
    sentences = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in names])
    assert [one.split(":")[0] for one in sentences if "in every row" in one] == [said]
    # A sum that is only near is none.
    codes[:, 3] = (codes[:, 3] + np.random.default_rng(1).normal(0, 0.01, 90)).round(2)
    sentences = alike_sentences(codes, [NumberInput(name, 0.0, -1.0, 1.0, flag=False) for name in names])
    assert not any("in every row" in one for one in sentences)


def test_a_report_reads_targets_in_text_as_the_fit_does():
    x = np.random.default_rng(3).uniform(size=(40, 2))
    numbers = np.linspace(1, 2, 40)
    model = KANRegressor(effort="low").fit(x, numbers)
    assert model.report(X=x, y=numbers.astype(str)).html == model.report(X=x, y=numbers).html
    with pytest.raises(ValueError):
        model.score(x, numbers, sample_weight=np.zeros(40))


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "scale"), [(2, "log odds"), (3, "logit")])
def test_the_maps_of_a_pair_show_the_probability_of_the_class_of_their_sentence(classes, scale):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (240, 2))
    y = np.digitize(X[:, 0] * X[:, 1] + 0.3 * X[:, 0], [0.0, 1.0][: classes - 1])
    model = KANClassifier(hidden=(2,), grid_size=3, regularization=1e-2).fit(X, y)
    content = model.report().content
    (pair,) = [one for one in content.figures if one.kind == "pair"]
    shown = titles(pair.figure)[0]
    assert f"Both maps show the {shown};" in pair.caption
    name = shown.removeprefix("probability of ")
    assert f"belongs to the {scale} of {name}," in pair.caption
    assert any(f"of the variation of the {scale} of {name} is a joint effect" in text for text in content.joint)
