"""A journal of a run's finished parts, so that a later run with the same table and options goes on from there.

A run is a sequence of computations that its inputs and seeds determine. The journal keeps the result of each: plain
numbers as JSON, and arrays. A run that is resumed begins anew, takes from the journal what is there instead of
computing it, and therefore comes to the same result as a run that was never interrupted.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as unpacked
from safetensors.numpy import save as packed

from edgewise.errors import FileError
from edgewise.files.whole import read_bytes, reason, write_bytes

# Seconds between two writes of finished parts, at most: short runs then write nothing, and a crash costs the part that
# was running and these seconds.
WRITE_AFTER = 10.0
# what the run is; the files of finished parts
RUN = "run.json"
ENDING = ".part"
FOLDER = ".resume"  # of a journal, in the folder of the results
FACTS = "facts"  # the entry of a file with everything but arrays


@dataclass(frozen=True)
class Part:
    """A finished part of a run."""

    facts: Mapping[str, Any] = field(default_factory=dict)  # plain JSON values
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)  # numbers, or the bytes of a file


class Journal:
    """The finished parts of a run, in a folder of its own, which is made when the first parts are written.

    `run` is all that determines the results: the command, its options, and digests of the files that it reads. `place`
    is the place of the results in messages, the folder around `folder` by default.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "unfinished"
    >>> journal = Journal(folder, {"seed": 0})
    >>> journal.keep("training", Part({"loss": 0.5}, {"coef": np.ones(3)}))
    >>> journal.write()
    >>> later = Journal(folder, {"seed": 0})
    >>> later.resume()
    1
    >>> later.recall("training").facts["loss"], later.recall("training")
    (0.5, None)
    >>> later.remove()
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], place: str = ""):
        self.folder = folder
        self.place = place or str(folder.parent)
        self.run = json.loads(json.dumps(run))
        self.earlier_seconds = 0.0
        self._known: dict[str, Part] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[str, Part] = {}
        self._written = 0
        self._began = self._last = time.monotonic()

    @property
    def exists(self) -> bool:
        """Return True if the folder has parts of an unfinished run."""
        return (self.folder / RUN).is_file()

    @property
    def seconds(self) -> float:
        """Wall seconds of the run so far, with those of its earlier parts."""
        return self.earlier_seconds + time.monotonic() - self._began

    def resume(self) -> int:
        """Read the parts that an earlier run has finished; return their number.

        FileError if there is no unfinished run, or if it had other options or files.
        """
        if not self.exists:
            raise FileError(f"there is no unfinished run in {self.place} to go on with")
        # The same run, with the same options.
        try:
            earlier = json.loads(read_bytes(self.folder / RUN))
            differing = [name for name in self.run if earlier.get(name) != self.run[name]]
            if differing or set(earlier) != set(self.run):
                name = differing[0] if differing else "kind"
                raise FileError(
                    f"the unfinished run in {self.place} must have the same {name} to go on, it had "
                    f"{earlier.get(name)!r:.80}, got {self.run.get(name)!r:.80}"
                )
            # The parts that it has finished.
            for path in sorted(self.folder.glob(f"*{ENDING}")):
                self._read(unpacked(read_bytes(path)))
                self._written += 1
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise FileError(f"{self.folder} must hold an unfinished run, got damaged files; remove it") from error
        return len(self._known)

    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        stored = json.loads(arrays.pop(FACTS).tobytes())
        self.earlier_seconds = max(self.earlier_seconds, float(stored["seconds"]))
        for number, (key, facts) in enumerate(stored["parts"].items()):
            start = f"{number}/"
            own = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
            self._known[key] = Part(facts, own)

    def recall(self, name: str) -> Part | None:
        """Return the next part of this name, None if the earlier run did not finish it."""
        key = f"{name} {self._counts[name]}"
        if key in self._known:
            self._counts[name] += 1
            return self._known[key]
        return None

    def keep(self, name: str, part: Part) -> None:
        """Keep the next part of this name, and write it if the last write is some time ago, see `WRITE_AFTER`."""
        self._waiting[f"{name} {self._counts[name]}"] = part
        self._counts[name] += 1
        if time.monotonic() - self._last >= WRITE_AFTER:
            self.write()

    def write(self) -> None:
        """Write the parts that are not written yet; FileError if the folder cannot be written."""
        if not self._waiting:
            return
        # The folder and what the run is, before the first part.
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {self.folder}: {reason(error)}") from error
        if not self._written:
            write_bytes(self.folder / RUN, json.dumps(self.run).encode())
        # All waiting parts go into one new file.
        stored = {"seconds": self.seconds, "parts": {key: part.facts for key, part in self._waiting.items()}}
        arrays = {FACTS: np.frombuffer(json.dumps(stored).encode(), np.uint8)}
        for number, part in enumerate(self._waiting.values()):
            arrays |= {f"{number}/{name}": np.array(array, order="C") for name, array in part.arrays.items()}
        write_bytes(self.folder / f"{self._written:06d}{ENDING}", packed(arrays))
        self._known |= self._waiting
        self._waiting = {}
        self._last = time.monotonic()
        self._written += 1

    def remove(self) -> None:
        """Remove the folder: the run has ended, or another one begins."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._known = {}
        self._waiting = {}
        self._written = 0
