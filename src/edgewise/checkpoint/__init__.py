"""Models and solutions as files: safetensors with a JSON header, never pickle.

`edgewise.save` and `edgewise.load` are the usual way to files. This room has the parts: `write` and `read` for a
network with its extra facts and the state of its training (a `Checkpoint`), and `Checkpointer` to write one during a
fit. Each room that owns another kind of objects registers it with `kinds`, and
`codec` makes checked values of its dataclasses.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.checkpoint.model import Checkpoint, Checkpointer, from_bytes, read, to_bytes, write

__all__ = ["Checkpoint", "Checkpointer", "from_bytes", "read", "to_bytes", "write"]

import_on_demand(__name__)
