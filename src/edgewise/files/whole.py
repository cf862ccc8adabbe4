"""Functions that read a whole file and replace a file atomically, with a one-sentence `FileError` for each failure."""

import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edgewise.errors import FileError, InputError

try:
    import fcntl
except ImportError:  # on Windows, where a file that is open cannot be deleted, so that no lock is needed
    fcntl = None  # type: ignore[assignment]

# of temporary files and folders
PREFIX = ".edgewise-"
SUFFIX = ".tmp"
LOCK = ".lock"  # in a temporary folder: its lock
LOCKED_AFTER = 60.0  # seconds after which a folder without a lock gets none: making one takes milliseconds


def reason(error: OSError) -> str:
    """Return the meaning of an operating-system error, for a sentence such as "cannot write x: the disk is full"."""
    reasons = {
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
    return reasons.get(error.errno or 0, error.strerror or type(error).__name__)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file; FileError for any other, InputError for a path that is no name."""
    _check_name(path)
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


def _check_name(path: object) -> None:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must be the name of a file, got {path!r}")


def write_bytes(path: str | os.PathLike[str], data: bytes | Iterable[bytes]) -> None:
    """Write a file, whole or not at all: a temporary file in the same folder is written, synced and renamed.

    `data` may come in pieces, of which one is in memory at a time. An existing file keeps its mode, and stays as it was
    until the new one is complete; a symbolic link keeps pointing to its target, which is replaced. FileError where the
    folder is missing or not writable, `path` is a folder or device, or the disk is full; no incomplete file is left
    behind. InputError for a path that is no name.
    """
    _check_name(path)
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


def _write_and_rename(temporary: Path, target: Path, data: bytes | Iterable[bytes], *, keep_mode: bool) -> None:
    """Write the temporary file and rename it; remove it if a step fails."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # 0o666 less the umask, as for any new file; tempfile's 0o600 would surprise colleagues who share a folder.
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            lock(file.fileno())
            if isinstance(data, bytes):
                file.write(data)
            else:
                file.writelines(data)
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
    sync_folder(target.parent)


def lock(descriptor: int) -> bool:
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
    """Return whether the process that made this temporary file has ended; nobody opens links, pipes and devices."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
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
    # Temporary files and folders of ours alone.
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    lock_file = Path(entry.path, LOCK)
                    if os.path.lexists(lock_file):
                        is_litter = _is_abandoned(lock_file)
                    else:  # of a process that was killed before it made the lock, which takes milliseconds
                        is_litter = time.time() - entry.stat(follow_symlinks=False).st_mtime > LOCKED_AFTER
                    if is_litter:
                        shutil.rmtree(entry.path, ignore_errors=True)
                elif entry.is_file(follow_symlinks=False) and _is_abandoned(Path(entry.path)):
                    os.unlink(entry.path)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, on systems that can sync folders; on others nothing is done."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
