"""DATA: files and packaged tables."""

import pytest

from edgewise.cli.shared.source import open_source, select_columns
from edgewise.errors import FileError, InputError


@pytest.mark.slow
def test_a_packaged_name_wins_over_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "knots").write_text("a,b\n1,2\n")
    assert open_source("knots").table.n_rows == 8000
    assert open_source("./knots").table.names == ("a", "b")
    with pytest.raises(FileError, match="no such file"):
        open_source("knot")


def test_columns_come_in_the_requested_order(numbers):
    table = select_columns(open_source(str(numbers)).table, ["y", "a"], "--features")
    assert table.names == ("y", "a") and set(table.columns) == {"y", "a"}
    with pytest.raises(InputError, match=r"--features must name a column of .*, got 'z'; its columns are 'y', 'a'"):
        select_columns(table, ["z"], "--features")
