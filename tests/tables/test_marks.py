"""Numbers with decimal commas, marks between thousands and signs of currencies; codes with zeros; codes of missing."""

import json

import numpy as np
import pytest

from edgewise.checkpoint import codec
from edgewise.errors import InputError
from edgewise.tables import InputEncoder, Table, read_table
from edgewise.tables.cells import parse_dates
from edgewise.tables.frames import array_table

Y = np.sqrt(np.arange(12.0))


def encoded(cells):
    kind = object if any(isinstance(cell, str) for cell in cells) else np.float64
    data = Table(("a", "y"), {"a": np.array(cells, dtype=kind), "y": Y[: len(cells)]})
    return InputEncoder.fit(data.drop(["y"])), data


@pytest.mark.parametrize(
    ("cells", "values", "words"),
    [
        (["127,5", "0,25", "-3", None], [127.5, 0.25, -3, np.nan], "decimal commas"),
        (["1.234.001,50", "12,1", "950"], [1234001.5, 12.1, 950], "decimal commas"),
        (["€ 12", "€ 1.500", "7 €"], [12, 1500, 7], "dots between thousands"),
        (["1,234", "950", "12,001.5"], [1234, 950, 12001.5], "commas between thousands"),
        (["1 234", "2 000", "3"], [1234, 2000, 3], "signs or spaces"),
        (["12 %", "3.5%", "7 %"], [12, 3.5, 7], "signs or spaces"),
    ],
)
def test_a_column_of_one_convention_is_numbers(cells, values, words):
    encoder, data = encoded(cells * 3)
    assert any(f"Column 'a' is read as numbers with {words}" in note for note in encoder.notes)
    codes = encoder.inputs[0].codes(data)
    np.testing.assert_array_equal(codes[: len(values)], values)
    again = codec.read(InputEncoder, json.loads(json.dumps(codec.plain(encoder))), "encoder")
    assert again == encoder  # a single row is read as the training rows were
    one = Table(("a",), {"a": np.array(["1,234"], dtype=object)})
    assert again.inputs[0].codes(one)[0] == (1.234 if again.inputs[0].mark == "," else 1234)
    frame = array_table(np.array([[cell] for cell in cells], dtype=object))
    np.testing.assert_array_equal(again.inputs[0].codes(Table(("a",), {"a": frame.columns["x"]})), values)


def test_mixed_conventions_are_refused_in_words():
    with pytest.raises(InputError, match="column 'a' looks like numbers with decimal commas, got 'much' in row 3"):
        encoded(["127,5", "1,25", "much", "3,5"])
    encoder, _ = encoded([1.0, 2.0, 4.0])
    new = Table(("a",), {"a": np.array(["127,5"], dtype=object)})
    with pytest.raises(InputError, match="as in training, but looks like numbers with decimal commas, got '127,5'"):
        encoder.inputs[0].codes(new)


def test_codes_with_zeros_in_front_are_categories(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("plz,month,y\n" + "".join(f"{['01003', '10001'][i % 2]},0{1 + i % 3},{i}.5\n" for i in range(12)))
    data = read_table(path)
    encoder = InputEncoder.fit(data.drop(["y"]))
    assert encoder.inputs[0].levels == ("01003", "10001") and data.columns["month"][2] == 3.0
    assert any("Column 'plz' is a category" in note and "zeros in front" in note for note in encoder.notes)
    numbers = Table(("plz",), {"plz": np.array([1003.0, 10001.0])})  # as pandas reads them
    assert encoder.inputs[0].codes(numbers).tolist() == [0.0, 1.0]


def test_a_code_of_missing_values_is_pointed_out():
    sentence = "Column 'a': -999 in 1 row lies far from all other values and looks like a code for a missing value"
    assert any(sentence in note for note in encoded([-999.0, *range(50, 61)])[0].notes)
    for cells in ([0.0, 1.0] * 6, [*range(11), 40.0], [-9.0, *range(11)], [-1000.5, *range(11)]):
        assert not any("code for" in note for note in encoded(cells)[0].notes)


def test_a_number_far_from_all_others_is_pointed_out():
    sentence = "Column 'a': 1e+300 in row 3 is more than 1,000,000 times as far from all other values as these"
    assert any(sentence in note for note in encoded([0.0, 1.0, 1e300, *range(2, 11)])[0].notes)
    for cells in ([*range(11), 1e6], [0.0, 1.0, 1e300], [5.0] * 11 + [1e300], [1e300, 1e299, *range(10)]):
        assert not any("times as far" in note for note in encoded(cells)[0].notes)


def test_the_order_of_day_and_month_is_kept():
    encoder, _ = encoded(["25/03/2020", "01/02/2020", "03/03/2020"])
    assert encoder.inputs[0].day_first is True
    new = Table(("a",), {"a": np.array(["04/03/2020"], dtype=object)})
    assert encoder.inputs[0].text(encoder.inputs[0].codes(new)[0]) == "2020-03-04"
    new = Table(("a",), {"a": np.array(["03/25/2020"], dtype=object)})
    with pytest.raises(InputError, match=r"dates as in training \(day/month/year\), got '03/25/2020' in row 1"):
        encoder.inputs[0].codes(new)
    assert parse_dates(np.array(["1/2/2020"], dtype=object)) is None
