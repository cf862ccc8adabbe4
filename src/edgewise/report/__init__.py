"""A report about one fit: a single HTML file that needs no other file, to read, print or send.

`content.ReportContent` holds the texts, numbers and figures, and `page.Report` lays them out. `Comparison` sets the
model beside others in a table and one sentence, here as in `model.compare`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.report.comparison import Comparison
    from edgewise.report.page import Report

__all__ = ["Comparison", "Report"]

import_on_demand(__name__)
