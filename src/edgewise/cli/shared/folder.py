"""The folder of the option --out: checked before the work starts, and written as a whole after it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edgewise.checks import json_object
from edgewise.cli.shared.opening import SOLUTION_FILE
from edgewise.errors import FileError, InputError
from edgewise.files.folders import MODEL_FILE, commit_folder, complete_commit, reserved, staging_folder
from edgewise.files.whole import read_bytes, reason, temporary_name, write_bytes

NAMES = (MODEL_FILE, "metrics.json", "predictions.csv", "report.html")
SOLUTION_MARK = "solution.json"
SOLUTION_NAMES = (
    SOLUTION_FILE,
    "solution.png",
    "solution.pdf",
    "history.pdf",
    "animation.gif",
    "solution.vtk",
    SOLUTION_MARK,
)


def solution_folder(path: str, *, force: bool) -> ResultFolder:
    """Return the folder of --out for the files of a solution."""
    return ResultFolder(path, names=SOLUTION_NAMES, mark=SOLUTION_MARK, force=force)


class ResultFolder:
    """A folder for the files of a fit or of another command; other files in it are never touched."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        names: Sequence[str] = NAMES,
        mark: str = "metrics.json",
        force: bool = False,
    ):
        if not os.fspath(path):  # which pathlib takes for the current folder
            raise InputError("--out must be the name of a folder, got ''")
        self.path = Path(path)
        self.names = names
        self.mark = mark
        self.force = force

    def check(self) -> None:
        """Raise FileError if the results could not be written here; leave nothing behind."""
        with _system_errors(self.path):
            if "\0" in str(self.path):
                raise FileError(
                    f"--out must be the name of a folder, got one with a null character: {str(self.path)!r}"
                )
            # The path must be free or a folder; an interrupted writing of an earlier run is completed first.
            place = Path(os.path.abspath(self.path))
            if os.path.lexists(place) and not place.is_dir():
                kind = "file" if place.exists() else "link to nothing"
                raise FileError(f"--out must be a folder, got the {kind} {self.path}")
            complete_commit(place, self._movable)
            # Files of our names must be plain ones, and Edgewise's own.
            taken = [name for name in self.names if os.path.lexists(self.path / name)]
            for name in taken:
                if not stat.S_ISREG(os.lstat(self.path / name).st_mode):
                    raise FileError(
                        f"--out must be a folder of plain files, got {self.path}, whose {name} is a folder, a link, a "
                        "device or a pipe"
                    )
            if taken and not self.force and self._stored() is None:
                raise FileError(
                    f"--out must be a new folder, or one that edgewise wrote, got {self.path}, whose {taken[0]} has "
                    "another origin; --force replaces it"
                )
            # The nearest folder that exists must take a file: a small one is tried.
            while not place.exists():
                place = place.parent
            if not place.is_dir():
                raise FileError(f"cannot make the folder {self.path}: {place} is a file")
            probe = place / temporary_name()
        try:
            # A mebibyte, more than most results need without the report: a disk without so much room is full.
            write_bytes(probe, b"\0" * (1 << 20))
        except FileError as error:
            cause = error.__cause__
            # In a folder that exists, "no such file" (as /proc reports) would mislead.
            why = "no file can be made there"
            if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
                why = reason(cause)
            raise FileError(f"cannot write results to {self.path}: {why}") from error
        finally:
            with suppress(OSError):  # a read-only file system refuses it even where there is no such file
                probe.unlink()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Check the folder, and keep other runs out of it until the block ends."""
        self.check()
        with ExitStack() as stack:
            with _system_errors(self.path):
                is_free = stack.enter_context(reserved(self.path))
            if not is_free:
                raise FileError(
                    f"--out must be a folder that no other run writes to, got {self.path}, which one is using; wait "
                    "for its end or name another folder"
                )
            yield

    def check_owner(self, **facts: str) -> None:
        """Raise FileError if the folder holds results of something else, unless --force was given.

        Facts are the entries of the marked JSON file that decide, such as the table and the target; of a path the last
        part counts, since the same file may be named from another folder.
        """
        stored = self._stored()
        if self.force or stored is None:
            return
        for name, value in facts.items():
            other = stored.get(name)
            if isinstance(other, str) and Path(other).name != Path(value).name:
                raise FileError(
                    f"--out must be a new folder or one with results of the same {name}, got {self.path}, whose "
                    f"{name} is {other!r} instead of {value!r}; --force replaces its files"
                )

    def write(self, files: Mapping[str, Callable[[Path], object]], *, keep: Collection[str] = ()) -> None:
        """Write all of the files or none, each by a function that is given the path.

        The files are made in a temporary folder inside, as the folder may be on another disk than the one around it.
        They replace their predecessors in a way that survives the end of the process at any moment, see
        `commit_folder`, and files of an earlier run that have no successor are deleted, but for those in `keep`.
        """
        with _system_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            with staging_folder(self.path) as staging:
                try:
                    for name, make in files.items():
                        make(staging / name)
                except FileError as error:
                    # Name the folder that the user named instead of the temporary one.
                    raise FileError(str(error).replace(str(staging), str(self.path))) from error
                removed = set(self.names) - set(files) - set(keep)
                commit_folder(staging, self.path, self._movable | set(files), removed)

    @property
    def _movable(self) -> set[str]:
        """Names of the files of an earlier run, of this command or another, that may be completed."""
        return {*self.names, *NAMES, *SOLUTION_NAMES}

    def _stored(self) -> dict[str, object] | None:
        """Return the content of the marked file if Edgewise wrote it."""
        try:
            content = json_object(json.loads(read_bytes(self.path / self.mark)))
        except (OSError, ValueError, RecursionError):
            return None
        return content if "edgewise" in content else None


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into a FileError with one sentence."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot write results to {path}: {reason(error)}") from error
