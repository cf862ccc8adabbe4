"""What a file says about a network: kind, shape, dtype, frozen parameters; and the network built from it again."""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from edgewise.checkpoint.container import Entry
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import Elementary
from edgewise.nn.layers.symbolic import MixedLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

Network = KAN | MLP
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]

_KINDS: dict[str, tuple[type[KAN] | type[MLP], type[KANConfig] | type[MLPConfig]]] = {
    "KAN": (KAN, KANConfig),
    "MLP": (MLP, MLPConfig),
}
_OPTIONAL = ("products", "functions")  # fields of KANConfig that a file may leave out
_TRAINED = ("coef", "base", "weight", "bias", "affine")
_DTYPES = {"float64": torch.float64, "float32": torch.float32}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def describe(model: Network) -> dict[str, Any]:
    """The description of a network that `build` reads, as plain JSON values.

    Raises InputError for other modules, and for networks whose tensors are not those their config implies.
    """
    kind = type(model).__name__
    if kind not in _KINDS or type(model) is not _KINDS[kind][0]:
        raise InputError(
            f"model must be a KAN or MLP itself, not wrapped or derived, got {type(model).__module__}.{kind}"
        )
    dtype = next(model.parameters()).dtype
    if dtype not in _DTYPE_NAMES:
        raise InputError(f"model must have dtype {' or '.join(_DTYPES)}, got {dtype}")
    tensors = model.state_dict()
    have = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if have != layout(model.config, dtype):
        raise InputError("model must hold the tensors that its config implies, all of one dtype, it holds others")
    fault = _fault(tensors)
    if fault is not None:
        raise InputError(f"model {fault}")
    return {
        "kind": kind,
        "config": _config_tree(model.config),
        "dtype": _DTYPE_NAMES[dtype],
        "frozen": sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
        "finite": _all_finite(tensors),
    }


def _config_tree(config: KANConfig | MLPConfig) -> dict[str, Any]:
    """The fields; those that came later only where they say something, so that other files stay as they were."""
    fields = dataclasses.asdict(config)
    return {name: value for name, value in fields.items() if name not in _OPTIONAL or value}


def layout(config: KANConfig | MLPConfig, dtype: torch.dtype) -> Layout:
    """Name, dtype and shape of every tensor of a network, by arithmetic alone: nothing is allocated."""
    result: Layout = {}
    if isinstance(config, MLPConfig):
        for number, (inputs, outputs) in enumerate(pairwise(config.width)):
            result[f"layers.{number}.weight"] = dtype, (inputs, outputs)
            result[f"layers.{number}.bias"] = dtype, (outputs,)
        return result
    place = 0
    for number, inputs in enumerate(config.width[:-1]):
        layer, shape = f"layers.{place}.", (inputs, config.sums(number))
        rows = config.functions[number] if config.functions else None
        if config.grid_size[number]:
            result |= _spline_layout(config, number, layer if rows is None else layer + "spline.", shape, dtype)
        if rows is not None:
            name = layer + ("symbolic.affine" if config.grid_size[number] else "affine")
            result[name] = dtype, (4, *shape)
        place += 2 if config.products and config.products[number] else 1
    return result


def _spline_layout(config: KANConfig, number: int, layer: str, shape: tuple[int, int], dtype: torch.dtype) -> Layout:
    (inputs, outputs), size, degree = shape, config.grid_size[number], config.degree
    result: Layout = {layer + "coef": (dtype, (inputs, size + degree, outputs))}
    if config.base != "zero":
        result[layer + "base"] = dtype, shape
    result[layer + "knots"] = dtype, (inputs, size + 2 * degree + 1)
    result[layer + "mask"] = dtype, shape
    result[layer + "domain_is_set"] = torch.bool, ()
    return result


@dataclasses.dataclass(frozen=True)
class Description:
    """A checked description: what `describe` gave, read back from a file."""

    kind: str
    config: KANConfig | MLPConfig
    dtype: torch.dtype
    frozen: tuple[str, ...]
    finite: bool

    def build(self, tensors: Mapping[str, Tensor], table: Mapping[str, Elementary]) -> Network:
        """The network with these tensors, which `check_entries` has found to be the right ones."""
        settings = {"table": table} if self.kind == "KAN" else {}
        try:
            model = _KINDS[self.kind][0].from_config(self.config, dtype=self.dtype, **settings)
        except InputError as error:  # an elementary function that the table doesn't have
            raise CheckpointError(f"must name known functions: {ascii(str(error)[:200])[1:-1]}") from error
        model.load_state_dict(dict(tensors))
        parameters = dict(model.named_parameters())
        for name in self.frozen:
            parameters[name].requires_grad_(False)
        state = model.state_dict()
        fault = _fault(state) or _edges_fault(model)
        if fault is None and self.finite and not _all_finite(state):
            fault = "must have finite weights only, it has others"
        if fault is not None:
            raise CheckpointError(fault)
        return model

    def check_entries(self, entries: Mapping[str, Entry]) -> None:
        """Compares the tensors of a file with those the config implies, before any memory is taken for either."""
        expected = layout(self.config, self.dtype)
        for name in sorted(expected.keys() | entries.keys()):
            if name not in entries:
                raise CheckpointError(f"must hold a tensor {name}, it does not")
            if name not in expected:
                raise CheckpointError(f"must hold the tensors of its network only, got {name[:60]!a}")
            dtype, shape = expected[name]
            entry = entries[name]
            if (entry.dtype, entry.shape) != (dtype, shape):
                raise CheckpointError(
                    f"must have {name} as {dtype} of shape {shape}, got {entry.dtype} of shape {entry.shape}"
                )
        unknown = set(self.frozen) - {name for name in expected if name.endswith(_TRAINED)}
        if unknown or len(set(self.frozen)) < len(self.frozen):
            raise CheckpointError("must name its frozen parameters once each, it names others")


def read_description(value: Any, tensor_count: int) -> Description:
    """Checks types and limits of a description; `tensor_count` of the file bounds the number of layers."""
    keys = {"kind", "config", "dtype", "frozen", "finite"}
    if not isinstance(value, dict) or set(value) != keys:
        raise CheckpointError(f"must describe its network by {', '.join(sorted(keys))}, got something else")
    kind, config, dtype = value["kind"], value["config"], value["dtype"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CheckpointError(f"must hold a network of kind {' or '.join(_KINDS)}, got {str(kind)[:40]!a}")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise CheckpointError(f"must hold a network of dtype {' or '.join(_DTYPES)}, got {str(dtype)[:40]!a}")
    if type(value["finite"]) is not bool:
        raise CheckpointError("must say as true or false whether its weights are finite, got something else")
    if not isinstance(value["frozen"], list) or not all(isinstance(name, str) for name in value["frozen"]):
        raise CheckpointError("must list the names of its frozen parameters, got something else")
    return Description(
        kind=kind,
        config=_read_config(_KINDS[kind][1], config, tensor_count),
        dtype=_DTYPES[dtype],
        frozen=tuple(value["frozen"]),
        finite=value["finite"],
    )


def _read_config(config_class: Any, value: Any, tensor_count: int) -> KANConfig | MLPConfig:
    """The config dataclass from its JSON form. Its own checks come last, on values of the right types and sizes."""
    names = {field.name for field in dataclasses.fields(config_class)}
    required = names - set(_OPTIONAL)
    if not isinstance(value, dict) or not required <= set(value) <= names:
        raise CheckpointError(f"must have a config of {', '.join(sorted(required))}, got something else")
    for name, item in value.items():
        if name in _OPTIONAL:
            _check_tree(name, item, tensor_count)
            continue
        numbers = item if isinstance(item, list) else [item]
        if len(numbers) > tensor_count + 1:
            raise CheckpointError(f"must have a {name} that its {tensor_count} tensors can hold, got a longer one")
        if not all(isinstance(number, str) or (type(number) is int and number < 1 << 31) for number in numbers):
            raise CheckpointError(f"must have whole numbers below 2^31 or text as {name}, got something else")
    try:
        return config_class(**{name: _as_tuple(item) for name, item in value.items()})
    except InputError as error:
        raise CheckpointError(f"must have a valid config: {ascii(str(error)[:200])[1:-1]}") from error


def _check_tree(name: str, item: Any, tensor_count: int) -> None:
    """Types and limits of `products` (lists of whole numbers) and `functions` (null, or lists of lists of text)."""
    if not isinstance(item, list) or not 0 < len(item) <= tensor_count + 1:
        raise CheckpointError(f"must have a {name} that its {tensor_count} tensors can hold, got something else")
    for layer in item:
        if layer is None and name == "functions":
            continue
        rows = [layer] if name == "products" else layer
        kind = int if name == "products" else str
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise CheckpointError(f"must have a {name} of lists, got something else")
        if not all(type(entry) is kind for row in rows for entry in row):
            raise CheckpointError(f"must have {'whole numbers' if kind is int else 'text'} in {name}, got others")


def _as_tuple(item: Any) -> Any:
    return tuple(_as_tuple(part) for part in item) if isinstance(item, list) else item


def _edges_fault(model: Network) -> str | None:
    """No edge may be a spline and an elementary function at once."""
    for layer in model.layers:
        if isinstance(layer, MixedLayer) and bool((layer.spline.mask * layer.symbolic.mask).any()):
            return "must mask the splines of edges that are elementary functions, it doesn't"
    return None


def _fault(tensors: Mapping[str, Tensor]) -> str | None:
    """What makes a network unusable whatever its weights: knots that do not increase, a mask of other than 0 and 1."""
    for name, tensor in tensors.items():
        if name.endswith("knots") and not bool((tensor.diff() > 0).all() & tensor.isfinite().all()):
            return f"must have finite and increasing knots, {name} are not"
        if name.endswith("mask") and not bool(((tensor == 0) | (tensor == 1)).all()):
            return f"must have masks of 0 and 1 only, {name} has other numbers"
    return None


def _all_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())
