"""Kinds of objects in files: the room that owns a kind registers how its objects are written and read (`register`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from edgewise.checkpoint import strict_json
from edgewise.checkpoint.container import Container
from edgewise.checks import json_object

# For each kind the room of its classes, and the module that registers the kind when it is imported. That is when a file
# or an object of the kind is at hand, so that reading a network loads neither estimators nor equations.
OWNERS = {
    "network": ("edgewise.nn", "edgewise.checkpoint.model"),
    "estimator": ("edgewise.estimator", "edgewise.estimator.storage"),
    "solution": ("edgewise.pde", "edgewise.pde.storage"),
}


@dataclass(frozen=True)
class FileKind:
    """How objects of one kind become files, and files objects."""

    classes: tuple[type, ...]
    write: Callable[..., None]  # arguments: object, path, extra=, state=
    read: Callable[..., Any]  # arguments: unpacked file, path, problem=, table=


_registered: dict[str, FileKind] = {}


def register(kind: str, file_kind: FileKind) -> None:
    """Let files have objects of a kind that `OWNERS` lists."""
    _registered[kind] = file_kind


def registered(kind: str) -> FileKind:
    """Return how objects of a kind are written and read, which its owner registers at the latest now."""
    import_module(OWNERS[kind][1])
    return _registered[kind]


def kind_for(obj: object) -> FileKind | None:
    """Return how an object is written and read, or None; rooms without a class of it are not loaded."""
    modules = [f"{each.__module__}." for each in type(obj).__mro__]
    for kind, (room, _) in OWNERS.items():
        if any(module.startswith(f"{room}.") for module in modules) and isinstance(obj, registered(kind).classes):
            return registered(kind)
    return None


def kind_of(file: Container) -> str:
    """Return the kind of the object in a file."""
    if "solution" in file.metadata:
        return "solution"
    facts = json_object(strict_json.parse(file.metadata.get("extra", "{}"), "extra"))
    return "estimator" if set(facts) == {"estimator", "extra"} else "network"
