"""The one store of results, of experiments, benchmarks and tools.

A file of `results/` is a list of rows, and each row is written as soon as it is measured, with the commit, the date and
the machine it comes from.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import edgewise
from edgewise.errors import FileError
from edgewise.files.whole import read_bytes, reason, write_bytes
from edgewise.ops.kernels import cpu

RESULTS = Path(__file__).resolve().parents[3] / "results"  # of a clone


@dataclass
class Store:
    """Rows of an experiment or a benchmark, each a dict of plain JSON values.

    Parameters
    ----------
    path : Path or None
        The JSON file; None keeps the rows in memory only.
    rows : list of dict
        The rows so far.
    commit : str, optional
        Commit of the checkout with which the rows of this run are measured.
    """

    path: Path | None
    rows: list[dict] = field(default_factory=list)
    commit: str | None = None

    @classmethod
    def open(cls, folder: str | os.PathLike[str] | None, name: str, *, anew: bool = False) -> Store:
        """Open the store `name`.json in a folder and read its rows, or leave them out where all is measured anew.

        Raises FileError if that is impossible.
        """
        if folder is None:
            return cls(None, commit=commit())
        path = Path(folder) / f"{name}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot make the folder {path.parent}: {reason(error)}") from error
        store = cls(path, commit=commit())
        if path.exists() and not anew:
            store.rows = _rows(path)
        else:
            store._write()  # so that a folder that can't be written to is noticed before the work
        return store

    def find(self, **key: object) -> dict | None:
        """Return the first row with these entries, or None."""
        return next((row for row in self.rows if all(row.get(name) == value for name, value in key.items())), None)

    def beside(self, *names: str) -> list[dict]:
        """Read the rows of other files in the same folder; a file that does not exist has none."""
        paths = [] if self.path is None else [self.path.with_name(f"{name}.json") for name in names]
        return [row for path in paths if path.exists() for row in _rows(path)]

    def add(self, row: Mapping) -> dict:
        """Store a row with the commit, the date and the machine, and return it with these, as JSON gives it back."""
        today = datetime.now(UTC).date().isoformat()
        kept = as_json({**row, "commit": self.commit, "date": today, "machine": machine()})
        self.rows.append(kept)
        self._write()
        return kept

    def _write(self) -> None:
        if self.path is not None:
            lines = ",\n".join(json.dumps(row, allow_nan=False) for row in self.rows)
            write_bytes(self.path, f'{{"rows": [\n{lines}\n]}}\n'.encode())


def machine() -> dict[str, object]:
    """Return processor, cores and versions, on which the seconds and the last digits depend."""
    here = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "instruction_sets": list(cpu.variants()),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    try:
        return {**here, "scikit-learn": version("scikit-learn")}
    except PackageNotFoundError:
        return here


def as_json(values: Any) -> Any:
    """Convert values to those that JSON gives back: tuples to lists, numbers that are not finite to None."""
    if isinstance(values, Mapping):
        return {key: as_json(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [as_json(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    assert values is None or isinstance(values, str | int | float), type(values)
    return values


def commit() -> str | None:
    """Return the commit of the checkout that the library runs from, with "+" if files were changed; else None."""
    package = Path(edgewise.__file__).resolve().parent
    top = _git(package, "rev-parse", "--show-toplevel")
    # An installation may lie in a folder of somebody else's repository, whose commits say nothing about us.
    if top is None or Path(top) / "src" / "edgewise" != package:
        return None
    head, changed = _git(package, "rev-parse", "HEAD"), _git(package, "status", "--porcelain", "--", ".")
    return None if head is None else head + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _rows(path: Path) -> list[dict]:
    try:
        content = json.loads(read_bytes(path))
        rows: Sequence = content["rows"]
        if not all(isinstance(row, dict) for row in rows):
            raise TypeError("rows")
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} must hold the rows of an earlier run, got something else") from error
    return list(rows)
