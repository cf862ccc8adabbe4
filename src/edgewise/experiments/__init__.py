"""Experiments whose numbers the documentation shows: one file each, guests of the public interface.

A module here has a function `run(*, quick, store, seed, progress)` that gives an `Outcome`; its first sentence is what
a list of experiments shows.
"""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from edgewise.errors import InputError

_MACHINERY = ("store",)  # modules that are no experiments


def experiments() -> dict[str, str]:
    """Name and first sentence of each experiment; none of them is loaded for that."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _MACHINERY:
            source = Path(find_spec(f"{__name__}.{module.name}").origin).read_text(encoding="utf-8")
            found[module.name] = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return found


def load_experiment(name: str) -> ModuleType:
    """The module of an experiment. Raises InputError for a name that is none."""
    known = experiments()
    if name not in known:
        raise InputError(f"the experiment must be one of {', '.join(known)}, got {name!r:.60}")
    return import_module(f"{__name__}.{name}")
