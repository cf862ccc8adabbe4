"""Rows kept as they come, with commit and machine."""

import subprocess

import pytest

from edgewise.errors import FileError
from edgewise_experiments.runner import store as store_module
from edgewise_experiments.runner.store import Store, commit, machine


def test_rows_survive(tmp_path):
    store = Store.open(tmp_path / "a" / "b", "x")
    store.add({"model": "KAN", "fold": 0, "score": 0.1 + 0.2})
    store.add({"model": "KAN", "fold": 1, "score": None})
    again = Store.open(tmp_path / "a" / "b", "x")
    assert again.rows == store.rows
    assert again.find(model="KAN", fold=0)["score"] == 0.1 + 0.2
    assert again.find(model="MLP") is None
    assert again.rows[0]["machine"] == machine() and {"commit", "date"} <= set(again.rows[0])
    assert Store.open(tmp_path / "a" / "b", "x", anew=True).rows == []


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [1]}', '{"rows": 3}', "{"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(FileError, match="must hold the rows of an earlier run"):
        Store.open(tmp_path, "x")
    assert (tmp_path / "x.json").read_text() == text


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make the folder"):
        Store.open(tmp_path / "file" / "x", "x")


def test_the_commit_is_that_of_our_checkout(tmp_path, monkeypatch):
    repository = tmp_path / "r"
    package = repository / "src" / "edgewise"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setattr(store_module.edgewise, "__file__", str(package / "__init__.py"))
    assert commit() == head
    (package / "__init__.py").write_text("x = 2\n")
    assert commit() == head + "+"
    other = repository / "venv" / "edgewise"  # installed inside somebody's repository
    other.mkdir(parents=True)
    monkeypatch.setattr(store_module.edgewise, "__file__", str(other / "__init__.py"))
    assert commit() is None
    monkeypatch.setenv("PATH", "")
    assert commit() is None
