"""The folder that --out names: checked before the work, written as a whole after it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgewise.errors import FileError
from edgewise.files import reason, write_bytes

NAMES = ("model.safetensors", "metrics.json", "predictions.csv", "report.html")
_PROBE = 1 << 20  # bytes: more than a usual result but for its report; a disk without that much room is full


class ResultFolder:
    """A folder for the files of a fit, or of another command. Other files in it are never touched.

    names: of the files; the JSON file `mark` among them tells that an earlier run wrote them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        names: Sequence[str] = NAMES,
        mark: str = "metrics.json",
        force: bool = False,
    ):
        self.path = Path(path)
        self.names, self.mark, self.force = names, mark, force

    def check(self) -> None:
        """Raises FileError if the results could not be written here; leaves nothing behind."""
        with _one_sentence(self.path):
            if "\0" in str(self.path):
                raise FileError(
                    f"--out must be the name of a folder, got one with a null character: {str(self.path)!r}"
                )
            place = Path(os.path.abspath(self.path))
            if place.exists() and not place.is_dir():
                raise FileError(f"--out must be a folder, got the file {self.path}")
            self._check_owner()
            while not place.exists():
                place = place.parent
            if not place.is_dir():
                raise FileError(f"cannot make the folder {self.path}: {place} is a file")
            probe = place / f".edgewise-{secrets.token_hex(8)}.probe"
        try:
            write_bytes(probe, b"\0" * _PROBE)
        except FileError as error:
            cause = error.__cause__
            # Where a folder is there and a file in it "does not exist" (/proc), the system's word for it misleads.
            known = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
            why = reason(cause) if known else "no file can be made there"
            raise FileError(f"cannot write results to {self.path}: {why}") from error
        finally:
            probe.unlink(missing_ok=True)

    def write(self, files: Mapping[str, Callable[[Path], None]]) -> None:
        """Writes the files, each by a function that is given the path: all of them, or none.

        They are made in a temporary folder. That becomes the folder if there was none; else its files are moved into
        it one by one, each replacing its predecessor as a whole; files of an earlier run that have no successor go.
        """
        with _one_sentence(self.path):
            exists = self.path.exists()
            # Inside an existing folder, since that may be another disk than the one above it.
            beside = self.path if exists else Path(os.path.abspath(self.path)).parent
            beside.mkdir(parents=True, exist_ok=True)
            staging = beside / f".edgewise-{secrets.token_hex(8)}.tmp"
            staging.mkdir()
            try:
                for name, make in files.items():
                    make(staging / name)
                if not exists:
                    staging.rename(self.path)
                    return
                for name in files:
                    os.replace(staging / name, self.path / name)
                for name in set(self.names) - set(files):
                    (self.path / name).unlink(missing_ok=True)
            except FileError as error:
                # In the words of the folder the user named, not of the temporary one.
                raise FileError(str(error).replace(str(staging), str(self.path))) from error
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _check_owner(self) -> None:
        """FileError where files of these names are there that no earlier run wrote."""
        found = [name for name in self.names if (self.path / name).exists()]
        if not found or self.force or self._is_ours():
            return
        raise FileError(
            f"--out must be a new folder, or one of edgewise, got {self.path} with a {found[0]} from elsewhere; "
            "--force replaces it"
        )

    def _is_ours(self) -> bool:
        try:
            content = json.loads((self.path / self.mark).read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(content, dict) and "edgewise" in content


@contextmanager
def _one_sentence(path: Path):
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot write results to {path}: {reason(error)}") from error
