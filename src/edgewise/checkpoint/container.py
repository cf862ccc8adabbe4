"""The safetensors container: packed so that equal contents give equal bytes, unpacked strictly and within its own size.

A file is 8 bytes with the header's length N (little-endian), N bytes of JSON padded with spaces, then the numbers of
all tensors without a gap. The header gives {"__metadata__": {name: text}, tensor: {"dtype", "shape", "data_offsets"}}.
One of the metadata, "sha256", seals the rest: an altered byte anywhere is noticed before anything is built.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgewise.checkpoint import strict_json
from edgewise.errors import CheckpointError, InputError

MAX_HEADER = 64 << 20  # bytes; the training state of a long fit needs a few MB of JSON
MAX_RANK = 8
_ALIGNMENT = 8  # what safetensors pads its own headers to, so that float64 data can be mapped in place

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
_CODES = {dtype: code for code, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Entry:
    """What the header says about one tensor: dtype, shape, and where in the data its bytes lie."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Container:
    """A file whose header has been checked: `metadata` (without the seal), `entries`, and all `data` of the file."""

    metadata: dict[str, str]
    entries: dict[str, Entry]
    data: bytes

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, on the CPU. Sizes are those of the file, which `unpack` has checked."""
        try:
            return safetensors.torch.load(self.data)
        except safetensors.SafetensorError as error:
            raise CheckpointError(f"must be a safetensors file, got one it refuses ({error})") from error


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file; raises InputError for a dtype that has no code or a header that would be too long."""
    for name, tensor in tensors.items():
        if tensor.dtype not in _CODES:
            raise InputError(f"{name} must have one of the dtypes {', '.join(_CODES_TEXT)}, got {tensor.dtype}")
    # Largest items first keeps every tensor aligned to its item size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    table: dict[str, Any] = {}
    chunks = []
    position = 0
    for name in names:
        chunks.append(_raw(tensors[name]))
        span = [position, position + len(chunks[-1])]
        table[name] = {
            "dtype": _CODES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": span,
        }
        position = span[1]
    return assemble(table, metadata, b"".join(chunks))


def assemble(table: Mapping[str, Any], metadata: Mapping[str, str], data: bytes) -> bytes:
    """Header and seal for a table of tensors and their numbers."""
    sealed = {**metadata, "sha256": _seal(table, metadata, data)}
    header = strict_json.dump({"__metadata__": sealed, **table}).encode("ascii")
    header += b" " * (-len(header) % _ALIGNMENT)
    if len(header) > MAX_HEADER:
        raise InputError(
            f"extra and state must take at most {MAX_HEADER >> 20} MiB as JSON, got {len(header) >> 20} MiB"
        )
    return len(header).to_bytes(8, "little") + header + data


_CODES_TEXT = [str(dtype).removeprefix("torch.") for dtype in _CODES]


def _raw(tensor: Tensor) -> bytes:
    """The numbers of a tensor row by row; by way of bytes, since numpy knows no bfloat16."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _seal(table: Mapping[str, Any], metadata: Mapping[str, str], data: bytes) -> str:
    """SHA-256 of everything a file says, whatever the order of its keys."""
    digest = hashlib.sha256(strict_json.dump([sorted(metadata.items()), sorted(table.items())]).encode("ascii"))
    digest.update(data)
    return digest.hexdigest()


def unpack(data: bytes) -> Container:
    """Checks a file from front to back; allocates nothing beyond a few times the size of the header.

    Raises CheckpointError with what was expected and what came, as the second half of a sentence.
    """
    header, start = _header(data)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CheckpointError("must be a model saved by Edgewise, got a safetensors file without its metadata")
    if metadata.get("format") != "edgewise":
        raise CheckpointError("must be a model saved by Edgewise, got a safetensors file of another program")
    _check_version(metadata.get("version"))
    entries = {name: _entry(name, value) for name, value in header.items()}
    _check_spans(entries, len(data) - start)
    seal = metadata.pop("sha256", None)
    if seal != _seal(header, metadata, data[start:]):
        raise CheckpointError("must match the checksum stored in it, it does not: the file was altered")
    return Container(metadata, entries, data)


def _check_version(version: str | None) -> None:
    """Version 1 alone is known; of higher numbers the user should learn that a newer Edgewise reads them."""
    if version == "1":
        return
    if version is not None and re.fullmatch("[1-9][0-9]{0,8}", version):
        raise CheckpointError(
            f"must have format version 1, got {version}: it comes from a newer Edgewise, which can read it"
        )
    raise CheckpointError(f"must have format version 1, got {str(version)[:20]!a}")


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """The parsed header and where the data begin."""
    if not data:
        raise CheckpointError("must be a model saved by Edgewise, got an empty file")
    # A header of 896 bytes begins like a pickle of protocol 3, but for the zeros of its length.
    if data.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and any(data[4:8]):
        raise CheckpointError("must be a safetensors file, got a pickle or zip archive, which is never opened")
    if len(data) < 8:
        raise CheckpointError(f"must be a safetensors file, got {len(data)} bytes only")
    if data[8:9] not in (b"", b"{"):
        raise CheckpointError("must be a safetensors file, got one of another kind: its header is not JSON")
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER, len(data) - 8):
        raise CheckpointError(
            f"must hold its whole header within {MAX_HEADER >> 20} MiB, got {len(data)} bytes where the "
            f"header alone claims {length}: the file was cut short or is no safetensors file"
        )
    raw = data[8 : 8 + length]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError("must have a header in UTF-8, it is not") from error
    header = strict_json.parse(text, "header")
    if not isinstance(header, dict):
        raise CheckpointError("must have a JSON object as header, got something else")
    return header, 8 + length


def _entry(name: str, value: Any) -> Entry:
    """One row of the table, its size checked against its shape."""
    shown = f"tensor {name[:60]!a}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"must give dtype, shape and data_offsets of {shown}, got something else")
    code, shape, span = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise CheckpointError(f"must give {shown} one of the dtypes {', '.join(DTYPES)}, got {str(code)[:20]!a}")
    if not _whole_numbers(shape) or len(shape) > MAX_RANK:
        raise CheckpointError(f"must give {shown} a shape of at most {MAX_RANK} whole numbers, got something else")
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
    return Entry(DTYPES[code], tuple(shape), span[0], span[1])


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 62 for item in value)


def _check_spans(entries: Mapping[str, Entry], size: int) -> None:
    """The tensors must tile the data: no hole, no overlap, nothing after the last."""
    position = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.end)):
        if entry.start != position:
            raise CheckpointError(f"must give tensors without holes or overlaps, got one at byte {position}")
        position = entry.end
    if position != size:
        raise CheckpointError(f"must hold {position} bytes of tensors, got {size}: the file was cut short or altered")
