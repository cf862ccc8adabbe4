"""Model files made by hand to harm or confuse: each is a CheckpointError before memory is taken, whatever it claims."""

import io
import json
import pickle
import re
import tracemalloc
import zipfile

import pytest
import safetensors.torch
import torch

from edgewise.checkpoint import container, from_bytes, to_bytes
from edgewise.errors import CheckpointError
from edgewise.nn.model import KAN


@pytest.fixture(scope="module")
def good():
    return to_bytes(KAN([2, 3, 1]), extra={"a": 1}, state={"m": torch.arange(4.0), "n": [torch.tensor(True)]})


def opened(data):
    """Header without the seal, and the numbers: a forger's workbench."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    del metadata["sha256"]
    return header, metadata, data[8 + length :]


def framed(header, data=b""):
    """A file with any text as header, unsealed."""
    raw = header if isinstance(header, bytes) else header.encode()
    return len(raw).to_bytes(8, "little") + raw + data


def refuse(data, message):
    with pytest.raises(CheckpointError) as caught:
        from_bytes(data)
    text = str(caught.value)
    assert text.startswith("must "), text
    assert len(text) < 400
    assert "\n" not in text
    assert text.isprintable(), text
    assert re.search(message, text), text


class Bomb:
    """Unpickling it would fail the test."""

    def __reduce__(self):
        return (pytest.fail, ("code from a file was run",))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickles(protocol):
    refuse(pickle.dumps(Bomb(), protocol), "pickle|safetensors")


def test_archives_and_other_programs():
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, buffer)
    refuse(buffer.getvalue(), "pickle or zip archive, which is never opened")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../etc/passwd", "x")
    refuse(buffer.getvalue(), "pickle or zip archive")
    refuse(safetensors.torch.save({"a": torch.zeros(2)}), "without its metadata")
    refuse(safetensors.torch.save({"a": torch.zeros(2)}, {"format": "pt"}), "of another program")
    refuse(b"\x89PNG\r\n\x1a\n" + bytes(100), "of another kind: its header is not JSON")
    refuse(b"a,b,c\n1,2,3\n" * 100, "of another kind: its header is not JSON")
    refuse(b"a,b,c\n1,{2,3\n" * 100, "cut short or is no safetensors file")  # a brace where a header begins
    refuse(b"\x1f\x8b\x08" + bytes(100), "cut short|not JSON")


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63, 2**64 - 1, container.MAX_HEADER + 1])
def test_header_lengths(good, length):
    refuse(length.to_bytes(8, "little") + good[8:], "header|JSON|UTF-8")


@pytest.mark.parametrize("size", [1, 7, 8, 9, 100, -1000, -1])
def test_files_cut_short(good, size):
    refuse(good[:size], "cut short|bytes only")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('{"a":{"b":' + "[" * 70 + "]" * 70 + "}}", "64 levels"),
        ("{}", "without its metadata"),
        ('{"__metadata__":{"format":1}}', "without its metadata"),
        ('{"__metadata__":{"format":"pt"}}', "another program"),
        ('{"__metadata__":{"format":"edgewise"}}', "version 1, got 'None'"),
        ('{"__metadata__":{"format":"edgewise","version":"2"}}', "got 2: it comes from a newer Edgewise"),
        ('{"__metadata__":{"format":"edgewise","version":"0"}}', "version 1, got '0'"),
        ('{"__metadata__":{"format":"edgewise","version":"' + "9" * 10_000 + '"}}', "version 1, got '9"),
        ('{"__metadata__":{"format":"edgewise","version":"1\\u0661"}}', "version 1"),
        ('{"__metadata__":{"format":"edgewise","version":"1"}}', "checksum"),
        ("{" + "9" * 5000 + "}", "in JSON"),
        (b"{\xff\xfe}", "UTF-8"),
        ("", "must have a header in JSON"),
    ],
)
def test_headers(header, message):
    refuse(framed(header), message)


ROW = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [-1]}, "whole numbers"),
        ({"shape": [1.0]}, "whole numbers"),
        ({"shape": 1}, "whole numbers"),
        ({"shape": [2**70]}, "whole numbers"),
        ({"shape": [2**40, 2**40]}, "fits in memory"),
        ({"shape": [1] * 9}, "at most 8"),
        ({"shape": [2]}, "8 bytes for its shape, got 4"),
        ({"dtype": "F8_E4M3"}, "one of the dtypes"),
        ({"dtype": ["F32"]}, "one of the dtypes"),
        ({"data_offsets": [0, 2**63]}, "data_offsets"),
        ({"data_offsets": [0]}, "data_offsets"),
        ({"data_offsets": None}, "data_offsets"),
        ({"data_offsets": [4, 8]}, "holes or overlaps"),
        ({"more": 1}, "got something else"),
    ],
)
def test_rows_of_the_table(change, message):
    refuse(container.assemble({"a": ROW | change}, {"format": "edgewise", "version": "1"}, bytes(4)), message)


def test_tensors_that_overlap_or_leave_holes(good):
    metadata = {"format": "edgewise", "version": "1"}
    refuse(container.assemble({"a": ROW, "b": ROW}, metadata, bytes(4)), "holes or overlaps")
    later = ROW | {"data_offsets": [8, 12]}
    refuse(container.assemble({"a": ROW, "b": later}, metadata, bytes(12)), "holes or overlaps")
    refuse(container.assemble({"a": ROW}, metadata, bytes(5)), "cut short or altered")


def forge(good, *, model=None, extra=None, state=None, **metadata_changes):
    """A sealed file with parts of its metadata replaced."""
    table, metadata, data = opened(good)
    if model is not None:
        description = json.loads(metadata["model"])
        config = description["config"] | model.pop("config", {})
        metadata["model"] = json.dumps(description | {"config": config} | model)
    if extra is not None:
        metadata["extra"] = extra
    if state is not None:
        metadata["state"] = state
    metadata |= metadata_changes
    return container.assemble(table, metadata, data)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"config": {"width": [2, 10**9, 1]}}, "layers.0.base as torch.float32 of shape"),
        ({"config": {"width": [2**31, 1, 1]}}, "layers.0.base as torch.float32 of shape"),
        ({"config": {"width": [10**400, 1]}}, "a whole number as model.config.width"),
        ({"config": {"width": [1] * 10_000, "grid_size": [5] * 9_999}}, "more layers than its"),
        ({"config": {"width": [2, -3, 1]}}, "possible model.config: width"),
        ({"config": {"grid_size": [5, 10**9]}}, "layers.1.coef"),
        ({"config": {"grid_size": [6, 5]}}, "layers.0.coef"),
        ({"config": {"grid_size": [0, 5]}}, "possible model.config: grid_size"),
        ({"config": {"degree": 2}}, "layers.0.coef"),
        ({"config": {"degree": 10**6}}, "possible model.config: degree"),
        ({"config": {"base": "zero"}}, "tensors of its network only, got 'layers.0.base'"),
        ({"config": {"base": "exec"}}, "possible model.config: base"),
        ({"config": {"hook": "os.system"}}, "got also .hook"),
        ({"config": {"products": [[2], []]}}, "layers.0.base"),
        ({"config": {"products": [[2, 2], [2**15]]}}, "layers.0.base"),
        ({"config": {"products": [[1], []]}}, "possible model.config: products"),
        ({"config": {"functions": [None, [["sin"], [1], ["x"]]]}}, r"text as model.config.functions\[1\]\[1\]\[0\]"),
        ({"config": {"functions": [None, [["sin"]]]}}, "possible model.config: functions"),
        ({"config": {"functions": [None, [["sin"], ["x"], [""]]]}}, "must contain a tensor layers.1.affine"),
        ({"config": {"functions": [None, [["sin"], ["x"], ["0"]]]}}, "layers.1.affine"),
        ({"kind": "MLP"}, "must have activation in model.config"),
        ({"kind": "Module"}, "kind KAN or MLP"),
        ({"dtype": "float64"}, "layers.0.base as torch.float64"),
        ({"dtype": "complex64"}, "as model.dtype"),
        ({"frozen": ["layers.0.knots"]}, "frozen parameters once"),
        ({"frozen": ["layers.0.coef", "layers.0.coef"]}, "frozen parameters once"),
        ({"more": 1}, "got also .more"),
    ],
)
def test_descriptions(good, model, message):
    refuse(forge(good, model=model), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": "[]"}, "dictionaries as extra and state"),
        ({"extra": '{"$tensor":"state.0"}'}, "each tensor of its extra"),
        ({"extra": '{"$python":"os"}'}, "known forms in its extra, got .\\$python"),
        ({"extra": "{" + '"a":{' * 100}, "64 levels"),
        ({"state": "null"}, "each of its tensors, got an unused"),
        ({"state": '{"m":{"$tensor":"state.0"}}'}, "got an unused 'state.1'"),
        ({"state": '{"m":{"$tensor":"../../model"}}'}, "each tensor of its state"),
        ({"state": '{"a":{"$tensor":"state.0"},"b":{"$tensor":"state.0"}}'}, "each tensor of its state"),
        ({"more": "1"}, "got others"),
        ({"model": None}, "got others|kind"),
    ],
)
def test_trees_and_metadata(good, changes, message):
    if changes == {"model": None}:
        table, metadata, data = opened(good)
        del metadata["model"]
        refuse(container.assemble(table, metadata, data), message)
    else:
        refuse(forge(good, **changes), message)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "model.layers.9.coef", "model.", "", "a\0b", "\ud800"]
)
def test_names_of_tensors(good, name):
    table, metadata, data = opened(good)
    table["model.layers.1.coef"], old = {}, table["model.layers.1.coef"]
    del table["model.layers.1.coef"]
    table[name] = old
    refuse(container.assemble(table, metadata, data), "must contain a tensor layers.1.coef|its network only|refuses")


def with_numbers(good, name, numbers):
    table, metadata, data = opened(good)
    start, end = table[name]["data_offsets"]
    assert end - start == len(numbers)
    return container.assemble(table, metadata, data[:start] + numbers + data[end:])


def test_numbers_that_no_network_has(good):
    model = KAN([2, 3, 1])
    coef, knots, mask = (getattr(model.layers[0], name).detach().clone() for name in ("coef", "knots", "spline_mask"))
    coef[0, 0, 0] = torch.nan
    refuse(with_numbers(good, "model.layers.0.coef", coef.numpy().tobytes()), "finite weights only")
    for bad in (torch.zeros_like(knots), knots.flip(1), knots * torch.inf, knots * torch.nan):
        refuse(with_numbers(good, "model.layers.0.knots", bad.numpy().tobytes()), "increasing knots")
    refuse(with_numbers(good, "model.layers.0.spline_mask", (2 * mask).numpy().tobytes()), "masks of 0 and 1")
    refuse(with_numbers(good, "model.layers.0.domain_is_set", b"\x02"), "bytes 0 and 1")
    refuse(with_numbers(good, "state.1", b"\xff"), "bytes 0 and 1")


def test_a_tiny_file_takes_little_memory(good):
    claims = [
        forge(good, model={"config": {"width": [2, 2**31 - 1, 1]}}),
        forge(good, model={"config": {"grid_size": [2**31 - 1, 5]}}),
        (2**63).to_bytes(8, "little") + good[8:],
        container.assemble(
            {"a": ROW | {"shape": [2**50], "data_offsets": [0, 2**52]}}, {"format": "edgewise", "version": "1"}, b""
        ),
    ]
    tracemalloc.start()
    for data in claims:
        refuse(data, "must")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_headers_of_a_length_that_looks_like_a_pickle():
    good = to_bytes(KAN([1, 1]), extra={"a": ""})
    length = int.from_bytes(good[:8], "little")
    wanted = 0x480 if length <= 0x480 else 0x580
    padded = to_bytes(KAN([1, 1]), extra={"a": "x" * (wanted - length)})
    assert padded[:2] == wanted.to_bytes(2, "little") and padded[0] == 0x80
    from_bytes(padded)


def test_functions_by_unknown_names_and_edges_of_two_kinds():
    model = KAN([2, 1], functions=[[["sin"], [""]]])
    good = to_bytes(model)
    refuse(forge(good, model={"config": {"functions": [[["os.system\n"], [""]]]}}), "must name known functions")
    table, metadata, _ = opened(good)
    model.layers[0].spline_mask.fill_(1)
    refuse(container.assemble(table, metadata, opened(container_of(model))[2]), "must mask the splines")


def container_of(model):
    """The bytes of a model that `to_bytes` may refuse, in its order of tensors."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    return container.pack(tensors, {"format": "edgewise", "version": "1"})
