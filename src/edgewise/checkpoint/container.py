"""The safetensors container: equal contents give equal bytes, and every claim of a file is checked when it is read.

A file is 8 bytes with the header's length N (little-endian), N bytes of JSON padded with spaces, then the numbers of
all tensors without a gap. The header gives {"__metadata__": {name: text}, tensor: {"dtype", "shape", "data_offsets"}}.
One of the metadata, "sha256", is a checksum of the rest: an altered byte is noticed before anything is built.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgewise.checkpoint import strict_json
from edgewise.checks import are_texts, is_sequence
from edgewise.errors import CheckpointError, InputError

MAX_HEADER = 64 << 20  # bytes: the training state of a long fit needs a few MB of JSON

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor in the header of a file: its dtype, its shape, and the place of its bytes in the data."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int  # first byte and the one after the last, counted from the beginning of the data
    end: int


@dataclass(frozen=True)
class Container:
    """A file whose header has been checked."""

    metadata: dict[str, str]  # the texts of the header, without the checksum
    entries: dict[str, TensorEntry]  # the tensors by name
    data: bytes  # the whole file

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, on the CPU; their sizes are those of the file, which `unpack` has checked."""
        try:
            return safetensors.torch.load(self.data)
        except safetensors.SafetensorError as error:
            raise CheckpointError(f"must be a safetensors file, but safetensors refuses it ({error})") from error


@contextmanager
def errors_of_file(kind: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Complete the half sentences of this room's CheckpointErrors: "model file x" in front of "must ..., got ..."."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{kind} file {os.fspath(path)} {error}") from error


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a file."""
    codes = {dtype: code for code, dtype in DTYPES.items()}
    for name, tensor in tensors.items():
        if tensor.dtype not in codes:
            known = ", ".join(str(dtype).removeprefix("torch.") for dtype in codes)
            raise InputError(f"{name} must have one of the dtypes {known}, got {tensor.dtype}")
    table: dict[str, Any] = {}
    chunks = []
    position = 0
    # Largest items first keeps every tensor aligned to its item size.
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        tensor = tensors[name]
        # Row by row, and by way of bytes, since numpy has no bfloat16; torch views nothing without a stride of 1.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        chunks.append(flat.view(torch.uint8).numpy().tobytes() if len(flat) else b"")
        span = [position, position + len(chunks[-1])]
        table[name] = {"dtype": codes[tensor.dtype], "shape": list(tensor.shape), "data_offsets": span}
        position = span[1]
    return assemble(table, metadata, b"".join(chunks))


def assemble(table: Mapping[str, Any], metadata: Mapping[str, str], data: bytes) -> bytes:
    """Return the bytes of a file with this table of tensors; the header and its checksum are added."""
    header = strict_json.dump({"__metadata__": {**metadata, "sha256": _checksum(table, metadata, data)}, **table})
    raw = header.encode("ascii")
    raw += b" " * (-len(raw) % 8)  # as safetensors pads its own headers, so that float64 data can be mapped in place
    if len(raw) > MAX_HEADER:
        raise InputError(f"extra and state must take at most {MAX_HEADER >> 20} MiB as JSON, got {len(raw) >> 20} MiB")
    return len(raw).to_bytes(8, "little") + raw + data


def _checksum(table: Mapping[str, Any], metadata: Mapping[str, str], data: bytes) -> str:
    """SHA-256 of everything in a file, whatever the order of its keys."""
    digest = hashlib.sha256(strict_json.dump([sorted(metadata.items()), sorted(table.items())]).encode("ascii"))
    digest.update(data)
    return digest.hexdigest()


def unpack(data: bytes) -> Container:
    """Check a file from front to back; allocates nothing beyond a few times the size of the header."""
    # The kind of file, by its first bytes.
    if not data:
        raise CheckpointError("must be a model saved by Edgewise, got an empty file")
    # A header of 896 bytes begins like a pickle of protocol 3, but for the zeros of its length.
    if data.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and any(data[4:8]):
        raise CheckpointError("must be a safetensors file, got a pickle or zip archive, which is never opened")
    if len(data) < 8:
        raise CheckpointError(f"must be a safetensors file, got {len(data)} bytes only")
    if data[8:9] not in (b"", b"{"):
        raise CheckpointError("must be a safetensors file, got one of another kind: its header is not JSON")
    # The header, whose length the file claims itself.
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER, len(data) - 8):
        raise CheckpointError(
            f"must contain its whole header within {MAX_HEADER >> 20} MiB, got {len(data)} bytes where the "
            f"header alone claims {length}: the file was cut short or is no safetensors file"
        )
    start = 8 + length
    try:
        header = strict_json.parse(data[8:start].decode("utf-8"), "header")
    except UnicodeDecodeError as error:
        raise CheckpointError("must have a header in UTF-8, got other bytes") from error
    if not isinstance(header, dict):
        raise CheckpointError("must have a JSON object as header, got something else")
    # The metadata: program and version.
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not are_texts(metadata.values()):
        raise CheckpointError("must be a model saved by Edgewise, got a safetensors file without its metadata")
    if metadata.get("format") != "edgewise":
        raise CheckpointError("must be a model saved by Edgewise, got a safetensors file of another program")
    version = metadata.get("version")
    if version != "1":
        if version is not None and re.fullmatch("[1-9][0-9]{0,8}", version):
            raise CheckpointError(
                f"must have format version 1, got {version}: it comes from a newer Edgewise, which can read it"
            )
        raise CheckpointError(f"must have format version 1, got {str(version)[:20]!a}")
    entries = {name: _entry(name, value) for name, value in header.items()}
    # The tensors must tile the data: no hole, no overlap, nothing after the last.
    position = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.end)):
        if entry.start != position:
            raise CheckpointError(f"must give tensors without holes or overlaps, got one at byte {position}")
        position = entry.end
    if position != len(data) - start:
        raise CheckpointError(
            f"must contain {position} bytes of tensors, got {len(data) - start}: the file was cut short or altered"
        )
    # The checksum over all of it.
    checksum = metadata.pop("sha256", None)
    if checksum != _checksum(header, metadata, data[start:]):
        raise CheckpointError("must match the checksum stored in it, it does not: the file was altered")
    return Container(metadata, entries, data)


def _entry(name: str, value: Any) -> TensorEntry:
    """Return one row of the table, its size checked against its shape."""
    shown = f"tensor {name[:60]!a}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"must give dtype, shape and data_offsets of {shown}, got something else")
    code = value["dtype"]
    shape = value["shape"]
    span = value["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise CheckpointError(f"must give {shown} one of the dtypes {', '.join(DTYPES)}, got {str(code)[:20]!a}")
    most = 8  # dimensions: the tensors of networks and optimisers have at most three
    if not _whole_numbers(shape) or len(shape) > most:
        raise CheckpointError(f"must give {shown} a shape of at most {most} whole numbers, got something else")
    if not _whole_numbers(span) or len(span) != 2 or span[0] > span[1]:
        raise CheckpointError(f"must give {shown} two data_offsets in order, got something else")
    item = DTYPES[code].itemsize
    # Also for tensors without elements: strides are products of the other sizes and must stay machine numbers.
    if math.prod(max(size, 1) for size in shape) * item >= 1 << 62:
        raise CheckpointError(f"must give {shown} a shape that fits in memory, got a larger one")
    if math.prod(shape) * item != span[1] - span[0]:
        raise CheckpointError(
            f"must give {shown} {math.prod(shape) * item} bytes for its shape, got {span[1] - span[0]}"
        )
    return TensorEntry(DTYPES[code], tuple(shape), span[0], span[1])


def _whole_numbers(value: Any) -> bool:
    return is_sequence(value) and all(type(item) is int and 0 <= item < 1 << 62 for item in value)
