"""MODEL and --out on the command line, checked before torch is imported, so that errors about files come at once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edgewise.checkpoint import codec
from edgewise.checks import json_object
from edgewise.errors import EdgewiseError, FileError, InputError
from edgewise.escaping import terminal_line
from edgewise.files.folders import MODEL_FILE, current_file
from edgewise.files.whole import read_bytes, reason
from edgewise.presentation import counted, enumeration
from edgewise.tables import InputEncoder, Table
from edgewise.tables.table import TABLE_ENDINGS

# Endings of figures, as in `edgewise.plot.save`, which imports torch; a test compares them.
FIGURE_ENDINGS = (".svg", ".pdf", ".png")
FORMULA_ENDINGS = (".csv", ".json", ".tex", ".py", ".c", *FIGURE_ENDINGS)
SOLUTION_FILE = "solution.safetensors"


class Kind(StrEnum):
    """A result that a command wrote: the model of a table, the solution of an equation, or formulas."""

    model = "model"
    solution = "solution"
    formulas = "formulas"


@dataclass(frozen=True)
class Written:
    """A file that `edgewise fit`, `edgewise solve` or `edgewise formula` wrote, or a model saved from Python."""

    kind: Kind  # what the file contains
    file: Path  # the file itself, also where the user gave its folder

    @property
    def model_file(self) -> Path:
        """The file of a model; InputError for another kind."""
        if self.kind is not Kind.model:
            raise InputError(f"MODEL must be a model of a table, got {self.file}, a {self.kind}")
        return self.file


def find_written(text: str) -> Written:
    """Return the file that MODEL names, with what it contains."""
    # A file whose header is readable and of another kind counts as a model: its loader gives the reason.
    path = Path(text)
    if path.is_dir():
        for kind, name in ((Kind.model, MODEL_FILE), (Kind.solution, SOLUTION_FILE)):
            file = current_file(path, name)
            if file.exists():
                return Written(kind, file)
        raise FileError(
            f"cannot read {path}: expected a folder that `edgewise fit` or `edgewise solve` wrote, got a folder "
            f"without {MODEL_FILE} or {SOLUTION_FILE}"
        )
    # A file of formulas is JSON without a header of safetensors.
    header = read_header(path)
    if path.suffix.lower() == ".json" and header is None:
        if b'"stored"' not in read_bytes(path):
            raise FileError(f"{path}: a file of `edgewise formula --out FILE.json` was expected, got other JSON")
        return Written(Kind.formulas, path)
    if header is None:
        # Anything else is refused, with a word on what it looks like.
        size = os.path.getsize(path)
        if size:
            got = f"{counted(size, 'byte')} of something else"
        else:
            got = "an empty file"
        if path.suffix.lower() in TABLE_ENDINGS:
            got = "a table"
        elif path.suffix.lower() == ".safetensors":
            got = f"a file of {counted(size, 'byte')} that was cut short or damaged"
        raise FileError(f"{path}: a model, solution or folder that edgewise wrote was expected, got {got}")
    # The metadata of a safetensors file tell a solution from a model.
    is_solution = "solution" in json_object(json_object(header).get("__metadata__"))
    return Written(Kind.solution if is_solution else Kind.model, path)


def check_columns(written: Written, table: Table) -> None:
    """Raise InputError if a table lacks columns that the model of a table needs.

    What the header of the file does not say is left to its loader.
    """
    if written.kind is not Kind.model:
        return
    try:
        estimator = json.loads(read_header(written.file)["__metadata__"]["extra"])["estimator"]
        encoder = codec.read(InputEncoder, estimator["encoder_"], "encoder")
        is_named = estimator["feature_names_in_"] is not None
    except (EdgewiseError, KeyError, TypeError, ValueError, RecursionError):
        return
    if is_named:
        encoder.check_columns(table)


def check_left_out(written: Written, options: Mapping[str, str | None]) -> None:
    """Raise InputError if an option was given that makes no sense for a file."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"{name} must be left out for {written.file}, a {written.kind}, got {value!r:.80}")


@dataclass(frozen=True)
class PlannedFigure:
    """A figure to draw."""

    kind: str  # one of the kinds of `FIGURE_KINDS`
    file: str  # where to write it
    inputs: Sequence[str]  # the inputs whose effects are drawn; empty for the strongest ones


def plan_figure(
    written: Written,
    kind: str | None,
    out: str | None,
    *,
    force: bool,
    reads: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> PlannedFigure:
    """Return the figure to draw, checked; `reads` are the other files that the command reads."""
    # Kinds of figures of each kind of file, the default first.
    kinds_of = {
        Kind.model: ("network", "edges", "effects", "pair"),
        Kind.solution: ("solution", "history"),
        Kind.formulas: ("formulas", "effects", "pair"),
    }
    # The kind of figure: the given one, or the default of the file.
    known = kinds_of[written.kind]
    if kind is not None and kind not in known:
        raise InputError(f"--kind must be {' or '.join(known)} for {written.file}, a {written.kind}, got {str(kind)!r}")
    chosen = known[0] if kind is None else str(kind)
    # The inputs whose effects are drawn: two for a pair, any number for effects.
    if chosen == "pair":
        if len(set(inputs)) != 2:
            raise InputError(
                f"--input must name two inputs for --kind pair, such as A,B, got {', '.join(inputs) or 'none'}"
            )
    elif inputs:
        if "effects" not in known or kind not in (None, "effects"):
            where = f"a {written.kind}" if "effects" not in known else f"--kind {kind}"
            raise InputError(f"--input must be left out for {where}: it names inputs whose effects are drawn")
        chosen = "effects"
    # The file: the given one, or the kind and the inputs as its name.
    check_ending(out, FIGURE_ENDINGS)
    check_out(out, [str(written.file), *reads], force=force)
    if out is None:
        name = "_".join(re.sub(r"[^\w.+-]+", "_", part).strip("_") for part in inputs)[:60]
        out = f"{chosen}{'-' if name else ''}{name}.svg"
        if os.path.exists(out) and not force:
            raise FileError(f"cannot write {out}, which exists: name a file with --out, or replace it with --force")
    return PlannedFigure(chosen, out, inputs)


def check_equation(text: str) -> None:
    """Raise FileError for the file of an equation that is not readable, InputError for one that is not Python."""
    if not text.endswith(".py"):
        raise InputError(f"EQUATION must be a file that ends in .py, got {terminal_line(text)!r:.80}")
    read_bytes(text)


def read_header(path: Path) -> Any:
    """Return the JSON at the beginning of a safetensors file, None for a file of another kind; raise FileError."""
    if not path.is_file():
        read_bytes(path)  # gives the reason
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 64 << 20:  # bytes, as in `edgewise.checkpoint.container`
                return None
            return json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    except OSError as error:
        raise FileError(f"cannot read {path}: {reason(error)}") from error


def check_ending(out: str | None, endings: Collection[str]) -> None:
    """Raise InputError unless the file --out, if there is one, ends in one of these."""
    if out is not None and Path(out).suffix.lower() not in endings:
        raise InputError(f"--out must end in {enumeration(list(endings), 'or')}, got {out!r}")


def check_out(
    out: str | None, inputs: Sequence[str] = (), *, force: bool = True, remedy: str = "--force replaces it"
) -> None:
    """Raise FileError if the file --out cannot or must not be written; None stands for standard output.

    It must be no folder and none of the `inputs`, which the command reads; its folder must be there and open; a file
    that another program wrote is replaced only with `force`, and `remedy` names the way out.
    """
    if out is None or "\0" in out:  # a null character: the writer gives the reason
        return
    # The folder must be there and writable.
    path = Path(os.path.realpath(out))
    if path.is_dir():
        raise FileError(f"cannot write {out}: expected the name of a file, got a folder")
    if not path.parent.is_dir():
        raise FileError(f"cannot write {out}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write {out}: permission denied")
    # The file must be none that the command reads, and none that another program wrote.
    for one in inputs:
        if path.exists() and os.path.exists(one) and os.path.samefile(path, one):
            raise FileError(f"cannot write {out}: this command reads that file; name another one with --out")
    if path.is_file() and not force and not _is_written_by_edgewise(path):
        raise FileError(f"cannot write {out}: the file exists and is not one that edgewise wrote; {remedy}")


def _is_written_by_edgewise(path: Path) -> bool:
    """Return whether a file is empty or looks like one that a command wrote."""
    # The writer is named at the beginning, or at the end in PDF and JSON: 64 KiB of each are more than any header.
    try:
        most = min(1 << 16, os.path.getsize(path))
        with open(path, "rb") as file:
            start = file.read(most)
            file.seek(-most, os.SEEK_END)
            end = file.read()
    except OSError as error:
        raise FileError(f"cannot write {path}: it exists, and {reason(error)}") from error
    header = start.decode("utf-8", "replace").partition("\n")[0]
    # The CSV files of predict, explain and formula have these headers. Values of a solution have a header of the user's
    # own names, and need --force.
    forms = (r"row,(.*,)?\"?predicted ", r"row,output,prediction,base,", r"number,chosen,complexity,")
    if path.suffix.lower() == ".csv":
        return not start or any(re.match(form, header) is not None for form in forms)
    return not start or b"edgewise" in (start + end).lower()
