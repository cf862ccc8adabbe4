"""Numbers as people write them, and tables for notebooks."""

import math

import numpy as np
import pytest

from edgewise.presentation import (
    column_texts,
    html_table,
    number_text,
    number_texts,
    percent_text,
    r2_text,
    seconds_text,
    text_table,
    text_with_error,
    tick_texts,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (78263.4, 3, "78,300"),
        (-118934.0, 4, "−118,934"),  # a whole number stays exact
        (-118934.2, 4, "−118,900"),
        (1987.0, 3, "1987"),
        (0.5, 4, "0.5"),
        (9.9996, 4, "10"),
        (1e-30, 4, "1·10⁻³⁰"),
        (1.5e20, 4, "1.5·10²⁰"),
        (0.0, 4, "0"),
        (math.nan, 4, "–"),
        (-math.inf, 4, "−∞"),
        (np.float32(0.25), 4, "0.25"),
    ],
)
def test_numbers_as_people_write_them(value, digits, text):
    assert number_text(value, digits) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (3.2e13, 1.3e12, "3.2·10¹³ ± 1.3·10¹²"),
        (3.25e-9, 0.0012, "3.25·10⁻⁹ ± 1.2·10⁻³"),
        (0.5, 8.3e-10, "0.5 ± 8.3·10⁻¹⁰"),
        (1234.567, 12.34, "1234.57 ± 12"),
        (3.2e13, math.inf, "3.2·10¹³ ± ∞"),
    ],
)
def test_a_number_and_its_error_have_one_notation(value, error, text):
    assert text_with_error(value, error) == text


def test_numbers_of_one_quantity_share_their_decimals():
    assert number_texts([0.1, 0.25, 1.0]) == ["0.100", "0.250", "1.000"]
    assert number_texts([1900, 2023]) == ["1900", "2023"]
    assert number_texts([math.nan, 3.0]) == ["–", "3"]
    assert number_texts([2.0, 2.0]) == ["2", "2"]


def test_ticks_need_no_more_decimals_than_their_distance():
    assert tick_texts([-20000.0, 0.0, 20000.0]) == ["−20,000", "0", "20,000"]
    assert tick_texts([-0.5, -1e-17, 0.5]) == ["−0.5", "0.0", "0.5"]
    assert tick_texts([]) == []


def test_shares_never_look_exact_when_they_are_not():
    assert percent_text(0.99996) != "100 %"
    assert (percent_text(0.0), percent_text(5.93)) == ("0 %", "590 %")
    assert r2_text(0.999999) == "0.9999990"
    assert r2_text(-5e307) == "\N{MINUS SIGN}5·10³⁰⁷"


def test_html_escapes_every_text_and_names_no_colour_of_a_page():
    evil = "<script>alert(1)</script>"
    page = html_table([evil], [[evil]], caption=evil, notes=[evil], marked=0)
    assert "<script>" not in page
    assert "color:inherit" in page and "#fff" not in page


def test_a_text_table_aligns_numbers_at_the_right():
    lines = text_table(["name", "value"], [["a", "1"], ["long name", "10"]]).splitlines()
    assert [len(line) for line in lines] == [16, 16, 16]


def test_numbers_below_each_other_have_the_same_separators():
    assert column_texts([14_300.0, 3270.0, 12.5]) == ["14,300", "3,270", "12.5"]
    assert number_texts([3270.0, 14_300.0]) == ["3,300", "14,300"]
    assert number_texts([1900.0, 2022.0]) == ["1900", "2022"]


def test_a_single_second_is_no_plural():
    assert [seconds_text(each) for each in (0.4234, 1.0, 1.0001, 12)] == [
        "0.423 seconds",
        "1 second",
        "1 second",
        "12 seconds",
    ]
