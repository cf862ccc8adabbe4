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
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

Network = KAN | MLP
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]

_KINDS: dict[str, tuple[type[KAN] | type[MLP], type[KANConfig] | type[MLPConfig]]] = {
    "KAN": (KAN, KANConfig),
    "MLP": (MLP, MLPConfig),
}
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
        "config": dataclasses.asdict(model.config),
        "dtype": _DTYPE_NAMES[dtype],
        "frozen": sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
        "finite": _all_finite(tensors),
    }


def layout(config: KANConfig | MLPConfig, dtype: torch.dtype) -> Layout:
    """Name, dtype and shape of every tensor of a network, by arithmetic alone: nothing is allocated."""
    result: Layout = {}
    sizes = config.grid_size if isinstance(config, KANConfig) else [0] * (len(config.width) - 1)
    for number, ((inputs, outputs), size) in enumerate(zip(pairwise(config.width), sizes, strict=True)):
        layer = f"layers.{number}."
        if isinstance(config, MLPConfig):
            result[layer + "weight"] = dtype, (inputs, outputs)
            result[layer + "bias"] = dtype, (outputs,)
            continue
        result[layer + "coef"] = dtype, (inputs, size + config.degree, outputs)
        if config.base != "zero":
            result[layer + "base"] = dtype, (inputs, outputs)
        result[layer + "knots"] = dtype, (inputs, size + 2 * config.degree + 1)
        result[layer + "mask"] = dtype, (inputs, outputs)
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

    def build(self, tensors: Mapping[str, Tensor]) -> Network:
        """The network with these tensors, which `check_entries` has found to be the right ones."""
        model = _KINDS[self.kind][0].from_config(self.config, dtype=self.dtype)
        model.load_state_dict(dict(tensors))
        parameters = dict(model.named_parameters())
        for name in self.frozen:
            parameters[name].requires_grad_(False)
        state = model.state_dict()
        fault = _fault(state)
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
        unknown = set(self.frozen) - {name for name in expected if name.endswith(("coef", "base", "weight", "bias"))}
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
    if not isinstance(value, dict) or set(value) != names:
        raise CheckpointError(f"must have a config of {', '.join(sorted(names))}, got something else")
    for name, item in value.items():
        numbers = item if isinstance(item, list) else [item]
        if len(numbers) > tensor_count + 1:
            raise CheckpointError(f"must have a {name} that its {tensor_count} tensors can hold, got a longer one")
        if not all(isinstance(number, str) or (type(number) is int and number < 1 << 31) for number in numbers):
            raise CheckpointError(f"must have whole numbers below 2^31 or text as {name}, got something else")
    try:
        return config_class(**{name: tuple(item) if isinstance(item, list) else item for name, item in value.items()})
    except InputError as error:
        raise CheckpointError(f"must have a valid config: {str(error)[:200]}") from error


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
