"""A report about one fit: a single HTML file that needs no other file, to read, print or send.

Fill a `ReportContent` with texts, numbers and figures and hand it to `write_report`.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgewise.errors import missing_extra
from edgewise.lazy import import_on_demand

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Writing a report")

if TYPE_CHECKING:
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

import_on_demand(__name__)
