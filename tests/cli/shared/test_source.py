"""DATA: files and packaged tables; lists of column names."""

import pytest

from edgewise.cli.shared.source import listed, open_source, select
from edgewise.errors import FileError, InputError


def test_a_packaged_name_wins_over_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "knots").write_text("a,b\n1,2\n")
    assert open_source("knots").table.n_rows == 8000
    assert open_source("./knots").table.names == ("a", "b")
    with pytest.raises(FileError, match="no such file"):
        open_source("knot")


def test_select_keeps_the_order_asked_for(numbers):
    table = select(open_source(str(numbers)).table, ["y", "a"], "--features")
    assert table.names == ("y", "a") and set(table.columns) == {"y", "a"}
    with pytest.raises(InputError, match=r"--features must name a column of .*, got 'z'; its columns are 'y', 'a'"):
        select(table, ["z"], "--features")


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ()), ("a", ("a",)), ("a, b,c d", ("a", "b", "c d")), ('"a, b",c', ("a, b", "c"))],
)
def test_lists(text, names):
    assert listed(text, "--drop") == names


@pytest.mark.parametrize("text", ["", "a,", ",a", '"a'])
def test_bad_lists(text):
    with pytest.raises(InputError, match="--drop must be names with commas in between"):
        listed(text, "--drop")
