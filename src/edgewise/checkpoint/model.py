"""Model files: a network, its extra facts and the state of its training in one safetensors file without pickle.

Format version 1. The container is safetensors (`container`): tensors in little-endian order and a JSON header. The
header's metadata, all text, are

    format    "edgewise"
    version   "1"; a file with a higher number is refused with a sentence
    model     JSON {"kind": "KAN" | "MLP", "config": the fields of KANConfig | MLPConfig ("products" and "functions"
              only where there are any; functions are names, looked up in a table by the reader),
              "dtype": "float32" | "float64", "frozen": names of the parameters with requires_grad False,
              "finite": whether all numbers are}
    extra     JSON tree: the caller's facts (names, scaling, classes, metrics)
    state     JSON tree with references to tensors, or null: the state of a training
    sha256    checksum of all the rest; it detects damage, but an attacker can compute it anew

A JSON tree writes what JSON lacks as an object with one key: {"$float": "nan" | "inf" | "-inf"}, {"$tuple": [...]},
{"$dict": [[key, value], ...]} and {"$tensor": name} (`strict_json`). The network's tensors are called "model." and
their name in `state_dict`; those of the state "state.0", "state.1", ... in order of appearance.

Reading runs nothing that is stored in a file: sizes, names, shapes and dtypes are checked against the file's own size
and the config before memory is taken, and any deviation is a CheckpointError. Writing replaces the old file as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from edgewise.checkpoint import container, kinds, strict_json
from edgewise.checkpoint.network import Network, describe, read_description
from edgewise.checks import check_kind, is_integer
from edgewise.errors import CheckpointError, InputError
from edgewise.files.whole import read_bytes, write_bytes
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.loop.reports import StepEvent


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a model file.

    Parameters
    ----------
    model : KAN or MLP
        The network, on the CPU.
    extra : dict
        The facts that were stored with it: dictionaries, lists, tuples, numbers and text. The file of an estimator has
        its facts under "estimator", and the user's under "extra".
    state : dict or None
        The state of a training for `fit(resume=...)`, or None.

    Examples
    --------
    >>> from edgewise import KAN
    >>> checkpoint = from_bytes(to_bytes(KAN([2, 1]), extra={"unit": "mm"}))
    >>> checkpoint.model.config.width, checkpoint.extra, checkpoint.state
    ((2, 1), {'unit': 'mm'}, None)
    """

    model: Network
    extra: dict[str, Any]
    state: dict[str, Any] | None


def write(
    model: Network,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a model file, whole or not at all; equal contents give equal bytes.

    Parameters
    ----------
    model : KAN or MLP
        The network.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    extra : mapping, optional
        Facts that belong to the model: dictionaries, lists, tuples, numbers (also nan and inf), text and None.
    state : mapping, optional
        The state of a training: like `extra`, and tensors.

    Raises
    ------
    InputError
        The model, extra or state contain something that cannot be stored.
    FileError
        The folder is missing or not writable, or the disk is full.

    Examples
    --------
    >>> import os, tempfile
    >>> import edgewise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     write(edgewise.KAN([2, 1]), path, extra={"inputs": ["length", "width"]})
    ...     read(path).extra
    {'inputs': ['length', 'width']}
    """
    write_bytes(path, to_bytes(model, extra=extra, state=state))


def read(path: str | os.PathLike[str], *, table: Mapping[str, Elementary] = ELEMENTARY) -> Checkpoint:
    """Read everything that a model file contains, equal bit for bit to what was written.

    Files from untrusted sources are safe to read: nothing in them is executed or unpickled.

    Parameters
    ----------
    path : path-like
        Name of the file; also the file of an estimator.
    table : mapping, optional
        The elementary functions that edges may have, by name. Needed where the model has functions of your own.

    Returns
    -------
    Checkpoint
        The network, its extra facts and the state of its training.

    Raises
    ------
    FileError
        The file is missing, a folder, or not readable.
    CheckpointError
        The file is damaged, unsafe, of another program or of a newer version.

    Examples
    --------
    >>> import os, tempfile
    >>> import edgewise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     edgewise.save(edgewise.KAN([2, 3, 1]), path)
    ...     read(path).model.config.width
    (2, 3, 1)
    """
    with container.errors_of_file("model", path):
        return from_bytes(read_bytes(path), table=table)


@dataclass(frozen=True)
class Checkpointer:
    """Callback of `fit` that saves the model and the state of the fit, so that the fit can be resumed.

    After a crash, `fit(model, ..., resume=read(path).state)` with the same settings gives the same bits as one
    uninterrupted fit; the steps since the last save are repeated.

    Parameters
    ----------
    path : path-like
        The model file, replaced as a whole by each save.
    every : int
        Steps between saves; the last planned step is saved as well. A save writes everything, so leave some seconds of
        training between two of them.
    extra : mapping, optional
        Facts to store with every save, see `write`.

    Raises
    ------
    InputError
        `every` is not a positive integer.

    Examples
    --------
    >>> import os, tempfile
    >>> import torch
    >>> import edgewise
    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> model, problem = edgewise.KAN([1, 1]), edgewise.Regression(x, x**2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     _ = edgewise.fit(model, problem, steps=4, callbacks=[Checkpointer(path, every=2)])
    ...     "step" in read(path).state
    True
    """

    path: str | os.PathLike[str]
    every: int = 10
    extra: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not is_integer(self.every) or self.every < 1:
            raise InputError(f"every must be a positive integer, got {self.every!r}")

    def __call__(self, event: StepEvent) -> None:
        """Save after every `every` steps and after the last one."""
        if event.step % self.every == 0 or event.step == event.steps:
            model = cast(Network, event.model)  # `write` refuses every other module
            write(model, self.path, extra=self.extra, state=event.state())


def to_bytes(
    model: Network, *, extra: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> bytes:
    """Return the content of a model file.

    Parameters
    ----------
    model, extra, state
        See `write`.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    InputError
        The model, extra or state contain something that cannot be stored.

    Examples
    --------
    >>> import edgewise
    >>> from_bytes(to_bytes(edgewise.KAN([2, 1]))).model.config.width
    (2, 1)
    """
    for name, value in {"extra": extra, "state": state}.items():
        check_kind(value, Mapping | None, f"{name} must be a dictionary")
    # The description of the network, and all tensors under names that tell model and state apart.
    description = describe(model)
    tensors: dict[str, Tensor] = {}
    state_tree = strict_json.encode(state, "state", tensors, prefix="state.")
    tensors |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    metadata = {
        "format": "edgewise",
        "version": "1",
        "model": strict_json.dump(description),
        "extra": strict_json.dump(strict_json.encode(extra or {}, "extra", None)),
        "state": strict_json.dump(state_tree),
    }
    return container.pack(tensors, metadata)


def from_bytes(data: bytes, *, table: Mapping[str, Elementary] = ELEMENTARY) -> Checkpoint:
    """Return the checkpoint that `to_bytes` stored.

    Parameters
    ----------
    data : bytes
        The content of a model file.
    table : mapping, optional
        See `read`.

    Returns
    -------
    Checkpoint
        The network, its extra facts and the state of its training.

    Raises
    ------
    CheckpointError
        The content is damaged or unsafe; the message is the second half of a sentence, "must ..., got ...".

    Examples
    --------
    >>> import edgewise
    >>> from_bytes(to_bytes(edgewise.KAN([2, 1]), extra={"note": 1})).extra
    {'note': 1}
    """
    return from_container(container.unpack(data), table=table)


def from_container(file: container.Container, *, table: Mapping[str, Elementary]) -> Checkpoint:
    """Return the checkpoint in an unpacked file, see `from_bytes`."""
    trees = {name: file.metadata.get(name) for name in ("model", "extra", "state")}
    if set(file.metadata) != {"format", "version", *trees}:
        raise CheckpointError("must have the metadata model, extra and state, got others")
    parsed = {name: strict_json.parse(str(text), name) for name, text in trees.items()}
    own = {name.removeprefix("model."): entry for name, entry in file.entries.items() if name.startswith("model.")}
    description = read_description(parsed["model"], len(own))
    description.check_entries(own)
    tensors = file.tensors()
    for name, tensor in tensors.items():
        # A bool byte other than 0 and 1 would be true and yet differ from true.
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise CheckpointError(f"must have bytes 0 and 1 only in {name[:60]!a}, got others")
    model = description.build({name: tensors.pop(f"model.{name}") for name in own}, table)
    extra = strict_json.decode(parsed["extra"], "extra", {})
    state = strict_json.decode(parsed["state"], "state", tensors)
    if tensors:
        raise CheckpointError(f"must use each of its tensors, got an unused {sorted(tensors)[0][:60]!a}")
    if not isinstance(extra, dict) or not isinstance(state, dict | None):
        raise CheckpointError("must have dictionaries as extra and state, got something else")
    return Checkpoint(model, extra, state)


def _read_network(
    file: container.Container, path: str | os.PathLike[str], *, table: Mapping[str, Elementary], **_: Any
) -> Network:
    """Return the network in an unpacked file, for `edgewise.load`."""
    with container.errors_of_file("model", path):
        return from_container(file, table=table).model


kinds.register("network", kinds.FileKind((KAN, MLP), write, _read_network))
