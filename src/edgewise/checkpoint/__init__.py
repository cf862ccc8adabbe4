"""Models and solutions as files: safetensors with a JSON header, never pickle.

`save` and `load` write and read a network together with its extra facts and the state of its training; `Checkpointer`
does so during a fit. `save_solution` and `load_solution` do the same for solutions of differential equations.
"""

from edgewise.checkpoint.model import Checkpoint, Checkpointer, from_bytes, load, save, to_bytes
from edgewise.checkpoint.solution import load_solution, save_solution

__all__ = ["Checkpoint", "Checkpointer", "from_bytes", "load", "load_solution", "save", "save_solution", "to_bytes"]
