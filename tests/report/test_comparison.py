"""Tests of the sentences that set the KAN beside the other models."""

import pytest

from edgewise.report.comparison import comparison_sentences
from edgewise.report.content import ModelResult, ReportContent


def say(*models, **settings):
    return " ".join(comparison_sentences(ReportContent("t", models=models, **settings)))


def test_ahead_and_behind_are_said_in_the_same_words():
    ahead = say(ModelResult("KAN", 0.9), ModelResult("MLP", 0.88), score_name="accuracy", score_percent=True)
    behind = say(ModelResult("KAN", 0.86), ModelResult("MLP", 0.88), score_name="accuracy", score_percent=True)
    assert ahead == (
        "On the test rows the accuracy of the KAN is 90.0 %. "
        "It is 2.0 percentage points ahead of the other model, MLP (88.0 %)."
    )
    assert behind == (
        "On the test rows the accuracy of the KAN is 86.0 %. "
        "It is 2.0 percentage points behind the other model, MLP (88.0 %)."
    )


def test_the_best_of_the_others_is_named():
    text = say(ModelResult("KAN", 0.5), ModelResult("MLP", 0.4), ModelResult("trees", 0.6), split={"test": 1600})
    assert text.startswith("On the 1,600 test rows")
    assert "0.1 behind the best of the other models, trees (0.6)" in text


@pytest.mark.parametrize(("ours", "word"), [(1.0, "1 ahead of"), (3.0, "1 behind")])
def test_an_error_is_better_when_lower(ours, word):
    text = say(ModelResult("KAN", ours), ModelResult("MLP", 2.0), ModelResult("linear", 9.0), higher_is_better=False)
    assert f"It is {word} the best of the other models, MLP (2)" in text


def test_equal_to_the_digits_shown_is_equal():
    text = say(ModelResult("KAN", 0.91234), ModelResult("gradient boosting", 0.91231), score_percent=True)
    assert text.endswith("Gradient boosting, the other model, does equally well.")


def test_a_difference_within_two_standard_errors_may_be_chance():
    def both(gap):
        models = ModelResult("KAN", 0.8, error=0.3), ModelResult("MLP", 0.8 + gap, error=0.4, gap_error=0.05)
        return say(*models, score_percent=True)

    assert "difference of up to 10.0 percentage points may be chance" in both(0.09)
    assert "may be chance" not in both(0.11)


def test_worse_than_the_mean_is_said():
    assert "Below 0 is worse than predicting the mean" in say(ModelResult("KAN", -0.2), score_name="R²")
    assert "Below 0" not in say(ModelResult("KAN", 0.2), score_name="R²")
    assert "Below 0" not in say(ModelResult("KAN", -0.2), score_name="log score")


def test_missing_scores():
    assert say() == ""
    assert say(ModelResult("KAN", None)) == ""
    assert say(ModelResult("KAN", 0.5), ModelResult("MLP", None), ModelResult("x", float("nan"))).endswith("is 0.5.")


@pytest.mark.parametrize(
    ("linear", "boosting", "verdict"),
    [
        (0.70, 0.75, "use the KAN, which is better than linear and boosting beyond chance."),
        (0.70, 0.79, "use the KAN, which is better than linear beyond chance and as good as boosting within chance."),
        (0.79, 0.90, "boosting predicts better than the KAN, beyond chance."),
        (0.79, 0.70, "use linear, which is simpler and as good within chance."),
    ],
)
def test_one_sentence_says_which_model_to_use(linear, boosting, verdict):
    others = ModelResult("linear", linear, 5, gap_error=0.01), ModelResult("boosting", boosting, 900, gap_error=0.01)
    assert say(ModelResult("KAN", 0.8, 60), *others).endswith(f"Verdict: {verdict}")
    assert "Verdict" not in say(ModelResult("KAN", 0.8), ModelResult("linear", 0.7))
