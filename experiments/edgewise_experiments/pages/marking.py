"""Formulas in the texts of results, marked as code, so that Markdown keeps their asterisks."""

from __future__ import annotations

import re

# A product, a power, an absolute value, a function of an argument, or a ratio of two letters.
_FORMULA = re.compile(r"\*|\^|\|\w|\b[A-Za-z]\w*\(|\b[a-z]/[a-z]\b|^\([-\w ]+ [-+] ")
# Words of a sentence that only contains a formula: it stays as it is unless it has an asterisk.
_PROSE = re.compile(r"\b(on|at|to|the|under|found|times)\b")
_LABEL = re.compile(r"([A-Za-z]+: )(.*)", re.DOTALL)
# An equation or inequality at the beginning of a cell, up to the words about its domain.
_DERIVATIVE = r"(?:\b[a-z]_[a-z]+|\b[a-z]'+|\blaplacian [a-z])"
_EQUATION = re.compile(rf"((?:(?! of )[^,=`])*?{_DERIVATIVE} [^,=]*= .+?|[^,]+ [<>] 0)(?= on | in | for |, |$)(.*)")


def split_formula(cell: str) -> tuple[str, str, str]:
    """Split a cell of a table into the words before a formula, the formula and the words after it, each maybe empty."""
    label = _LABEL.fullmatch(cell)
    words, rest = (label[1], label[2]) if label else ("", cell)
    equation = _EQUATION.fullmatch(rest)
    if equation:
        return words, equation[1], equation[2]
    if not _FORMULA.search(cell) or ("*" not in cell and _PROSE.search(cell)):
        return cell, "", ""
    return words, rest, ""


def markdown_cell(cell: str) -> str:
    r"""A cell for a table in Markdown: formulas in code marks, bars escaped."""
    words, formula, rest = split_formula(cell)
    if formula:
        marks = "``" if "`" in formula else "`"
        space = " " if formula.startswith("`") or formula.endswith("`") else ""
        words += f"{marks}{space}{formula}{space}{marks}{rest}"
    return words.replace("|", "\\|")  # an unescaped bar within a cell would end the cell, within code marks too
