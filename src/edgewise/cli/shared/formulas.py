"""Formulas that a search found: the chosen one, sentences about its accuracy, and files with all of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import __version__
from edgewise.checkpoint import codec, strict_json
from edgewise.cli.shared.opening import FIGURE_ENDINGS
from edgewise.cli.shared.source import finite_columns
from edgewise.errors import CheckpointError
from edgewise.escaping import csv_cell, latex_comment, python_comment
from edgewise.files.whole import read_bytes, write_bytes
from edgewise.formulas import Formula
from edgewise.formulas.domains import EXTRAPOLATED_SHARE, domain_report
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.printing import latex_name
from edgewise.presentation import number_text, percent_text, r2_text
from edgewise.tables import InputEncoder, Table


@dataclass(frozen=True, eq=False)
class FormulaList:
    """Formulas of increasing length, one of which is chosen, with the rows that they were fitted to."""

    front: Front  # the formulas, the chosen one, and the name of the quantity that they give
    X: np.ndarray  # (N, d), inputs
    notes: tuple[str, ...]  # sentences about the search
    # rules from the columns of a table to the inputs of the formulas; None where the columns are the inputs
    encoder: InputEncoder | None = None

    @classmethod
    def from_front(cls, front: Front, X: np.ndarray, notes: Sequence[str]) -> FormulaList:
        """Choose the best formula of the front; the notes come before the messages of the search."""
        notes = (*notes, f"The chosen formula is {front.reason}.", *front.messages)
        return cls(replace(front, chosen=front.best_place), X, notes)

    @property
    def best(self) -> FrontEntry:
        """The chosen entry."""
        return self.front.best

    @property
    def domain(self) -> tuple[str, ...]:
        """Sentences about where the chosen formula is defined."""
        return domain_report(self.best.formula, self.X)

    @property
    def accuracy(self) -> list[str]:
        """Sentences with the errors of the chosen formula."""
        # The errors on the rows of the search and on held-out ones.
        entry = self.best
        variance = self.front.variance
        first = (
            f"The root mean square error is {number_text(math.sqrt(entry.loss))} (R² {_r2(entry.loss, variance)}) "
            "on the rows of the search"
        )
        if math.isfinite(entry.validation):
            judged = self.front.held_out_variance or variance
            held_out = f"{number_text(math.sqrt(entry.validation))} (R² {_r2(entry.validation, judged)})"
            first += f" and {held_out} on held-out rows"
        # The differences from a network, where there is one.
        differences = []
        for loss, place in (
            (entry.fresh, "at new inputs between the rows"),
            (entry.outside, f"up to {percent_text(EXTRAPOLATED_SHARE)} outside the range of one input"),
        ):
            if math.isfinite(loss):
                differences.append(f"{number_text(math.sqrt(loss))} {place}")
            elif math.isinf(loss):
                differences.append(f"undefined somewhere {place}")
        if not differences:
            return [f"{first}."]
        return [f"{first}.", f"The root mean square difference from the network is {' and '.join(differences)}."]

    def rows(self) -> list[dict[str, object]]:
        """Return every formula with its errors as plain values.

        The differences are those from the network, None without a network or where the formula is undefined.
        """
        return [
            {
                "number": place + 1,
                "chosen": place == self.front.best_place,
                "complexity": entry.complexity,
                "rmse": math.sqrt(entry.loss),
                "rmse_held_out": _finite_root(entry.validation),
                "difference_fresh": _finite_root(entry.fresh),
                "difference_outside": _finite_root(entry.outside),
                "score": entry.score,
                "formula": entry.formula.text(None),
            }
            for place, entry in enumerate(self.front)
        ]

    def write(self, path: str) -> None:
        """Write all formulas (.csv, .json), the chosen one (.tex, .py, .c) or the figure of the front."""
        ending = Path(path).suffix.lower()
        if ending in FIGURE_ENDINGS:
            from edgewise.plot import formula_front, save  # matplotlib takes a second, and `predict` reads this module

            save(formula_front(self.front, target=self.front.target), path)
            return
        # Text files: all formulas as a table or with everything that reading back needs, or the chosen one in a
        # language.
        formula = self.best.formula
        facts = [*self.accuracy, *self.domain, "Written by Edgewise."]
        if ending == ".csv":
            buffer = io.StringIO()
            rows = self.rows()
            writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows([row | {"formula": csv_cell(row["formula"])} for row in rows])
            text = buffer.getvalue()
        elif ending == ".json":
            content = {
                "target": self.front.target,
                "inputs": list(formula.names),
                "formula": formula.text(None),
                "latex": formula.latex(),
                "fidelity": self.accuracy,
                "domain": list(self.domain),
                "notes": list(self.notes),
                "front": self.rows(),
                # What `edgewise predict`, `info`, `plot` and `explain` read back.
                "edgewise": __version__,
                "stored": strict_json.encode(codec.plain(self.front), "formulas", None),
                "table": codec.plain(self.encoder),
            }
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        elif ending == ".tex":
            left = latex_name(self.front.target)
            lines = [f"% {latex_comment(sentence)}" for sentence in facts]
            lines += ["\\begin{equation}", f"  {left} = {formula.latex()}", "\\end{equation}", ""]
            lines.append("% All formulas, each with its complexity and root mean square error:")
            lines += [
                f"% {entry.complexity}, {number_text(math.sqrt(entry.loss), 3)}: {left} = {entry.formula.latex()}"
                for entry in self.front
            ]
            text = "\n".join(lines) + "\n"
        elif ending == ".py":
            lines = [f"{self.front.target} = {formula.text()}", *facts]
            text = "".join(f"# {python_comment(line)}\n" for line in lines) + formula.python("predict")
        else:
            comment = "\n".join(facts).replace("*/", "* /").replace("/*", "/ *")
            text = f"/* {comment.encode('ascii', 'replace').decode()} */\n{formula.c('predict')}"
        write_bytes(path, text.encode())


@dataclass(frozen=True, eq=False)
class FormulaFile:
    """Formulas in a file that `edgewise formula --out x.json` wrote."""

    front: Front  # all formulas
    # rules from the columns of a table to the inputs; None where the columns are the inputs
    encoder: InputEncoder | None
    content: dict[str, Any]  # everything in the file

    @classmethod
    def read(cls, path: Path) -> FormulaFile:
        """Read such a file."""
        data = read_bytes(path)
        try:
            content = strict_json.parse(data.decode(), "file")
            front = codec.read(Front, strict_json.decode(content.get("stored"), "formulas", {}), "formulas")
            return cls(front, codec.read(InputEncoder | None, content.get("table"), "table encoder"), content)
        except (AttributeError, UnicodeDecodeError, CheckpointError) as error:
            raise CheckpointError(
                f"{path} must be a file that `edgewise formula --out FILE.json` wrote, got something else"
            ) from error

    @property
    def target(self) -> str:
        """Name of the quantity that the formulas give."""
        return self.front.target

    @property
    def formula(self) -> Formula:
        """The chosen formula."""
        return self.front.best.formula

    def inputs(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Return X (n_rows, d) for a table, and sentences about missing and unknown values; raise InputError."""
        if self.encoder is None:
            return finite_columns(table, self.formula.names, len(self.formula.names), "of the formula"), []
        codes = self.encoder.codes(table)
        return self.encoder.inputs_of(codes), self.encoder.check(codes).notes


def _r2(loss: float, variance: float) -> str:
    if variance > 0:
        return r2_text(1 - loss / variance)
    return r2_text(math.nan)


def _finite_root(loss: float) -> float | None:
    if math.isfinite(loss):
        return math.sqrt(loss)
    return None
