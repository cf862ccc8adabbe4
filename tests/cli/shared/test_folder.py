"""The folder of results: checked before, written as a whole, other files untouched."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgewise.cli.shared.folder import ResultFolder
from edgewise.errors import FileError
from edgewise.files import whole as files
from edgewise.files.folders import COMMIT, complete_commit, current_file, staging_folder
from edgewise.files.whole import sweep


def put(text):
    return lambda path: files.write_bytes(path, text.encode())


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("exists", [False, True])
def test_one_failure_and_nothing_is_written(tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
        (out / "x").write_text("old")

    def fails(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = ResultFolder(out)
    with pytest.raises(FileError, match="the disk is full"), folder.kept():
        folder.write({"x": put("new"), "y": fails})
    assert tree(tmp_path) == ({"out/x": "old"} if exists else {})
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if exists else [])


def test_results_from_elsewhere_are_not_replaced(tmp_path):
    (tmp_path / "metrics.json").write_text("[1]")
    with pytest.raises(FileError, match=r"whose metrics\.json has another origin; --force replaces it"):
        ResultFolder(tmp_path).check()
    ResultFolder(tmp_path, force=True).check()
    (tmp_path / "metrics.json").write_text(json.dumps({"edgewise": "0.1.0"}))
    ResultFolder(tmp_path).check()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="--out must be a folder, got the file"):
        ResultFolder(tmp_path / "file").check()
    with pytest.raises(FileError, match="is a file"):
        ResultFolder(tmp_path / "file" / "out").check()
    assert tree(tmp_path) == {"file": "x"}
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError, match="--out must be a folder, got the link to nothing"):
        ResultFolder(tmp_path / "link").check()


def test_results_of_another_table_are_not_replaced(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.check_owner(data="a.csv")
    folder.write({"metrics.json": put(json.dumps({"edgewise": "0.2", "data": "old/a.csv", "target": "y"}))})
    folder.check_owner(data="elsewhere/a.csv", target="y")
    with pytest.raises(FileError, match="whose target is 'y' instead of 'z'; --force replaces its files"):
        folder.check_owner(data="a.csv", target="z")
    ResultFolder(tmp_path, force=True).check_owner(data="b.csv", target="z")


# The calls of the system that move or remove something; a process that is killed before the k-th has done the others.
MOVES = ("replace", "rename", "unlink", "rmdir", "mkdir")


def killed_before(number, folder, files):
    """Write in a child process that kills itself before its move of this number; return whether it came to that."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(original):
            def call(*arguments, **options):
                nonlocal count
                count += 1
                if count > number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **options)

            return call

        for name in MOVES:
            setattr(os, name, counted(getattr(os, name)))
        try:
            ResultFolder(folder, names=("x", "y", "z")).write(files)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("exists", [False, True])
def test_a_killed_run_leaves_the_old_files_or_the_new_ones(tmp_path, exists):
    old, new = {"out/x": "old", "out/z": "old"}, {"out/x": "new", "out/y": "new"}
    outcomes, number = [], 0
    while True:
        place = tmp_path / str(number)
        out = place / "out"
        place.mkdir()
        if exists:
            ResultFolder(out, names=("x", "y", "z")).write({"x": put("old"), "z": put("old")})
        was_killed = killed_before(number, out, {"x": put("new"), "y": put("new")})
        seen = {name: current_file(out, name) for name in "xy"}
        seen = {f"out/{name}": path.read_text() for name, path in seen.items() if path.exists()}
        complete_commit(out, "xyz")
        found = {path: text for path, text in tree(place).items() if ".edgewise-" not in path}
        assert found in ((old if exists else {}), new)
        assert seen == {path: text for path, text in found.items() if path != "out/z"}
        outcomes.append(found == new)
        # The next run finds nothing of the killed one in its way, and sweeps its litter away.
        ResultFolder(out, names=("x", "y", "z")).write({"x": put("next")})
        if exists:
            assert tree(place) == {"out/x": "next"}
        if not was_killed:
            break
        number += 1
    assert number >= 2 and outcomes[-1]
    if exists:
        assert not outcomes[0] and any(outcomes[:-1])  # killed before the rename that decides, and after it


def test_temporary_files_in_use_stay(tmp_path):
    with staging_folder(tmp_path) as staging:
        sweep(tmp_path)
        assert staging.is_dir()
    assert list(tmp_path.iterdir()) == []
    abandoned = tmp_path / ".edgewise-00.tmp"
    abandoned.write_bytes(b"half")
    other = tmp_path / "edgewise-00.tmp"
    other.write_bytes(b"of somebody else")
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [other]


def test_a_folder_that_cannot_be_completed_is_named(tmp_path, monkeypatch):
    (tmp_path / COMMIT).mkdir()
    (tmp_path / COMMIT / "metrics.json").write_text("new")

    def fails(*_):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(FileError, match=r"cannot write results to .*: permission denied"):
        ResultFolder(tmp_path, force=True).check()
    monkeypatch.undo()
    ResultFolder(tmp_path, force=True).check()
    assert tree(tmp_path) == {"metrics.json": "new"}


@pytest.fixture
def victim(tmp_path):
    """A folder outside of the results with one file that must stay."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "metrics.json").write_text("precious")
    yield folder
    assert tree(folder) == {"metrics.json": "precious"}


def test_a_link_in_place_of_unmoved_files_is_neither_read_nor_followed(tmp_path, victim):
    results = tmp_path / "results"
    results.mkdir()
    (results / COMMIT).symlink_to("../victim")
    assert current_file(results, "metrics.json") == results / "metrics.json"
    with pytest.raises(FileError, match="must be a folder that edgewise made, got a link"):
        ResultFolder(results, force=True).check()


@pytest.mark.parametrize("name", ["metrics.json", ".bashrc", ".removed.json"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "file"])
def test_only_plain_files_that_edgewise_writes_are_moved(tmp_path, victim, name, kind):
    waiting = tmp_path / "results" / COMMIT
    waiting.mkdir(parents=True)
    path = waiting / name
    if kind == "link":
        path.symlink_to("../../victim/metrics.json")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("{" if name == ".removed.json" else "new")
    if (name, kind) == ("metrics.json", "file"):
        ResultFolder(tmp_path / "results", force=True).check()
        return
    with pytest.raises(FileError, match=r"must hold|a device or pipe|a folder"):
        ResultFolder(tmp_path / "results", force=True).check()
    assert path.exists() and os.listdir(tmp_path / "results") == [COMMIT]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_results_that_are_no_plain_files_are_not_replaced(tmp_path, victim, kind):
    results = tmp_path / "results"
    results.mkdir()
    make = {"link": lambda path: path.symlink_to("../victim/metrics.json"), "pipe": os.mkfifo, "folder": os.mkdir}
    make[kind](results / "metrics.json")
    with pytest.raises(FileError, match=r"must be a folder of plain files, got .*whose metrics\.json is"):
        ResultFolder(results, force=True).check()


def test_pipes_named_like_temporary_files_do_not_hang(tmp_path):
    (tmp_path / ".edgewise-00.tmp").mkdir()
    os.mkfifo(tmp_path / ".edgewise-00.tmp" / ".lock")
    os.mkfifo(tmp_path / ".edgewise-01.tmp")
    sweep(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_second_run_with_the_same_folder_is_refused(tmp_path):
    program = """
import pathlib, sys
from edgewise.files.folders import reserved
with reserved(pathlib.Path(sys.argv[1])) as is_free:
    assert is_free
    print("ready", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        refusal = pytest.raises(FileError, match=r"no other run writes to, got .*out, which one is using")
        with refusal, ResultFolder(tmp_path / "out").kept():
            pass
        with ResultFolder(tmp_path / "elsewhere").kept():
            pass
        other.kill()  # the lock of a killed process is free
    for _ in range(2):  # and that of a run of this process which has ended
        with ResultFolder(tmp_path / "out").kept():
            pass
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == []


def test_two_processes_may_complete_the_same_moves(tmp_path, monkeypatch):
    """Another run begins while the one before moves its files."""
    (tmp_path / COMMIT).mkdir()
    for name in "xy":
        (tmp_path / COMMIT / name).write_text("new")
    replace, turns = os.replace, []

    def behind(source, target):
        if not turns:
            turns.append(source)
            complete_commit(tmp_path, "xy")  # the other process does all of it first
        replace(source, target)

    monkeypatch.setattr(os, "replace", behind)
    complete_commit(tmp_path, "xy")
    assert tree(tmp_path) == {"x": "new", "y": "new"} and not (tmp_path / COMMIT).exists()


def test_a_folder_of_a_process_killed_before_it_made_the_lock_is_swept(tmp_path):
    from edgewise.files.whole import LOCKED_AFTER, temporary_name

    young, old = tmp_path / temporary_name(), tmp_path / temporary_name()
    for folder in (young, old):
        folder.mkdir()
    long_ago = time.time() - 2 * LOCKED_AFTER
    os.utime(old, (long_ago, long_ago))
    sweep(tmp_path)
    assert young.exists() and not old.exists()
