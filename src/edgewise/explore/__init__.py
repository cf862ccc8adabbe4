"""The explorer: look at a network, ask it, edit it by hand, and take home a model, a formula and a script.

`Session` holds a model with its rows and the edits so far; `edgewise explore MODEL` shows it in a browser and
`model.explore(X, y)` in a notebook.
"""

from typing import TYPE_CHECKING

from edgewise.errors import CancelledError
from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.explore.session import Session

__all__ = ["CancelledError", "Session"]

import_on_demand(__name__)
