"""Folders whose files are replaced together, and folders that one process reserves."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgewise.errors import FileError
from edgewise.files.whole import LOCK, fcntl, lock, read_bytes, reason, sweep, sync_folder, temporary_name, write_bytes

MODEL_FILE = "model.safetensors"  # the model in a folder that `edgewise fit` wrote
COMMIT = ".edgewise-commit"  # the folder of complete files that are moved into the folder around it
REMOVED = ".removed.json"  # in a temporary folder: names of files without a successor


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """Make a temporary folder in another one, locked while it is in use and removed at the end if it is still there."""
    sweep(parent)
    staging = parent / temporary_name()
    staging.mkdir()
    try:
        with open(staging / LOCK, "wb") as file:
            lock(file.fileno())
            yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def commit_folder(staging: Path, folder: Path, names: Collection[str], removed: Collection[str]) -> None:
    """Move all files of a temporary folder into the folder around it, and remove files without a successor.

    From the moment of one rename on, all of it happens, now or before the next write. The files of `staging` are
    complete and synced; `names` may be moved, and files of `folder` with the names `removed` go.
    """
    complete_commit(folder, names)
    write_bytes(staging / REMOVED, json.dumps(sorted(removed)).encode())
    os.rename(staging, folder / COMMIT)
    try:
        complete_commit(folder, names)
    except KeyboardInterrupt:  # between two files: the rest takes a moment
        complete_commit(folder, names)
        raise


@contextmanager
def reserved(folder: Path) -> Iterator[bool]:
    """Make a folder and keep other processes out of it within a block; yield False where another one has it.

    The reservation is a lock on the folder itself, which the system gives up when the process ends in any way. At the
    end folders that were made and are empty are removed.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = None if fcntl is None else os.open(folder, os.O_RDONLY)  # Windows opens no folders
    try:
        yield descriptor is None or lock(descriptor)
    finally:
        for place in made:
            with suppress(OSError):  # it has files
                place.rmdir()
        if descriptor is not None:
            os.close(descriptor)


def complete_commit(folder: Path, names: Collection[str]) -> None:
    """Finish the replacement of files in a folder that a killed process began, if there is one.

    Only plain files of these names are moved or removed, as archives can hold links and other files. FileError where
    the replacement holds something that no command writes, OSError where files cannot be moved.
    """
    waiting = folder / COMMIT
    if not os.path.lexists(waiting):
        return
    if not _is_plain(waiting, stat.S_ISDIR):
        raise FileError(f"{waiting} must be a folder that edgewise made, got a link or another file; remove it")
    with suppress(FileNotFoundError):  # another process may complete the same moves and be ahead
        # The files that wait, which must be those of a command.
        entries = sorted(path for path in waiting.iterdir() if path.name != LOCK)
        for path in entries:
            if path.name not in {REMOVED, *names} or not stat.S_ISREG(os.lstat(path).st_mode):
                raise FileError(f"{waiting} must hold plain files that edgewise writes, got {path.name!r}; remove it")
        # The files without a successor, removed before the others are moved.
        moved = [path for path in entries if path.name != REMOVED]
        removed: Any = []
        if len(moved) < len(entries):  # else it has been done
            try:
                removed = json.loads(read_bytes(waiting / REMOVED))
            except (ValueError, RecursionError) as error:
                raise FileError(f"{waiting / REMOVED} must hold names of files, got damaged JSON; remove it") from error
        # Only names that the caller may move: the list is that of a file, which anybody may have written.
        if isinstance(removed, list):
            for name in names:
                if name in removed:
                    (folder / name).unlink(missing_ok=True)
        for path in moved:
            with suppress(FileNotFoundError):
                os.replace(path, folder / path.name)
        shutil.rmtree(waiting)
    sync_folder(folder)


def current_file(folder: Path, name: str) -> Path:
    """Return where a file of results is: among the files that a killed process has not moved, else in their folder.

    Readers move nothing, so that they can change nothing. FileError for a folder that may not be read.
    """
    waiting = folder / COMMIT
    try:
        is_waiting = _is_plain(waiting, stat.S_ISDIR) and _is_plain(waiting / name, stat.S_ISREG)
    except OSError as error:
        raise FileError(f"cannot read {folder}: {reason(error)}") from error
    return waiting / name if is_waiting else folder / name


def beside(file: Path, name: str) -> Path:
    """Return where another file of the same results is, see `current_file`."""
    folder = file.parent
    return current_file(folder.parent if folder.name == COMMIT else folder, name)


def _is_plain(path: Path, kind: Callable[[int], bool]) -> bool:
    """Return whether there is a file of a kind, and no link to one."""
    try:
        return kind(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
