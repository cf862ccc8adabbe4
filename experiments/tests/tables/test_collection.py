"""The collection of tables: halves, columns, missing values, categories and groups; no package of tables is needed."""

import numpy as np
import pytest

from edgewise_experiments.tables.collection import COLLECTION, MOST_ROWS, Entry, entries

pandas = pytest.importorskip("pandas")


def frame():
    return pandas.DataFrame(
        {
            "size": [1.0, 2.0, np.nan, 4.0, 5.0],
            "colour": ["red", "blue", "red", "red", "blue"],
            "code": [7, 9, 7, 9, 9],
            "house": ["a", "a", "b", "b", "c"],
            "price": [10.0, 20.0, 30.0, 40.0, 50.0],
        }
    )


def test_names_differ_and_both_halves_are_of_similar_size():
    names = [entry.name for entry in COLLECTION]
    assert len(set(names)) == len(names)
    counts = [len(list(entries(half))) for half in ("open", "unopened")]
    assert min(counts) >= 15 and sum(counts) >= 30
    assert len(list(entries())) + len(list(entries(survival=True))) == len(COLLECTION)


def test_the_halves_stay_as_they_were_chosen():
    # The hash of the names decided before any table was fitted; renaming a table may not move it.
    found = {entry.name: entry.half for entry in COLLECTION}
    assert found["wages"] == found["superstore"] == "open"
    assert found["bananas"] == found["votes"] == found["recidivism"] == "unopened"


def test_no_table_predicts_its_target_from_itself():
    for entry in COLLECTION:
        assert entry.target not in entry.inputs.split(), entry.name
        assert set(entry.categories.split()) <= set(entry.inputs.split()), entry.name


def test_columns_become_numbers_and_rows_with_missing_values_go():
    entry = Entry("made", "none", frame, "price", "size colour code", categories="code", group="house")
    table, names = entry.columns()
    assert names == ["size", "colour=blue", "colour=red", "code=7", "code=9"]
    assert table.X.tolist() == [[1, 0, 1, 1, 0], [2, 1, 0, 0, 1], [4, 0, 1, 0, 1], [5, 1, 0, 0, 1]]
    assert table.y.tolist() == [10, 20, 40, 50]
    assert table.group.tolist() == [0, 0, 1, 2]


def test_a_star_stands_for_all_inputs_and_classes_become_codes():
    entry = Entry("made", "none", lambda: frame()[["size", "colour"]], "colour", "*", "classification")
    table, names = entry.columns()
    assert names == ["size"] and table.y.tolist() == [1, 0, 1, 0]


def test_large_tables_are_reduced_alike_each_time():
    rows = MOST_ROWS + 500
    entry = Entry("made", "none", lambda: pandas.DataFrame({"x": np.arange(rows), "y": np.arange(rows)}), "y", "x")
    first, again = entry.table(), entry.table()
    assert first.X.shape == (MOST_ROWS, 1)
    assert np.array_equal(first.X, again.X) and np.array_equal(first.X[:, 0], first.y)
    assert (np.diff(first.y) > 0).all()
