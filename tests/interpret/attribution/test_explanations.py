"""Partial dependence, shares and explanations of functions whose effects are known."""

import numpy as np
import pytest
import torch

from edgewise.interpret.attribution.effects import central_range, evaluation_points, partial_dependence, shapley_shares
from edgewise.interpret.attribution.explanations import explain_global, explain_local
from edgewise.presentation import signed_text


def rows(count=200, columns=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, columns))


def test_range_and_grid():
    values = np.concatenate([np.linspace(0, 1, 2000), [1e9]])
    assert central_range(values)[1] < 1.01  # one outlier among many is left out
    assert central_range(np.array([3.0, 3.0])) == (2.5, 3.5)
    rare = np.array([0.0] * 999 + [1.0])
    assert central_range(rare) == (0.0, 1.0)
    assert evaluation_points(rare)[1]
    np.testing.assert_array_equal(evaluation_points(rare)[0], [0.0, 1.0])
    assert not evaluation_points(np.linspace(0, 1, 50))[1]


def test_partial_dependence_of_a_product_and_a_square():
    X = rows()
    effect = partial_dependence(lambda X: X[:, 0] ** 2 + X[:, 1] * X[:, 2] + 3, X, 0)
    rest = (X[:, 1] * X[:, 2]).mean() + 3
    np.testing.assert_allclose(effect.mean[:, 0], effect.points**2 + rest, atol=1e-12)
    np.testing.assert_allclose(effect.low, effect.high, atol=1e-12)  # the input acts alone
    assert effect.shape() == "falls, then rises"
    other = partial_dependence(lambda X: X[:, 0] ** 2 + X[:, 1] * X[:, 2] + 3, X, 1)
    assert float((other.high - other.low).max()) > 0.5


@pytest.mark.slow
def test_the_mean_is_that_of_scikit_learn():
    inspection = pytest.importorskip("sklearn.inspection")
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rows(100)
    model = linear_model.LinearRegression().fit(np.c_[X, X[:, 0] * X[:, 1]], X[:, 0] * X[:, 1])
    model.predict = lambda X: np.exp(X[:, 0] * X[:, 1]) + X[:, 2]
    effect = partial_dependence(model, X, 0)
    grid = inspection.partial_dependence(
        model, X, [0], method="brute", custom_values={0: effect.points}, kind="average"
    )
    np.testing.assert_allclose(effect.mean[:, 0], grid["average"][0], rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x, "rises"),
        (lambda x: -x, "falls"),
        (lambda x: 0 * x, "is flat"),
        (lambda x: np.sin(3 * x), "falls, then rises, then falls"),
        (lambda x: np.sin(9 * x), "varies"),
        (lambda x: x + 0.01 * np.sin(40 * x), "rises"),
    ],
)
def test_shapes_in_words(function, words):
    assert partial_dependence(lambda X: function(X[:, 0]), rows(), 0).shape() == words


def test_shares_add_up_and_a_product_is_halved():
    X = rows(20)

    def product(X):
        return torch.from_numpy(np.stack([X[:, 0] * X[:, 1], X[:, 2]], 1))

    own, base = shapley_shares(product, X, np.zeros((1, 3)))
    np.testing.assert_allclose(base + own.sum(1), product(X).numpy(), atol=1e-12)
    np.testing.assert_allclose(own[:, 0, 0], own[:, 1, 0], atol=1e-12)  # Shapley: both get half
    assert own.shape == (20, 3, 2)
    alone, _ = shapley_shares(lambda X: X[:, 0] ** 2, X[:, :1], np.zeros((1, 1)))
    np.testing.assert_allclose(alone[:, 0, 0], X[:, 0] ** 2)


def table(count=300):
    return np.random.default_rng(0).uniform(-1, 1, (count, 4))


def mixed(X):
    return 3 * X[:, 0] * X[:, 1] + X[:, 2] + 10


def test_global_explanation():
    result = explain_global(mixed, table(), names=["a", "b", "c", "d"], outputs=["price"])
    assert result.importance[3] == 0 and (result.importance[:3] > 0.3).all()
    assert {effect.input for effect in result.effects[:3]} == {0, 1, 2}
    assert result.interactions[0, 1] > 0.7 and result.interactions[2:].max() < 1e-9
    text = " ".join(result.sentences)
    assert "price rises" in text and "hardly moves on average" in text
    assert "Without any influence: d." in text and "a and b interact: " in text
    np.testing.assert_allclose(result.local.base + result.local.shares.sum(1), result.local.prediction, atol=1e-12)


def test_local_sentences_and_several_outputs():
    X = table()
    local = explain_local(lambda X: np.stack([mixed(X), -X[:, 3]], 1), X[:5], X, outputs=["big", "small"])
    assert local.sentence(0).startswith("big ") and " on average, " in local.sentence(0)
    assert local.sentence(0, 1).startswith("small ")
    assert local.sentence(2, 0, most=1).endswith("for the others.")
    assert local.names == ("x1", "x2", "x3", "x4")


def test_printed_explanations_have_the_first_rows_and_the_strongest_inputs():
    X = np.random.default_rng(0).uniform(-1, 1, (5, 7))
    X[0, 1] = np.nan
    weight = np.array([7.0, 6, 5, 4, 3, 2, 1])
    local = explain_local(lambda X: np.nan_to_num(X) @ weight, X, X)
    lines = repr(local).splitlines()
    assert lines[:3] == [local.sentence(row) for row in range(3)] and lines[3:] == ["... and 2 more rows"]
    assert local.value_text(0, 1) == "missing" and lines[0].count(" for ") == 6
    page = local._repr_html_()
    assert page.count("<tr") == 1 + 3 * (1 + 5 + 1 + 1) and "2 more rows are not shown." in page
    own = local.shares[1, :, 0]
    left = own[np.argsort(-abs(own))[5:]].sum()
    assert page.count("the others") == 3 and signed_text(float(left), 4) in page
    whole = explain_global(lambda X: X @ np.r_[weight, np.zeros(18)], np.random.default_rng(1).normal(size=(60, 25)))
    names, sizes, shares = zip(*whole.ranking(), strict=True)
    assert names[0] == "x1" and sum(shares) == pytest.approx(1) and list(sizes) == sorted(sizes, reverse=True)
    lines = repr(whole).splitlines()
    assert lines[0].startswith("input") and lines[1].split()[0] == "x1" and lines[1].endswith("rises")
    assert lines[21] == "... and 5 more inputs" and set(lines[22:]) == set(whole.sentences)
    assert whole._repr_html_().count("<tr") == 21


def test_an_input_without_a_hundredth_of_the_effect_hardly_moves_as_in_a_summary():
    X = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    lines = repr(explain_global(lambda X: X @ [1.0, 0.005], X)).splitlines()
    assert lines[1].endswith("rises") and lines[2].endswith("hardly moves")


def test_a_function_that_never_changes_is_one_sentence():
    X = rows(30)
    for values, answer in (
        ([2.5], "2.5"),
        ([0.25, 0.75], "two (75.0 % of the rows)"),
        ([1.0, 3.0], "one = 1 and two = 3"),
    ):
        found = explain_global(lambda X, v=values: np.tile(v, (len(X), 1)), X, outputs=["one", "two"][: len(values)])
        assert f"No input helps: the model always answers {answer}." in " ".join(found.sentences)


def test_classes_that_add_up_in_the_log_odds_do_not_interact():
    X = np.random.default_rng(0).normal(size=(200, 2))

    def of(score):
        return lambda rows: np.column_stack([1 / (1 + np.exp(score(rows))), 1 / (1 + np.exp(-score(rows)))])

    assert explain_global(of(lambda rows: 2 * rows[:, 0] + rows[:, 1] ** 2), X).interactions.max() < 1e-9
    assert explain_global(of(lambda rows: 2 * rows[:, 0] * rows[:, 1]), X).interactions.max() > 0.5


def test_exponentials_of_a_sum_do_not_interact():
    X = np.random.default_rng(0).normal(size=(200, 2))

    def of_sum(rows):
        return np.exp(2 * rows[:, 0] + rows[:, 1] ** 2)

    assert explain_global(of_sum, X, log_link=True).interactions.max() < 1e-9
    assert explain_global(of_sum, X).interactions.max() > 0.1
    assert explain_global(lambda rows: np.exp(rows[:, 0] * rows[:, 1]), X, log_link=True).interactions.max() > 0.5


@pytest.mark.parametrize(("log_link", "scale"), [(False, ""), (True, " of the logarithm of the prediction")])
def test_an_interaction_names_the_scale_on_which_the_model_adds_up(log_link, scale):
    X = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    explanation = explain_global(lambda X: np.exp(X[:, 0] * X[:, 1]), X, names=["a", "b"], log_link=log_link)
    assert f"of the variation{scale} is a joint effect" in explanation.joint[0]


def test_an_interaction_of_classes_is_one_of_their_log_odds():
    X = np.random.default_rng(0).uniform(-2, 2, (100, 2))

    def sure(X):
        share = 1 / (1 + np.exp(-3 * X[:, 0] - 3 * X[:, 1]))  # a logistic curve of a sum is no interaction
        return np.column_stack([1 - share, share])

    assert "by more than 5 % of the variation of the log odds" in explain_global(sure, X, names=["a", "b"]).joint[0]
