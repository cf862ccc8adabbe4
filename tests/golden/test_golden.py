"""The comparison of golden rows can fail, and the stored files have the rows that are made."""

import json
from collections import Counter

import pytest

from tests.golden.comparison import file_differences
from tests.golden.runner import FOLDER, KINDS, all_names, bits, ordered, read, write

STORED = {
    "fit": {"score": 0.5, "standard_error": 0.02, "bits": "aa", "seconds": 1.0},
    "equation": {"tier": "collocation", "error": 4e-6, "estimate": 6e-6, "floor": 1e-11, "bits": "bb", "seconds": 2.0},
    "law": {"law": "2*x", "exact": True, "error": 3e-16, "bits": "cc", "seconds": 3.0},
}


def differences(row, *, by_bits=False, **changes):
    made = {name: dict(fields) for name, fields in STORED.items()}
    made[row] |= changes
    return list(file_differences(STORED, made, by_bits=by_bits))


@pytest.mark.parametrize(
    ("row", "changes", "clause"),
    [
        ("fit", {"score": 0.53}, "fit: score was 0.5 and is 0.53"),
        ("equation", {"tier": "network"}, "equation: tier was collocation and is network"),
        ("equation", {"error": 9e-6}, "equation: error was 4e-06 and is 9e-06"),
        ("equation", {"error": 1e-6}, "equation: error was 4e-06 and is 1e-06"),
        ("equation", {"estimate": 3e-5}, "equation: estimate was 6e-06 and is 3e-05"),
        ("equation", {"estimate": None}, "equation: estimate was 6e-06 and is None"),
        ("law", {"law": "2.1*x"}, "law: law was 2*x and is 2.1*x"),
        ("law", {"exact": False}, "law: exact was True and is False"),
        ("law", {"error": 1e-3}, "law: error was 3e-16 and is 0.001"),
        ("law", {"raised": "ValueError: no"}, "law: raised was None and is ValueError: no"),
    ],
)
def test_a_change_is_seen(row, changes, clause):
    assert differences(row, **changes) == [clause]


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ("fit", {"score": 0.519, "bits": "dd", "seconds": 9.0}),
        ("equation", {"error": 7e-6, "estimate": 2e-5}),
        ("law", {"error": 8e-13}),
    ],
)
def test_what_processors_change_is_not(row, changes):
    assert not differences(row, **changes)


def test_rows_that_are_missing_or_new():
    made = {"fit": STORED["fit"], "other": STORED["law"]}
    lines = ["equation: the row is missing", "law: the row is missing", "other: the row is not stored"]
    assert list(file_differences(STORED, made)) == lines


def test_bits_on_one_machine():
    assert differences("fit", by_bits=True, bits="dd") == ["fit: the bits differ"]
    assert bits([0.1 + 0.2]) != bits([0.3]) and bits([0.5, 1]) == bits([0.5], 1)


def test_the_order_of_a_sum_is_no_other_law():
    assert ordered("exp(y**2 + sin(pi*E))/2", ["y", "E"]) == ordered("1/2*exp(sin(pi*E) + y**2)", ["y", "E"])


def test_a_file_comes_back_with_its_commit_and_machine(tmp_path):
    write(tmp_path, "laws", STORED)
    assert read(tmp_path, "laws") == STORED and read(tmp_path, "edits") == {}
    head = json.loads((tmp_path / "laws.json").read_text())
    assert len(head["commit"]) == 40 and head["machine"]["processor"] and head["seconds"] == 6.0


def test_every_kind_has_its_rows():
    """Drivers import by public names, whose moves are seen here."""
    counts = Counter(kind for kind, _ in all_names(KINDS))
    least = {"tables": 40, "equations": 40, "laws": 53, "edits": 20, "networks": 10}
    assert all(counts[kind] >= least[kind] for kind in KINDS)


def test_all_rows_are_stored():
    stored = {kind: read(FOLDER, kind) for kind in KINDS}
    assert {(kind, name) for kind in KINDS for name in stored[kind]} == set(all_names(KINDS))
    assert not [name for kind in KINDS for name, row in stored[kind].items() if "raised" in row]
