"""Models and solutions as files: safetensors with a JSON header, never pickle.

`edgewise.save` and `edgewise.load` are the usual way to files. This room has the parts: `write` and `read` for a
network with its extra facts and the state of its training (a `Checkpoint`), `Checkpointer` to write one during a fit,
`save_solution` and `load_solution` for differential equations.
"""

from edgewise.checkpoint.model import Checkpoint, Checkpointer, from_bytes, read, to_bytes, write
from edgewise.checkpoint.solution import load_solution, save_solution

__all__ = ["Checkpoint", "Checkpointer", "from_bytes", "load_solution", "read", "save_solution", "to_bytes", "write"]
