"""A report about one fit: a single HTML file that needs no other file, to read, print or send.

Fill a `ReportContent` with texts, numbers and figures and hand it to `write_report`.
"""

from importlib.util import find_spec

from edgewise.errors import missing_extra

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Writing a report")

from edgewise.report.content import (
    ClassResult,
    FormulaRow,
    ModelResult,
    ReportContent,
    ReportFigure,
    ReportParts,
    TestTable,
    formula_rows,
)
from edgewise.report.page import Report, write_report

__all__ = [
    "ClassResult",
    "FormulaRow",
    "ModelResult",
    "Report",
    "ReportContent",
    "ReportFigure",
    "ReportParts",
    "TestTable",
    "formula_rows",
    "write_report",
]
