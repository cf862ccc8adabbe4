"""The registry of forms of files by their endings; it loads a writer, and torch with it, when a file is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

WRITERS: Mapping[str, str] = {
    ".py": "edgewise.export.numpy_code.to_python",
    ".c": "edgewise.export.c_code.to_c",
    ".onnx": "edgewise.export.onnx.to_onnx",
    ".pt2": "edgewise.export.program.to_program",
}
"""The function that writes a network for each ending."""


def writer_of(ending: str) -> Callable[..., None]:
    """Return the function that writes files of an ending."""
    module, _, name = WRITERS[ending].rpartition(".")
    return getattr(import_module(module), name)
