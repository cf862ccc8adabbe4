"""4,000 mutated model files, seeded: each gives a CheckpointError or a sound network, and nothing else happens."""

import json
import pickle
import random
import sys

import pytest
import torch

from edgewise.checkpoint import container, from_bytes, network, to_bytes
from edgewise.errors import CheckpointError
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

ROUNDS = 1_500
HUGE = [0, 1, -1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63, 2**64, 10**30, 1e308, -0.0, 0.5]
ODD = [None, True, "", "F64", "BOOL", "$tensor", "state.0", "silu", "zero", [], {}, [[]], "../x", "\ud800", "\0"]
BUILTIN = [b"NaN", b"1e999", b"\xff", b'"', b"{", b"]" * 70, b"[" * 70, b"\\u0000", pickle.dumps([print])]


def seeds():
    """Small files of every kind, which between them use every form of the format."""
    state = {"adam": {0: {"step": 3, "m": torch.arange(3.0)}}, "best": float("inf"), "t": (1, None, True)}
    frozen = KAN([2, 2, 1], [1, 2], 2, dtype=torch.float64)
    frozen.layers[1].base.requires_grad_(False)
    return [
        to_bytes(KAN([2, 3, 1], 2, 3), extra={"names": ["a", "b"], "shift": [0.5, float("nan")]}, state=state),
        to_bytes(frozen, state={"rng": torch.arange(8, dtype=torch.uint8)}),
        to_bytes(KAN([1, 1], 1, 0, base="zero")),
        to_bytes(MLP([2, 2, 1]), extra={"$key": 1}),
    ]


def parts(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def places(value, path=()):
    """Every position in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def change_json(rng, value):
    """One random edit of a JSON value, in place: a number made huge, a value swapped, dropped, repeated or renamed."""
    path = rng.choice([path for path in places(value) if path])
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    kind = rng.randrange(6)
    if kind == 0:
        parent[key] = rng.choice(HUGE)
    elif kind == 1:
        parent[key] = rng.choice(ODD)
    elif kind == 2 and isinstance(parent[key], int):
        parent[key] += rng.choice([-1, 1, 8, 1 << rng.randrange(40)])
    elif kind == 3:
        del parent[key]
    elif kind == 4 and isinstance(parent, dict):
        parent[rng.choice(["x", "model.layers.0.coef", "$float", "$tensor", "__metadata__"])] = parent.pop(key)
    elif isinstance(parent, list):
        rng.shuffle(parent)
    else:
        other = rng.choice(list(parent))
        parent[key], parent[other] = parent[other], parent[key]


def change_header(rng, data):
    """Edits the table or the JSON within the metadata; seals the file again, so that the deeper checks are met."""
    header, numbers = parts(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        metadata = header.get("__metadata__")
        inner = rng.choice(["model", "extra", "state", None])
        if isinstance(metadata, dict) and isinstance(metadata.get(inner), str) and metadata[inner][:1] == "{":
            tree = json.loads(metadata[inner])
            if tree:
                change_json(rng, tree)
            metadata[inner] = json.dumps(tree)
        elif header:
            change_json(rng, header)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        header["__metadata__"] = metadata
        raw = json.dumps(header).encode()
        return len(raw).to_bytes(8, "little") + raw + numbers
    metadata.pop("sha256", None)
    try:
        return container.assemble(header, metadata, numbers)
    except TypeError:  # metadata that cannot be sorted; such a file has no seal
        raw = json.dumps({"__metadata__": metadata, **header}).encode()
        return len(raw).to_bytes(8, "little") + raw + numbers


def change_numbers(rng, data):
    """Bits of the tensors turned, then sealed again."""
    header, numbers = parts(data)
    metadata = header.pop("__metadata__")
    del metadata["sha256"]
    numbers = bytearray(numbers)
    for _ in range(rng.choice([1, 4, 64])):
        numbers[rng.randrange(len(numbers))] ^= 1 << rng.randrange(8)
    return container.assemble(header, metadata, bytes(numbers))


def flip_bits(rng, data):
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 100])):
        result[rng.randrange(len(result))] ^= 1 << rng.randrange(8)
    return bytes(result)


def cut(rng, data):
    return data[: rng.randrange(len(data))]


def splice(rng, data):
    """A piece of one file within another, or of the file itself."""
    other = rng.choice(FILES)
    start, at = rng.randrange(len(other)), rng.randrange(len(data))
    piece = other[start : start + rng.choice([1, 8, 64, 4096])]
    return data[:at] + piece + data[at + rng.choice([0, len(piece)]) :]


def insert(rng, data):
    at = rng.randrange(8 + int.from_bytes(data[:8], "little"))
    return data[:at] + rng.choice(BUILTIN) + data[at:]


def change_length(rng, data):
    length = rng.choice([*range(20), len(data), len(data) - 8, 2**31, 2**63, 2**64 - 1, rng.randrange(2**64)])
    return length.to_bytes(8, "little") + data[8:]


FILES = seeds()
MUTATIONS = [flip_bits, cut, splice, insert, change_length, change_numbers, *[change_header] * 6]


def outcome(data):
    """The error's text, or None for a file that loads; any other exception fails the test."""
    try:
        checkpoint = from_bytes(data)
    except CheckpointError as error:
        text = str(error)
        assert text.startswith("must ")
        assert "\n" not in text
        assert len(text) < 600
        return text
    model = checkpoint.model
    assert type(model) in (KAN, MLP)
    tensors = model.state_dict()
    dtype = next(model.parameters()).dtype
    assert {n: (t.dtype, tuple(t.shape)) for n, t in tensors.items()} == network.description_of(model).layout()
    assert sum(tensor.nbytes for tensor in tensors.values()) <= len(data)
    assert model(torch.zeros(2, model.config.width[0], dtype=dtype)).shape == (2, model.config.width[-1])
    return None


@pytest.mark.slow
def test_mutated_files_give_an_error_or_a_sound_network(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("a file was unpickled")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    rng = random.Random(20_240_430)
    before = peak_memory()
    results = [outcome(rng.choice(MUTATIONS)(rng, rng.choice(FILES))) for _ in range(ROUNDS)]
    assert peak_memory() - before < 256 << 20
    # The mutations reach every depth: some files still load, and many different checks refuse the others.
    assert 100 < results.count(None) < ROUNDS / 2
    checks = {"".join(text.split("got")[0].split()[:4]) for text in results if text is not None}
    assert len(checks) > 25, sorted(checks)


def peak_memory():
    """The most memory this process ever held, in bytes; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def test_every_byte_of_a_file_is_sealed():
    """No bit can turn unnoticed, wherever it lies, but for the padding of the header."""
    rng = random.Random(1)
    data = FILES[2]
    padding = range(8 + len(data[8:].split(b"}}}")[0]), 8 + int.from_bytes(data[:8], "little"))
    for position in range(len(data)):
        if position not in padding:
            altered = bytearray(data)
            altered[position] ^= 1 << rng.randrange(8)
            with pytest.raises(CheckpointError):
                from_bytes(bytes(altered))
