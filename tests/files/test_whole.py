"""Whole-file reads and atomic writes: every failure is one sentence, and leaves the old file as it was."""

import errno
import os
import stat
import sys

import pytest

from edgewise.errors import FileError, InputError
from edgewise.files import whole as files


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_written_is_read(tmp_path):
    files.write_bytes(tmp_path / "a", b"one")
    files.write_bytes(str(tmp_path / "a"), b"two")
    assert files.read_bytes(tmp_path / "a") == b"two"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_modes_are_those_of_other_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    files.write_bytes(tmp_path / "new", b"1")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    files.write_bytes(tmp_path / "new", b"2")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    files.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_failing_step_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, code, step):
    target = tmp_path / "model"
    target.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(FileError, match=r"^cannot write .*model: (the|permission)") as caught:
        files.write_bytes(target, b"new")
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["model"]


def test_ctrl_c_leaves_no_litter(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(tmp_path / "model", b"new")
    assert names(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_and_pipes_are_neither_replaced_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/full", tmp_path / "pipe"):
        with pytest.raises(FileError, match="expected the name of a file, got a device or pipe"):
            files.write_bytes(path, b"new")
        with pytest.raises(FileError, match="expected a file, got a device or pipe"):
            files.read_bytes(path)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(FileError, match="expected the name of a file, got a folder"):
        files.write_bytes(tmp_path, b"")
    with pytest.raises(FileError, match=r"there is no folder .*absent"):
        files.write_bytes(tmp_path / "absent" / "model", b"")
    with pytest.raises(FileError, match="expected a file, got a folder"):
        files.read_bytes(tmp_path)
    with pytest.raises(FileError, match="no such file"):
        files.read_bytes(tmp_path / "absent")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="not a folder"):
        files.read_bytes(tmp_path / "file" / "below")
    with pytest.raises(FileError, match="there is no folder"):
        files.write_bytes(tmp_path / "file" / "below", b"")


@pytest.mark.parametrize("name", [None, 5, b"name", ["name"]])
def test_what_is_no_name(name):
    for action in (files.read_bytes, lambda path: files.write_bytes(path, b"")):
        with pytest.raises(InputError, match="path must be the name of a file, got"):
            action(name)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_write_access(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="permission denied"):
        files.write_bytes(tmp_path / "model", b"")
    tmp_path.chmod(0o700)
