"""A report about one fit: a single HTML file that needs no other file, to read, print or send.

`content.ReportContent` holds the texts, numbers and figures, and `page.write_report` writes them.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgewise.errors import missing_extra
from edgewise.lazy import import_on_demand

if find_spec("matplotlib") is None:
    raise missing_extra("matplotlib", "plot", "Writing a report")

if TYPE_CHECKING:
    from edgewise.report.page import Report

__all__ = ["Report"]

import_on_demand(__name__)
