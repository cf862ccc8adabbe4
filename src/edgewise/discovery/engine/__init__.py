"""The engine: runs the stages of a formula search on a problem and on its reductions, and judges what they yield."""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.engine.running import Engine

__all__ = ["Engine"]

import_on_demand(__name__)
