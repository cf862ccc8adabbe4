"""Formulas in cells are found and marked; numbers, shapes and sentences are left alone."""

import pytest

from edgewise_experiments.pages.marking import markdown_cell, split_formula


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("exp(sin(pi*x) + y**2)", ("", "exp(sin(pi*x) + y**2)", "")),
        ("A: lambda mu_r / (mu_r^2 + mu_i^2)", ("A: ", "lambda mu_r / (mu_r^2 + mu_i^2)", "")),
        ("a/b - a", ("", "a/b - a", "")),
        ("(-b + 1)/(a + 1) + b", ("", "(-b + 1)/(a + 1) + b", "")),
        ("KAN [9,6+5x,1] grid 1-6, degree 2", ("KAN [9,6+5x,1] grid 1-6, degree 2", "", "")),
        ("3.2 (max 4.5)", ("3.2 (max 4.5)", "", "")),
        (
            "u_t = 0.1 u_xx on [0, 1], t to 1, sin(pi x) at the start",
            ("", "u_t = 0.1 u_xx", " on [0, 1], t to 1, sin(pi x) at the start"),
        ),
        ("Symmetry_Z/2 + Z/2", ("Symmetry_Z/2 + Z/2", "", "")),
        ("1.2e-05", ("1.2e-05", "", "")),
    ],
)
def test_what_is_a_formula(cell, parts):
    assert split_formula(cell) == parts


def test_marks():
    assert markdown_cell("`lambda` < E*alpha") == "`` `lambda` < E*alpha ``"
    assert markdown_cell("|x| and y") == "`\\|x\\| and y`" and markdown_cell("") == ""
