"""Third stage of the formula search: short expressions are enumerated, and pairs of them are matched with the target.

`stage` has the doors, `enumerated` and the quick `short_laws`. The first makes all expressions up to a size bottom-up
(`pool`), and sorted lists find those of which the target, or a link of it (`targets`), is a combination with fitted
factors (`matches`). With noise, and for curves with inner constants (`families`), the nearest are ranked by correlation
and fitted (`ranking`).
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.enumeration.stage import enumerated

__all__ = ["enumerated"]

import_on_demand(__name__)
