"""Tests of models set beside a KAN, and of the sentence that says which to use."""

import numpy as np
import pytest

from edgewise.metrics import score
from edgewise.report.comparison import Comparison, ModelResult, by_losses


def say(*models, **settings):
    return " ".join(Comparison(models, **settings).sentences)


def beside(own, others, **settings):
    """Return the verdict on a KAN of 60 parameters beside others: name, score, parameters, error of the difference."""
    rows = [ModelResult(name, score, parameters, gap_error=error) for name, score, parameters, error in others]
    return Comparison([ModelResult("KAN", own, 60), *rows], **settings).verdict


def test_the_rows_and_the_standard_error_are_said():
    text = say(ModelResult("KAN", 0.5, error=0.01), score_name="R²", rows="the 1,600 test rows")
    assert text == "On the 1,600 test rows the R² of the KAN is 0.5 (standard error 0.01)."


@pytest.mark.parametrize(
    ("linear", "boosting", "verdict"),
    [
        (0.70, 0.75, "use the KAN, whose R² of 0.8 is 0.1 ahead of linear and 0.05 ahead of boosting, beyond chance."),
        (
            0.70,
            0.79,
            "use the KAN, whose R² of 0.8 is 0.1 ahead of linear, beyond chance, and is as good as that of boosting "
            "within chance.",
        ),
        (0.79, 0.90, "use boosting, whose R² of 0.9 is 0.1 ahead of the KAN, beyond chance."),
        (
            0.79,
            0.70,
            "use linear, which is simpler and as good within chance: its R² is 0.01 behind that of the KAN, and up to "
            "0.02 may be chance.",
        ),
        (
            0.80,
            0.70,
            "use linear, which is simpler and as good within chance: the R² of both is 0.8, and up to 0.02 may "
            "be chance.",
        ),
    ],
)
def test_one_sentence_says_which_model_to_use_and_by_how_much(linear, boosting, verdict):
    others = [("linear", linear, 5, 0.01), ("boosting", boosting, 900, 0.01)]
    assert beside(0.8, others, score_name="R²").startswith(f"Verdict: {verdict}")


def test_equal_scores_of_each_row_do_not_make_the_kan_a_linear_model():
    verdict = "Verdict: use a linear model, which is simpler and as good on each row."
    assert beside(0.8, [("a linear model", 0.8, 5, 0.0)]) == verdict


def test_of_classes_the_log_loss_gives_the_verdict_and_has_a_column():
    rows = np.linspace(0.2, 0.4, 50)
    models = [ModelResult("KAN", 0.8, 90), ModelResult("logistic regression", 0.82, 7, gap_error=0.03)]
    comparison = by_losses(Comparison(models, "accuracy", is_share=True), [rows, rows + 0.1])
    assert comparison.table()[0][1:3] == ("82.0 %", "0.4") and comparison.head[2] == "log loss"
    better = "use the KAN, whose log loss of 0.3 is 0.1 ahead of logistic regression, beyond chance."
    assert comparison.verdict == f"Verdict: {better}" and not comparison.better
    assert by_losses(Comparison(models, "accuracy"), [rows, None]).verdict == ""


def test_of_an_error_the_lower_is_better_and_shares_are_in_points():
    assert "1 ahead of MLP" in beside(1.0, [("MLP", 2.0, 5, 0.1)], higher_is_better=False)
    text = beside(0.9, [("MLP", 0.85, 5, 0.01)], score_name="accuracy", is_share=True)
    assert (
        text == "Verdict: use the KAN, whose accuracy of 90.0 % is 5.0 percentage points ahead of MLP, beyond chance."
    )


def test_a_share_near_one_has_an_interval_that_ends_there():
    error = score("accuracy", np.ones(69), np.ones(69)).error
    rows = [ModelResult("KAN", 1.0, 120, 3.21, error), ModelResult("linear", 0.5, 12, 0.1, error)]
    comparison = Comparison(rows, "accuracy", is_share=True)
    assert [row[1] for row in comparison.table()] == ["100 % (95 % interval: 94.5 % to 100 %)", "50.0 % ± 1.4"]
    assert comparison.sentences[0].endswith("of the KAN is 100 % (95 % interval: 94.5 % to 100 %).")


def test_the_table_has_the_best_first_and_names_failures():
    rows = [
        ModelResult("KAN", 0.9, 120, 3.21, 0.01),
        ModelResult("linear", 0.95, 12, 0.1, gap_error=0.001),
        ModelResult("MLP", None, remark="could not be fitted"),
    ]
    comparison = Comparison(rows, "accuracy", is_share=True)
    assert [row[0] for row in comparison.table()] == ["linear", "KAN", "MLP"]
    assert comparison.table()[1] == ("KAN", "90.0 % ± 1.0", "120", "3.2")
    assert "MLP: could not be fitted.\nVerdict: use linear" in str(comparison)
    assert "<table" in comparison._repr_html_() and "Verdict" in comparison._repr_html_()
