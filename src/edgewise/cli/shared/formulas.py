"""Formulas that a search found: the chosen one, sentences about its accuracy, and files with all of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.cli.shared.exit_codes import printable
from edgewise.files import write_bytes
from edgewise.formulas.domains import EXTRAPOLATED_SHARE, domain_report
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.printing import latex_name
from edgewise.plot import formula_front, save
from edgewise.plot.style import FORMATS

ENDINGS = (".csv", ".json", ".tex", ".py", ".c", *FORMATS)


@dataclass(frozen=True, eq=False)
class FormulaList:
    """Formulas of increasing length, one of which is chosen, with the rows that they were fitted to.

    Parameters
    ----------
    front : Front
        The formulas.
    chosen : int
        Place of the chosen one.
    target : str
        Name of the quantity that the formulas give.
    X : ndarray of shape (N, d)
        Inputs.
    y : ndarray of shape (N,)
        Target.
    notes : tuple of str
        Sentences about the search.
    """

    front: Front
    chosen: int
    target: str
    X: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]

    @classmethod
    def from_front(cls, front: Front, target: str, X: np.ndarray, y: np.ndarray, notes: Sequence[str]) -> FormulaList:
        """Choose the best formula of the front; the notes come before the messages of the search."""
        best = front.best
        chosen = next(place for place, entry in enumerate(front) if entry is best)
        return cls(front, chosen, target, X, y, (*notes, f"The arrow marks {front.reason}.", *front.messages))

    @property
    def best(self) -> FrontEntry:
        """The chosen entry."""
        return self.front[self.chosen]

    @property
    def domain(self) -> tuple[str, ...]:
        """Sentences about where the chosen formula is defined."""
        return domain_report(self.best.formula, self.X)

    @property
    def accuracy(self) -> list[str]:
        """Sentences with the errors of the chosen formula."""
        entry, variance = self.best, self.front.variance
        first = (
            f"The root mean square error is {math.sqrt(entry.loss):.4g} (R² {r2_text(entry.loss, variance)}) on the "
            "rows of the search"
        )
        if math.isfinite(entry.validation):
            held_out = f"{math.sqrt(entry.validation):.4g} (R² {r2_text(entry.validation, variance)})"
            first += f" and {held_out} on held-out rows"
        differences = [
            f"{math.sqrt(loss):.4g} {place}" if math.isfinite(loss) else f"undefined somewhere {place}"
            for loss, place in (
                (entry.fresh, "at new inputs between the rows"),
                (entry.outside, f"up to {EXTRAPOLATED_SHARE:.0%} outside the range of one input"),
            )
            if not math.isnan(loss)
        ]
        if not differences:
            return [f"{first}."]
        return [
            f"{first}.",
            f"The root mean square difference from the network is {' and '.join(differences)}.",
        ]

    def rows(self) -> list[dict[str, object]]:
        """Return every formula with its errors as plain values.

        The differences are those from the network, None without a network or where the formula is undefined.
        """
        return [
            {
                "number": place + 1,
                "chosen": place == self.chosen,
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

    def write(self, path: str, digits: int) -> None:
        """Write all formulas (.csv, .json), the chosen one (.tex, .py, .c) or the figure of the front.

        Raises
        ------
        FileError
            The file cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending in FORMATS:
            save(formula_front(self.front, chosen=self.chosen, target=self.target), path)
            return
        formula, facts = self.best.formula, [*self.accuracy, *self.domain]
        if ending == ".csv":
            buffer, rows = io.StringIO(), self.rows()
            writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            text = buffer.getvalue()
        elif ending == ".json":
            content = {
                "target": self.target,
                "inputs": list(formula.names),
                "formula": formula.text(None),
                "latex": formula.latex(digits),
                "fidelity": self.accuracy,
                "domain": list(self.domain),
                "notes": list(self.notes),
                "front": self.rows(),
            }
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        elif ending == ".tex":
            left = latex_name(self.target)
            lines = [f"% {' '.join(sentence.split())}" for sentence in facts]
            lines += ["\\begin{equation}", f"  {left} = {formula.latex(digits)}", "\\end{equation}", ""]
            lines.append("% All formulas, each with its complexity and root mean square error:")
            lines += [
                f"% {entry.complexity}, {math.sqrt(entry.loss):.3g}: {left} = {entry.formula.latex(digits)}"
                for entry in self.front
            ]
            text = "\n".join(lines) + "\n"
        elif ending == ".py":
            lines = [f"{self.target} = {formula.text(digits)}", *facts]
            text = "".join(f"# {printable(line)}\n" for line in lines) + formula.python("predict")
        else:
            comment = "\n".join(facts).replace("*/", "* /").replace("/*", "/ *")
            text = f"/* {comment.encode('ascii', 'replace').decode()} */\n{formula.c('predict')}"
        write_bytes(path, text.encode())


def r2_text(loss: float, variance: float) -> str:
    """Return 1 - loss / variance as text, a dash for a constant target."""
    return f"{1 - loss / variance:.4g}".replace("-", "−") if variance > 0 else "–"


def _finite_root(loss: float) -> float | None:
    return math.sqrt(loss) if math.isfinite(loss) else None
