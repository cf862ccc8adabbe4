"""Functions that read a whole file and replace files atomically, with a one-sentence `FileError` for each failure.

A process may be killed at any moment. One file is replaced by a rename, so that it is the old or the new one. Several
files are replaced by a renamed folder, from which they are moved one by one: whoever opens the folder next moves the
rest. Temporary files are locked while their process lives, and removed by the next write into the same folder if not.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgewise.errors import FileError, InputError

try:
    import fcntl
except ImportError:  # on Windows, where a file that is open cannot be deleted, so that no lock is needed
    fcntl = None  # type: ignore[assignment]

PREFIX, SUFFIX = ".edgewise-", ".tmp"  # of temporary files and folders
COMMIT = ".edgewise-commit"  # the folder of complete files that are moved into the folder around it
REMOVED, LOCK = ".removed.json", ".lock"  # in a temporary folder: names of files without a successor; its lock

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its symbolic links go in a circle",
    errno.EFBIG: "the file would be too large",
}


def object_then_path(thing: Any, path: Any, function: str, stacklevel: int = 3) -> tuple[Any, str | os.PathLike[str]]:
    """Return the two arguments of a function that writes an object to a file, the object first.

    Version 0.1 took the path first. That order is recognised by the types and answered with a `DeprecationWarning`.

    Parameters
    ----------
    thing, path : object
        The two arguments as the caller gave them.
    function : str
        Name of the function for the warning.
    stacklevel : int
        Level of the warning; 3 means the caller of the function that calls this one.

    Returns
    -------
    tuple
        The object and the path.
    """
    if isinstance(thing, str | os.PathLike) and not isinstance(path, str | os.PathLike):
        message = f"{function} takes the object first and the path second; the other order goes with version 0.3"
        warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
        return path, thing
    return thing, path


def reason(error: OSError) -> str:
    """Return the meaning of an operating-system error, for a sentence such as "cannot write x: the disk is full"."""
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    FileError
        The file is missing, a folder, a device or pipe, or not readable.
    InputError
        `path` is not the name of a file.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must be the name of a file, got {path!r}")
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise FileError(f"cannot read {os.fspath(path)}: expected a file, got a folder")
        # Opening a named pipe would wait for a writer, for ever if none comes.
        if not stat.S_ISREG(kind):
            raise FileError(f"cannot read {os.fspath(path)}: expected a file, got a device or pipe")
        with open(path, "rb") as file:
            return file.read()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {os.fspath(path)}: {reason(error)}") from error
    except ValueError as error:
        raise FileError(f"cannot read {os.fspath(path)!r}: the name holds a null character") from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, whole or not at all: a temporary file in the same folder is written, synced and renamed.

    An existing file keeps its mode, and stays as it was until the new one is complete; a symbolic link keeps pointing
    to its target, which is replaced.

    Raises
    ------
    FileError
        The folder is missing or not writable, `path` is a folder or device, or the disk is full; no incomplete file is
        left behind.
    """
    # Through symbolic links, so that the link survives and the rename stays within one file system.
    try:
        target = Path(os.path.realpath(path))
        exists = target.exists()
    except ValueError as error:
        raise FileError(f"cannot write {os.fspath(path)!r}: the name holds a null character") from error
    except OSError as error:
        raise FileError(f"cannot write {os.fspath(path)}: {reason(error)}") from error
    if exists and not target.is_file():
        came = "a folder" if target.is_dir() else "a device or pipe"
        raise FileError(f"cannot write {os.fspath(path)}: expected the name of a file, got {came}")
    if not target.parent.is_dir():
        raise FileError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}")
    try:
        sweep(target.parent)
        _write_and_rename(target.parent / temporary_name(), target, data, keep_mode=exists)
    except OSError as error:
        raise FileError(f"cannot write {os.fspath(path)}: {reason(error)}") from error


def temporary_name() -> str:
    """Return a new name for a temporary file or folder, which `sweep` recognises."""
    return f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"


def _write_and_rename(temporary: Path, target: Path, data: bytes, *, keep_mode: bool) -> None:
    """Write the temporary file and rename it; remove it if a step fails."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # 0o666 less the umask, as for any new file; tempfile's 0o600 would surprise colleagues who share a folder.
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if keep_mode:
                shutil.copymode(target, temporary)
            if fcntl is not None:  # while the lock is held, so that nobody sweeps the file away
                os.replace(temporary, target)
        if fcntl is None:  # Windows does not rename open files
            os.replace(temporary, target)
    except BaseException:  # Ctrl-C too must leave no litter; re-raised as it came
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _lock(descriptor: int) -> bool:
    """Lock an open file for this process, without waiting; return False if another process holds it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, on which nothing is swept away either
        return True
    return True


def _is_abandoned(path: Path) -> bool:
    """Return whether the process that made this temporary file has ended."""
    if fcntl is None:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def sweep(folder: Path) -> None:
    """Remove temporary files and folders that killed processes left in a folder; those in use stay."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    if _is_abandoned(Path(entry.path, LOCK)):
                        shutil.rmtree(entry.path, ignore_errors=True)
                elif entry.is_file(follow_symlinks=False) and _is_abandoned(Path(entry.path)):
                    os.unlink(entry.path)


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """Make a temporary folder in another one, locked while it is in use and removed at the end if it is still there."""
    sweep(parent)
    staging = parent / temporary_name()
    staging.mkdir()
    try:
        with open(staging / LOCK, "wb") as lock:
            _lock(lock.fileno())
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
    _sync_folder(folder)


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


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, on systems that can sync folders; on others nothing is done."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
