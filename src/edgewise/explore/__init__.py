"""The explorer: look at a network, ask it, edit it by hand, and take home a model, a formula and a script.

`Session` holds a model with its rows and the edits so far; `edgewise explore MODEL` shows it in a browser and
`model.explore(X, y)` in a notebook. `apply_edit` is the pure function behind both.
"""

from typing import TYPE_CHECKING

from edgewise.errors import CancelledError
from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.explore.editing import Applied, apply_edit
    from edgewise.explore.session import Session
    from edgewise.interpret.edits import EDITS, checked_edit

__all__ = ["EDITS", "Applied", "CancelledError", "Session", "apply_edit", "checked_edit"]

import_on_demand(__name__)
