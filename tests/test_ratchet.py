"""What a reader must hold in the head only gets less: see tests/ratchet.py. And each count counts."""

import json

import pytest

from tests.ratchet import TABLE, faults, import_counts, improved, library, source_counts


@pytest.fixture(scope="module")
def table():
    return json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_source_gets_no_harder_to_read(table):
    worse = faults(source_counts(library()), table)
    assert not worse, "\n".join(worse)


@pytest.mark.slow
def test_the_regressor_loads_no_more_modules(table):
    worse = faults(import_counts(), table)
    assert not worse, "\n".join(worse)


NUMPYDOC = '"""Sum.\n\n    Returns\n    -------\n    float\n    """'


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("conditional expressions per 1,000 lines of code", "x = 1 if y else 2\n\n# a comment\nz = 1", 500),
        ("assignments of a tuple to a tuple per 1,000 lines of code", "def f():\n    x, y = 1, 2\n    x, y = z", 333.3),
        ("comment lines inside functions per 1,000 lines of code", "# no\ndef f():\n    # yes\n    return 1", 500),
        ("constants at the top of modules", "A, _B = 1, 2\nC: int = 3\nd = 4\ndef f():\n    E = 5", 3),
        ("isinstance and hasattr", "isinstance(a, b) and hasattr(a, c) and getattr(a, d)", 2),
        ("names in lists of public names", "__all__ = ['f', 'g']\nNAMES = ['h']", 2),
        ("lines of numpydoc of internal names", f"def f():\n    {NUMPYDOC}", 6),
        ("lines of numpydoc of internal names", f"__all__ = ['f']\ndef f():\n    {NUMPYDOC}", 0),
        ("lines of numpydoc of internal names", f"__all__ = ['A']\nclass A:\n  def f(self):\n    {NUMPYDOC}", 0),
        ("lines of numpydoc of internal names", f"__all__ = ['A']\nclass A:\n  def _f(self):\n    {NUMPYDOC}", 6),
        ("lines of numpydoc of internal names", 'def f():\n    """Sum."""', 0),
    ],
)
def test_each_count(name, text, count):
    assert source_counts([text])[name] == count


def test_the_length_of_code_changes_no_count():
    text = "def f():\n    # A step.\n    x = 1 if y else 2\n"
    assert source_counts([text] * 3) == source_counts([text])


@pytest.mark.parametrize(
    ("may_only", "count", "is_worse"),
    [("fall", 103, True), ("fall", 101, False), ("fall", 40, False), ("rise", 97, True), ("rise", 300, False)],
)
def test_a_worse_count_is_a_fault(may_only, count, is_worse):
    table = {"ideas": {"may_only": may_only, "goal": {"fall": 50, "rise": 200}[may_only], "stored": 100}}
    assert bool(faults({"ideas": count}, table)) == is_worse
    better = {"fall": min, "rise": max}[may_only](100, count)
    assert improved({"ideas": count}, table)["ideas"]["stored"] == better


def test_a_count_beyond_its_goal_may_return_to_it():
    table = {"ideas": {"may_only": "fall", "goal": 50, "stored": 40}}
    assert faults({"ideas": 50}, table) == []
    assert faults({"ideas": 51}, table) != []
