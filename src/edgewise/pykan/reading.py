"""The two files of a pykan checkpoint, NAME_config.yml and NAME_state, read as if written by an enemy.

The state is a zip file of torch. It is loaded with `weights_only=True`, which builds tensors and runs nothing, after
the sizes that its directory promises were compared with the size of the file. Of the yaml file only the three entries
that describe the network are read, by a reader for nested lists of scalars.
"""

from __future__ import annotations

import inspect
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgewise.checks import are_texts, is_integer, is_integers, is_sequence
from edgewise.errors import InputError
from edgewise.ops.activation import Function, known_name


@dataclass(frozen=True, eq=False)
class PykanState:
    """The numbers and names that describe a network of pykan."""

    tensors: dict[str, Tensor]  # its state_dict
    base: str | Function  # the base function, or its name
    has_functions: bool  # whether the symbolic half of the network takes part in its output
    arities: int | list[list[int]]  # number of factors of all product nodes, or of each one in each layer
    functions: list[list[list[str]]]  # for each layer the names of the functions, [out][in]

    @property
    def depth(self) -> int:
        """Number of layers of edges."""
        return len(self.functions)

    def tensor(self, name: str, *, default: Tensor | None = None, like: Sequence[int | None] = ()) -> Tensor:
        """Return a tensor of the state_dict in float64, of the shape `like`; where it is missing, the default."""
        value = self.tensors.get(name, default)
        if value is None:
            raise InputError(f"source must hold a tensor {name}, it does not")
        shape = tuple(value.shape)
        fits = len(shape) == len(like) and all(size in (None, own) for size, own in zip(like, shape, strict=True))
        if not fits or not value.is_floating_point():
            wanted = ", ".join("any" if size is None else str(size) for size in like)
            raise InputError(f"source must hold {name} as real numbers of shape ({wanted}), got {shape}")
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"source must hold finite numbers, {name} has others")
        return value.detach().cpu().double()


def state_of_model(model: Any, base: Function | None) -> PykanState:
    """Describe a living network of pykan, a `MultKAN`; a given base function takes the place of its own."""
    needed = ("state_dict", "symbolic_fun", "mult_arity", "base_fun_name", "symbolic_enabled")
    missing = next((name for name in needed if not hasattr(model, name)), None)
    if missing is not None:
        kind = type(model).__name__
        raise InputError(f"source must be the path of a pykan checkpoint or a MultKAN, got {kind} without {missing}")
    tensors = {name: value.detach() for name, value in model.state_dict().items()}
    names = [[[str(name) for name in row] for row in layer.funs_name] for layer in model.symbolic_fun]
    return _state(
        tensors,
        _base_of(model.base_fun_name if base is None else base),
        bool(model.symbolic_enabled),
        model.mult_arity,
        dict(enumerate(names)),
    )


def read_checkpoint(path: Path, base: Function | None) -> PykanState:
    """Read a checkpoint, or the newest one in a folder; a given base function takes the place of that in the file."""
    # The newest version in a folder: pykan numbers them 0.0, 0.1, ...
    if path.is_dir():
        stems = sorted(file.name.removesuffix("_state") for file in path.glob("*_state"))
        if not stems:
            raise InputError(f"source must be a pykan checkpoint or a folder of them, {path} has no file *_state")
        versions = [stem for stem in stems if re.fullmatch(r"\d+\.\d+", stem)]
        path = path / max(versions, key=lambda name: tuple(map(int, name.split("."))), default=stems[-1])
    state = Path(f"{path}_state")
    config = Path(f"{path}_config.yml")
    for file in (state, config):
        if not file.is_file():
            raise InputError(f"source must be a pykan checkpoint, there is no file {file}")
    # The entries of the yaml file, and the tensors.
    try:
        largest = 1 << 22  # bytes, far above the yaml file of a network of 1,000 nodes
        if config.stat().st_size > largest:
            raise InputError(f"source must have a config of at most {largest} bytes, {config} is larger")
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"source must be readable, {config}: {error.strerror}") from error
    entries = _config_entries(text)
    functions = {
        int(name.rsplit(".", 1)[1]): value
        for name, value in entries.items()
        if re.fullmatch(r"symbolic\.funs_name\.\d{1,4}", name)
    }
    enabled = entries.get("symbolic_enabled", "true") == "true"
    return _state(
        _read_tensors(state),
        _base_of(entries.get("base_fun_name", "silu") if base is None else base),
        enabled,
        entries.get("mult_arity", 2),
        functions,
    )


def _state(
    tensors: dict[str, Tensor], base: str | Function, has_functions: bool, arities: Any, functions: dict[int, Any]
) -> PykanState:
    """Check the shapes of the entries and complete the names of the functions."""
    depth = sum(re.fullmatch(r"act_fun\.\d+\.coef", name) is not None for name in tensors)
    if depth == 0:
        raise InputError("source must be a pykan network, it has no act_fun.0.coef")
    if not is_integer(arities) and not (isinstance(arities, list) and all(map(is_integers, arities))):
        raise InputError(f"source must give mult_arity as a number or a list of lists of numbers, got {arities!r:.60}")
    # Names of functions that Edgewise calls otherwise.
    other_names = {"x^0.5": "sqrt", "1/sqrt(x)": "1/sqrt", "1/x^0.5": "1/sqrt"}
    rows = []
    for number in range(depth):
        coef = tensors.get(f"act_fun.{number}.coef")
        if coef is None or coef.ndim != 3:
            raise InputError(f"source must hold act_fun.{number}.coef of three axes, it does not")
        inputs, outputs = coef.shape[:2]
        given = functions.get(number) or [["0"] * inputs for _ in range(outputs)]
        if len(given) != outputs or not all(is_sequence(row) and len(row) == inputs for row in given):
            raise InputError(f"source must name {outputs} rows of {inputs} functions in layer {number}, it does not")
        rows.append([[other_names.get(str(one), str(one)) for one in row] for row in given])
    return PykanState(tensors, base, has_functions, cast(int | list[list[int]], arities), rows)


def _base_of(named: object) -> str | Function:
    """Return the base function of pykan's config: a name, a function, or the text of a python object in yaml."""
    # Of the text only the name of a function of torch, or of one of its modules and the module's settings, are read.
    if callable(named):
        of_pykan = str(getattr(named, "__module__", "")).startswith("kan.")
        if of_pykan and getattr(named, "__name__", "") == "<lambda>":
            return "zero"
        return named
    text = str(named)
    if text == "zero" or re.match(r"!!python/name:kan\.[\w.]*%3Clambda%3E", text):  # the latter after `prune_input`
        return "zero"
    path = re.match(r"(!!python/(?:object|name):torch\.(?:\w+\.)*)?(\w+)(?: |$)", text)
    name = known_name(path[2]) if path else None
    if path is None or name is None:
        raise InputError(f"base must be given, the file names none that torch has: {text:.60}")
    # A function by its name, or a module of torch with its settings, as LeakyReLU.
    if not (path[1] or "").startswith("!!python/object:"):
        return name
    module = getattr(nn, path[2], None)
    if not (isinstance(module, type) and issubclass(module, nn.Module)):
        raise InputError(f"base must be given, the file names none that torch has: {text:.60}")
    wanted = inspect.signature(module).parameters.keys() - {"inplace"}
    settings = {key: value for key, value in re.findall(r" (\w+): (\S+)", text) if key in wanted}
    try:
        return module(**{key: value if value.isalpha() else float(value) for key, value in settings.items()})
    except (ValueError, TypeError) as error:
        raise InputError(f"source must give numbers as settings of {path[2]}, got {settings!r:.80}") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            size = path.stat().st_size
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
                sum(entry.file_size for entry in entries) > size
            ):
                raise InputError(
                    f"source must have a state that torch wrote, {path} is compressed or promises too much"
                )
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises errors of many kinds for damaged files
        reason = str(error).split("\n")[0][:120]
        raise InputError(f"source must have a state that torch wrote, {path}: {ascii(reason)[1:-1]}") from error
    is_named = isinstance(tensors, dict) and are_texts(tensors)
    is_named = is_named and all(isinstance(value, Tensor) for value in tensors.values())
    # Tensors are as large as their storage: a view with steps of 0 could claim any size.
    if not is_named or not all(
        value.layout is torch.strided and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
        for value in tensors.values()
    ):
        raise InputError(f"source must have a state of named tensors, {path} holds something else")
    return tensors


def _config_entries(text: str) -> dict[str, Any]:
    """Read mult_arity, base_fun_name, symbolic_enabled and the names of functions from pykan's yaml."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        head = re.match(r"([A-Za-z_][\w.]*):(.*)$", line)
        if head:
            blocks[head[1]] = lines = [head[2].strip()]
        else:
            lines.append(line)
    anchors: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for name, block in blocks.items():
        if name == "mult_arity" or name.startswith("symbolic.funs_name."):
            entries[name] = _value([line for line in block if line.strip()], anchors, 0)
        elif name in ("base_fun_name", "symbolic_enabled"):
            entries[name] = " ".join(line.strip() for line in block).strip()
    return entries


def _value(lines: Sequence[str], anchors: dict[str, Any], depth: int) -> Any:
    """Read a scalar or a nested block list ("- - 2"), with anchors (&id001) and references (*id001) to them."""
    deepest = 8  # pykan writes two levels
    if depth > deepest:
        raise InputError(f"source must have lists nested {deepest} deep at most in its config, got more")
    if not lines:
        return []
    # An anchor, whose value is kept for references.
    mark = re.match(r"\s*&(\S+)\s*(.*)$", lines[0])
    if mark:
        rest = [mark[2]] if mark[2] else []
        anchors[mark[1]] = value = _value([*rest, *lines[1:]], anchors, depth + 1)
        return value
    first = lines[0].strip()
    # A reference, an empty list, an integer or a text.
    if not re.match(r"-( |$)", first):
        if first.startswith("*"):
            if first[1:] not in anchors:
                raise InputError(f"source must define {first:.40} in its config before it refers to it, it doesn't")
            return anchors[first[1:]]
        bare = first[1:-1] if first[:1] in ("'", '"') else first
        if first == "[]":
            return []
        if re.fullmatch(r"-?\d{1,9}", first):
            return int(bare)
        return bare
    return [_value(item, anchors, depth + 1) for item in _items(lines)]


def _items(lines: Iterable[str]) -> list[list[str]]:
    """Split a block list into the lines of its items."""
    items: list[list[str]] = []
    indent = -1
    for line in lines:
        if indent < 0:
            indent = len(line) - len(line.lstrip())
        if re.match(rf"\s{{{indent}}}-( |$)", line):
            items.append([" " * (indent + 2) + line[indent + 2 :]])
        else:
            items[-1].append(line)
    return [[line for line in item if line.strip()] for item in items]
