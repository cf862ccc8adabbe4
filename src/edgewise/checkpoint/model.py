"""Model files: a network, what belongs to it, and the state of its training, in one safetensors file without pickle.

Format version 1. The container is safetensors (`container`): tensors in little-endian order and a JSON header. The
header's metadata, all text, are

    format    "edgewise"
    version   "1"; a file with a higher number is refused with a sentence
    model     JSON {"kind": "KAN" | "MLP", "config": the fields of KANConfig | MLPConfig ("products" and "functions"
              only where there are any; functions are names, looked up in a table by whoever reads),
              "dtype": "float32" | "float64", "frozen": names of the parameters with requires_grad False,
              "finite": whether all numbers are}
    extra     JSON tree: what the caller gave (names, scaling, classes, metrics)
    state     JSON tree with references to tensors, or null: the state of a training
    sha256    of all the rest; a damaged byte is noticed, whoever means harm can of course compute it anew

A JSON tree writes what JSON lacks as an object with one key: {"$float": "nan" | "inf" | "-inf"}, {"$tuple": [...]},
{"$dict": [[key, value], ...]} and {"$tensor": name} (`strict_json`). The network's tensors are called "model." and
their name in `state_dict`; those of the state "state.0", "state.1", ... in order of appearance.

Reading runs nothing that a file says: sizes, names, shapes and dtypes are checked against the file's own size and the
config before memory is taken, and anything odd is a CheckpointError. Writing replaces the old file as a whole.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise import files
from edgewise.checkpoint import container, strict_json
from edgewise.checkpoint.network import Network, describe, read_description
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.train.loop.reports import StepEvent


@dataclass(frozen=True)
class Checkpoint:
    """What a model file holds.

    model: the KAN or MLP, on the CPU.
    extra: what was given to `save`, dictionaries, lists, tuples, numbers, text.
    state: the training state for `fit(resume=...)`, or None.
    """

    model: Network
    extra: dict[str, Any]
    state: dict[str, Any] | None


def save(
    path: str | os.PathLike[str],
    model: Network,
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model file as a whole or not at all; equal contents give equal bytes.

    Args:
        path: where to; an existing file is replaced, and stays intact if anything goes wrong.
        model: a KAN or MLP.
        extra: what belongs to the model: dictionaries, lists, tuples, numbers (also nan and inf), text, None.
        state: a training state, as `extra` and with tensors.

    Raises:
        InputError: model, extra or state hold something that has no place in a file.
        FileError: the folder is missing or not writable, the disk is full, ...
    """
    files.write_bytes(path, to_bytes(model, extra=extra, state=state))


def load(path: str | os.PathLike[str], *, table: Mapping[str, Elementary] = ELEMENTARY) -> Checkpoint:
    """Reads a model file, bit for bit what was saved. Safe on files from anyone: runs nothing, never unpickles.

    Args:
        table: the elementary functions that edges may have; give the one with your own rows if the model has them.

    Raises:
        FileError: the file is missing, a folder, or may not be read.
        CheckpointError: the file is damaged, hostile, of another program or of a newer version.
    """
    data = files.read_bytes(path)
    try:
        return from_bytes(data, table=table)
    except CheckpointError as error:
        raise CheckpointError(f"model file {os.fspath(path)} {error}") from error


@dataclass(frozen=True)
class Checkpointer:
    """A callback of `fit` that saves the model as it is and the state of the fit, so that it can be resumed.

    After a crash, `fit(model, ..., resume=load(path).state)` with the same settings gives the bits of one
    uninterrupted fit; the steps since the last save are made again.

    path: the model file, replaced as a whole by each save.
    every: steps between saves; the last planned step is saved as well. A save writes everything, so let some seconds
        of work lie between two.
    extra: stored with every save, see `save`.
    """

    path: str | os.PathLike[str]
    every: int = 10
    extra: Mapping[str, Any] | None = None

    def __post_init__(self):
        if not isinstance(self.every, int) or isinstance(self.every, bool) or self.every < 1:
            raise InputError(f"every must be a positive integer, got {self.every!r}")

    def __call__(self, event: StepEvent) -> None:
        if event.step % self.every == 0 or event.step == event.steps:
            save(self.path, event.model, extra=self.extra, state=event.state())


def to_bytes(
    model: Network, *, extra: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> bytes:
    """The content of a model file, see `save`."""
    for name, value in {"extra": extra, "state": state}.items():
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f"{name} must be a dictionary, got {type(value).__name__}")
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
    """The inverse of `to_bytes`. Raises CheckpointError with the second half of a sentence, "must ..., got ..."."""
    file = container.unpack(data)
    trees = {name: file.metadata.get(name) for name in ("model", "extra", "state")}
    if set(file.metadata) != {"format", "version", *trees}:
        raise CheckpointError("must have the metadata model, extra and state, got others")
    parsed = {name: strict_json.parse(text, name) for name, text in trees.items()}
    own = {name.removeprefix("model."): entry for name, entry in file.entries.items() if name.startswith("model.")}
    description = read_description(parsed["model"], len(own))
    description.check_entries(own)
    tensors = file.tensors()
    _check_bools(tensors)
    model = description.build({name: tensors.pop(f"model.{name}") for name in own}, table)
    extra = strict_json.decode(parsed["extra"], "extra", {})
    state = strict_json.decode(parsed["state"], "state", tensors)
    if tensors:
        raise CheckpointError(f"must use each tensor it holds, got a stray {sorted(tensors)[0][:60]!a}")
    if not isinstance(extra, dict) or not isinstance(state, dict | None):
        raise CheckpointError("must have dictionaries as extra and state, got something else")
    return Checkpoint(model, extra, state)


def _check_bools(tensors: Mapping[str, Tensor]) -> None:
    """A bool byte other than 0 and 1 would be true and yet differ from true."""
    for name, tensor in tensors.items():
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise CheckpointError(f"must have bytes 0 and 1 only in {name[:60]!a}, got others")
