"""The description of a network in a file (kind, shape, dtype, frozen parameters), and the network rebuilt from it."""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from edgewise.checkpoint.container import TensorEntry
from edgewise.checks import is_one_of
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import Elementary
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

Network = KAN | MLP
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]

_KINDS: dict[str, tuple[type[KAN] | type[MLP], type[KANConfig] | type[MLPConfig]]] = {
    "KAN": (KAN, KANConfig),
    "MLP": (MLP, MLPConfig),
}
# Fields of KANConfig that a file may leave out; they came later, and files without them keep their bytes.
_OPTIONAL = ("products", "functions", "degrees")
_TRAINED = ("coef", "base", "weight", "bias", "affine")  # ends of the names of the trainable tensors
_DTYPES = {"float64": torch.float64, "float32": torch.float32}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def describe(model: Network) -> dict[str, Any]:
    """Return the description of a network that `Description.build` reads, as plain JSON values."""
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
    if isinstance(model, KAN) and not isinstance(model.config.base, str):
        raise InputError(
            f"model must have a base function that torch has under a name to be saved, as torch.erf, got "
            f"{model.config.base!r:.80}"
        )
    fields = dataclasses.asdict(model.config)
    return {
        "kind": kind,
        "config": {name: value for name, value in fields.items() if name not in _OPTIONAL or value},
        "dtype": _DTYPE_NAMES[dtype],
        "frozen": sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
        "finite": _all_finite(tensors),
    }


def layout(config: KANConfig | MLPConfig, dtype: torch.dtype) -> Layout:
    """Return name, dtype and shape of every tensor of a network, by arithmetic alone: nothing is allocated."""
    result: Layout = {}
    if isinstance(config, MLPConfig):
        for number, (inputs, outputs) in enumerate(pairwise(config.width)):
            result[f"layers.{number}.weight"] = dtype, (inputs, outputs)
            result[f"layers.{number}.bias"] = dtype, (outputs,)
        return result
    place = 0
    for number, inputs in enumerate(config.width[:-1]):
        layer = f"layers.{place}."
        outputs = config.sums(number)
        size = config.grid_size[number]
        # Splines, where the layer has some.
        if size:
            result[layer + "coef"] = dtype, (inputs, size + config.degree_of(number), outputs)
            if config.base != "zero":
                result[layer + "base"] = dtype, (inputs, outputs)
            result[layer + "knots"] = dtype, (inputs, size + 2 * config.degree_of(number) + 1)
            result[layer + "spline_mask"] = dtype, (inputs, outputs)
            result[layer + "domain_is_set"] = torch.bool, ()
        # Functions, and products behind them.
        if config.functions and config.functions[number] is not None:
            result[layer + "affine"] = dtype, (4, inputs, outputs)
        place += 1
        if config.products and config.products[number]:
            place += 1
    return result


@dataclasses.dataclass(frozen=True)
class Description:
    """A checked description, read from a file."""

    kind: str  # "KAN" or "MLP"
    config: KANConfig | MLPConfig
    dtype: torch.dtype  # of all parameters
    frozen: tuple[str, ...]  # names of the parameters that do not require a gradient
    finite: bool  # whether all numbers must be finite

    def build(self, tensors: Mapping[str, Tensor], table: Mapping[str, Elementary]) -> Network:
        """Return the network with these tensors, whose names, dtypes and shapes `check_entries` has checked."""
        model: Network
        try:
            if isinstance(self.config, KANConfig):
                model = KAN.from_config(self.config, dtype=self.dtype, table=table)
            else:
                model = MLP.from_config(self.config, dtype=self.dtype)
        except InputError as error:  # an elementary function that the table doesn't have
            raise CheckpointError(f"must name known functions: {ascii(str(error)[:200])[1:-1]}") from error
        model.load_state_dict(dict(tensors))
        parameters = dict(model.named_parameters())
        for name in self.frozen:
            parameters[name].requires_grad_(False)
        state = model.state_dict()
        if fault := _fault(state):
            raise CheckpointError(fault)
        if model.config != self.config:
            raise CheckpointError("must mask the splines of edges that are elementary functions only, it doesn't")
        if self.finite and not _all_finite(state):
            raise CheckpointError("must have finite weights only, got others")
        return model

    def check_entries(self, entries: Mapping[str, TensorEntry]) -> None:
        """Compare the tensors of a file with those the config implies, before any memory is taken for either."""
        expected = layout(self.config, self.dtype)
        for name in sorted(expected.keys() | entries.keys()):
            if name not in entries:
                raise CheckpointError(f"must contain a tensor {name}, it does not")
            if name not in expected:
                raise CheckpointError(f"must contain the tensors of its network only, got {name[:60]!a}")
            dtype, shape = expected[name]
            entry = entries[name]
            if (entry.dtype, entry.shape) != (dtype, shape):
                raise CheckpointError(
                    f"must have {name} as {dtype} of shape {shape}, got {entry.dtype} of shape {entry.shape}"
                )
        unknown = set(self.frozen) - {name for name in expected if name.endswith(_TRAINED)}
        if unknown or len(set(self.frozen)) < len(self.frozen):
            raise CheckpointError("must name its frozen parameters once each, got other names")


def read_description(value: Any, tensor_count: int) -> Description:
    """Check types and limits of a description; the number of tensors in the file bounds the number of layers."""
    keys = {"kind", "config", "dtype", "frozen", "finite"}
    if not isinstance(value, dict) or set(value) != keys:
        raise CheckpointError(f"must describe its network by {', '.join(sorted(keys))}, got something else")
    kind = value["kind"]
    config = value["config"]
    dtype = value["dtype"]
    if not is_one_of(kind, _KINDS):
        raise CheckpointError(f"must describe a network of kind {' or '.join(_KINDS)}, got {str(kind)[:40]!a}")
    if not is_one_of(dtype, _DTYPES):
        raise CheckpointError(f"must describe a network of dtype {' or '.join(_DTYPES)}, got {str(dtype)[:40]!a}")
    if type(value["finite"]) is not bool:
        raise CheckpointError("must give true or false for whether its weights are finite, got something else")
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
    """Return the config from its JSON form; its own checks come last, on values of the right types and sizes."""
    names = {field.name for field in dataclasses.fields(config_class)}
    required = names - set(_OPTIONAL)
    if not isinstance(value, dict) or not required <= set(value) <= names:
        raise CheckpointError(f"must have a config of {', '.join(sorted(required))}, got something else")
    for name, item in value.items():
        if name in (
            "products",
            "functions",
        ):  # products: lists of whole numbers; functions: null, or lists of lists of text
            if not isinstance(item, list) or not 0 < len(item) <= tensor_count + 1:
                raise CheckpointError(f"must have a {name} that its {tensor_count} tensors can hold, got another")
            layers = [[layer] if name == "products" else layer for layer in item]
            if name == "functions":
                layers = [layer for layer in layers if layer is not None]
            if not all(isinstance(rows, list) and all(isinstance(row, list) for row in rows) for rows in layers):
                raise CheckpointError(f"must have a {name} of lists, got something else")
            kind = int if name == "products" else str
            if not all(type(entry) is kind for rows in layers for row in rows for entry in row):
                raise CheckpointError(f"must have {'whole numbers' if kind is int else 'text'} in {name}, got others")
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


def _as_tuple(item: Any) -> Any:
    if isinstance(item, list):
        return tuple(_as_tuple(part) for part in item)
    return item


def _fault(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the reason why a network is unusable whatever its weights: knots that do not increase, or a bad mask."""
    for name, tensor in tensors.items():
        if name.endswith("knots") and not bool((tensor.diff() > 0).all() & tensor.isfinite().all()):
            return f"must have finite and increasing knots, {name} are not"
        if name.endswith("mask") and not bool(((tensor == 0) | (tensor == 1)).all()):
            return f"must have masks of 0 and 1 only, {name} has other numbers"
    return None


def _all_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())
