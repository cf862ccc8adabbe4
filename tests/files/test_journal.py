"""Journals of unfinished runs: what is kept is read back, another run or a damaged file is refused in a sentence."""

import numpy as np
import pytest

from edgewise.errors import FileError
from edgewise.files import journal as module
from edgewise.files.journal import Journal, Part

RUN = {"command": "solve", "seed": 0, "hidden": (3, 2)}


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    """A journal of three parts in two files."""
    monkeypatch.setattr(module, "WRITE_AFTER", 0.0)
    journal = Journal(tmp_path / "out" / "journal", RUN)
    journal.keep("fit", Part({"loss": 0.1, "text": "ä"}, {"coef": np.arange(6.0).reshape(2, 3).T, "one": np.array(7)}))
    monkeypatch.setattr(module, "WRITE_AFTER", 1e9)
    journal.keep("fit", Part({"loss": float("inf")}, {"mask": np.array([True, False])}))
    journal.keep("search", Part({"found": [1, None]}))
    assert Journal(journal.folder, RUN).resume() == 1  # the other two wait
    journal.write()
    return journal


def test_parts_are_read_back_in_their_order(unfinished):
    later = Journal(unfinished.folder, RUN)
    assert later.exists and later.resume() == 3
    first = later.recall("fit")
    assert first.facts == {"loss": 0.1, "text": "ä"}
    np.testing.assert_array_equal(first.arrays["coef"], np.arange(6.0).reshape(2, 3).T)
    assert first.arrays["one"].shape == () and first.arrays["one"] == 7
    assert later.recall("search").facts == {"found": [1, None]}
    second = later.recall("fit")
    assert second.facts["loss"] == np.inf and second.arrays["mask"].tolist() == [True, False]
    assert later.recall("fit") is None and later.recall("other") is None


def test_what_is_kept_after_a_resume_is_added(unfinished):
    later = Journal(unfinished.folder, RUN)
    later.resume()
    assert later.recall("fit") and later.recall("fit")
    later.keep("fit", Part({"loss": 3.0}))
    later.write()
    third = Journal(unfinished.folder, RUN)
    assert third.resume() == 4
    assert [third.recall("fit").facts["loss"] for _ in range(3)] == [0.1, np.inf, 3.0]


def test_seconds_of_earlier_parts_count(unfinished):
    unfinished._began -= 100
    unfinished.keep("fit", Part())
    unfinished.write()
    later = Journal(unfinished.folder, RUN)
    later.resume()
    assert 100 <= later.earlier_seconds < 160 and later.seconds >= later.earlier_seconds


def test_other_runs_are_refused_by_the_name_of_what_differs(unfinished, tmp_path):
    with pytest.raises(FileError, match=r"out must have the same seed to go on, it had 0, got 1$"):
        Journal(unfinished.folder, {**RUN, "seed": 1}).resume()
    with pytest.raises(FileError, match="must have the same kind"):
        Journal(unfinished.folder, {"command": "solve", "seed": 0}).resume()
    with pytest.raises(FileError, match="there is no unfinished run in"):
        Journal(tmp_path / "elsewhere", RUN).resume()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"[" * 100_000, b"\x08" + b"\0" * 7 + b"{}      "])
@pytest.mark.parametrize("name", ["run.json", "000000.part", "000001.part"])
def test_damaged_files_are_refused_in_a_sentence(unfinished, name, damage):
    (unfinished.folder / name).write_bytes(damage)
    with pytest.raises(FileError, match="damaged files; remove it") as caught:
        Journal(unfinished.folder, RUN).resume()
    assert "\n" not in str(caught.value)


def test_mutated_files_raise_no_foreign_error(unfinished):
    path, original = unfinished.folder / "000000.part", (unfinished.folder / "000000.part").read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(200):
        changed = bytearray(original)
        changed[draw.integers(len(changed))] = draw.integers(256)
        path.write_bytes(changed)
        try:
            Journal(unfinished.folder, RUN).resume()
        except FileError as error:
            assert "\n" not in str(error)
