"""Folders whose files are replaced together, and the reservation of a folder by one process."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgewise.errors import FileError
from edgewise.files.whole import LOCK, fcntl, lock, reason, sweep, sync_folder, temporary_name, write_bytes

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


def commit_folder(staging: Path, folder: Path, removed: Collection[str]) -> None:
    """Move all files of a temporary folder inside another into that one, and remove files without a successor.

    From the moment of one rename on, all of it happens, now or when the folder is opened next.

    Parameters
    ----------
    staging : Path
        Folder below `folder` with the complete files, which `write_bytes` has synced.
    folder : Path
        The folder that receives them.
    removed : collection of str
        Names of files in `folder` to remove.
    """
    complete_commit(folder)
    write_bytes(staging / REMOVED, json.dumps(sorted(removed)).encode())
    os.rename(staging, folder / COMMIT)
    try:
        complete_commit(folder)
    except KeyboardInterrupt:  # between two files: the rest takes a moment
        complete_commit(folder)
        raise


def reserve(folder: Path) -> bool:
    """Reserve a folder for the results of this process until it ends; return False if another process has it.

    The reservation is a lock on a file in the system's folder for temporary files, which the system gives up when the
    process ends in any way. It holds among the processes of one user on one machine.
    """
    if fcntl is None:
        return True
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16]
    path = os.path.join(tempfile.gettempdir(), f"edgewise-{os.getuid()}-{name}.lock")
    try:
        # The descriptor stays open on purpose: closing it would give the lock up.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # no folder for temporary files, or one without locks
        return True
    return True


def complete_commit(folder: Path) -> None:
    """Finish the replacement of files in a folder that a killed process began, if there is one.

    Raises
    ------
    OSError
        The files cannot be moved.
    """
    waiting = folder / COMMIT
    if not waiting.is_dir():
        return
    try:
        removed = json.loads((waiting / REMOVED).read_bytes())
    except FileNotFoundError:  # already done before the end of the other process
        removed = []
    for name in removed if isinstance(removed, list) else []:
        if isinstance(name, str) and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # another process may complete the same moves and be ahead
        for path in sorted(waiting.iterdir()):
            if path.name not in (REMOVED, LOCK):
                with suppress(FileNotFoundError):
                    os.replace(path, folder / path.name)
        shutil.rmtree(waiting)
    sync_folder(folder)


def open_folder(folder: str | os.PathLike[str]) -> None:
    """Make sure that the files of a folder belong together before they are read, see `complete_commit`.

    Raises
    ------
    FileError
        A write into the folder was cut short, and it cannot be completed.
    """
    try:
        complete_commit(Path(folder))
    except OSError as error:
        raise FileError(
            f"cannot read {os.fspath(folder)}: results were not completely written, and the rest cannot be moved from "
            f"its folder {COMMIT}: {reason(error)}"
        ) from error
