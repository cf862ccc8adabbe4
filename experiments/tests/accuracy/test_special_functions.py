"""The experiment on special functions: quick run, the paper's best KAN, pykan on the same domains."""

from experiments.tests.made_rows import accuracy_row, pykan_row

from edgewise_experiments.accuracy import special_functions
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS


def test_the_best_kan_is_to_be_beaten_and_pykan_shown():
    rows = [accuracy_row(name, rmse=0.1 * target.paper["kan"]) for name, target in SPECIAL_FUNCTIONS.items()]
    runs = [
        pykan_row("kv", [2, 2, 1], 1e-3, 50.0),
        pykan_row("kv", [2, 5, 1], 2.52e-4, 80.0),
        pykan_row("toy 2", [2, 1, 1], 1, 1),
    ]
    outcome = special_functions.summary([*rows, *runs])
    figures = outcome.key_figures
    assert figures["functions whose median is below the paper's best KAN"] == "15 of 15"
    assert figures["median of times lower"] == figures["smallest of times lower"] == "10"
    paper, same, _ = outcome.tables
    assert len(paper.rows) == 15
    assert same.rows == (("kv", "2.5e-06", "10", "[2,5,1]", "2.5e-04", "80", "100", "-", "-", "-", "-"),)


def test_the_best_mlp_is_that_with_the_lowest_held_out_error():
    mlps = [
        accuracy_row("kv", rmse=rmse, model="MLP", validation_rmse=held_out)
        for rmse, held_out in ((1e-5, 3e-5), (4e-5, 2e-5), (1e-9, None))
    ]
    _, same, _ = special_functions.summary([accuracy_row("kv", rmse=2e-6), *mlps]).tables
    assert same.rows[0][3:] == ("-", "-", "-", "-", "100", "4.0e-05", "10", "20")


def test_without_rows_there_is_nothing_to_show():
    assert special_functions.summary([]).tables == ()
