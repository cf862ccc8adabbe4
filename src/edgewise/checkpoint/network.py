"""The description of a network in a file (kind, shape, dtype, frozen parameters), and the network rebuilt from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from edgewise.checkpoint import codec
from edgewise.checkpoint.container import TensorEntry
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import Elementary
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

Network = KAN | MLP
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True)
class Description:
    """The description of a network in a file."""

    config: KANConfig | MLPConfig
    dtype: Literal["float64", "float32"]  # of all parameters
    frozen: tuple[str, ...]  # names of the parameters that do not require a gradient
    finite: bool  # whether all numbers must be finite

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of all parameters."""
        return {"float64": torch.float64, "float32": torch.float32}[self.dtype]

    def layout(self) -> Layout:
        """Return name, dtype and shape of every tensor, by arithmetic alone: nothing is allocated."""
        raise NotImplementedError

    def initial(self, table: Mapping[str, Elementary]) -> Network:
        """Return a network of this shape with initial weights."""
        raise NotImplementedError

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong: the number of tensors in a file bounds the number of layers."""
        if len(self.config.width) > sizes["tensors"] + 1:
            return f"more layers than its {sizes['tensors']} tensors can hold"
        return ""

    def build(self, tensors: Mapping[str, Tensor], table: Mapping[str, Elementary]) -> Network:
        """Return the network with these tensors, whose names, dtypes and shapes `check_entries` has checked."""
        try:
            model = self.initial(table)
        except InputError as error:  # an elementary function that the table doesn't have
            raise CheckpointError(f"must name known functions: {ascii(str(error)[:200])[1:-1]}") from error
        model.load_state_dict(dict(tensors))
        # The parameters that were held.
        parameters = dict(model.named_parameters())
        for name in self.frozen:
            parameters[name].requires_grad_(False)
        # The tensors must be those of a network that could have been written.
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
        # Names, dtypes and shapes, each by each.
        expected = self.layout()
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
        # Held parameters can be trained.
        trained = {name for name in expected if name.endswith(("coef", "base", "weight", "bias", "affine"))}
        if set(self.frozen) - trained or len(set(self.frozen)) < len(self.frozen):
            raise CheckpointError("must name its frozen parameters once each, got other names")


@dataclass(frozen=True)
class KANDescription(Description):
    """The description of a KAN."""

    kind: ClassVar[str] = "KAN"
    config: KANConfig

    def layout(self) -> Layout:
        """Return name, dtype and shape of every tensor, see `Description.layout`."""
        config = self.config
        dtype = self.torch_dtype
        result: Layout = {}
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
            if config.functions_of(number) is not None:
                result[layer + "affine"] = dtype, (4, inputs, outputs)
            place += 1
            if config.arities_of(number):
                place += 1
        return result

    def initial(self, table: Mapping[str, Elementary]) -> KAN:
        """Return a network of this shape with initial weights, whose functions are those of the table."""
        return KAN.from_config(self.config, dtype=self.torch_dtype, table=table)


@dataclass(frozen=True)
class MLPDescription(Description):
    """The description of an MLP."""

    kind: ClassVar[str] = "MLP"
    config: MLPConfig

    def layout(self) -> Layout:
        """Return name, dtype and shape of every tensor, see `Description.layout`."""
        result: Layout = {}
        for number, (inputs, outputs) in enumerate(pairwise(self.config.width)):
            result[f"layers.{number}.weight"] = self.torch_dtype, (inputs, outputs)
            result[f"layers.{number}.bias"] = self.torch_dtype, (outputs,)
        return result

    def initial(self, table: Mapping[str, Elementary]) -> MLP:
        """Return a network of this shape with initial weights; it has no functions of a table."""
        return MLP.from_config(self.config, dtype=self.torch_dtype)


def description_of(model: Network) -> Description:
    """Return the description of a network; InputError unless it is a KAN or MLP of float64 or float32."""
    kinds: dict[type, Any] = {KAN: KANDescription, MLP: MLPDescription}
    if type(model) not in kinds:
        name = f"{type(model).__module__}.{type(model).__name__}"
        raise InputError(f"model must be a KAN or MLP itself, not wrapped or derived, got {name}")
    dtype = next(model.parameters()).dtype
    if dtype not in (torch.float64, torch.float32):
        raise InputError(f"model must have dtype float64 or float32, got {dtype}")
    frozen = sorted(name for name, parameter in model.named_parameters() if not parameter.requires_grad)
    result: Description = kinds[type(model)](
        config=model.config,
        dtype=str(dtype).removeprefix("torch."),
        frozen=tuple(frozen),
        finite=_all_finite(model.state_dict()),
    )
    return result


def describe(model: Network) -> dict[str, Any]:
    """Return the description of a network that `read_description` reads, as plain JSON values."""
    description = description_of(model)
    # What a file can hold: the tensors of the config, usable numbers, and a base function with a name.
    tensors = model.state_dict()
    have = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if have != description.layout():
        raise InputError("model must hold the tensors that its config implies, all of one dtype, it holds others")
    if fault := _fault(tensors):
        raise InputError(f"model {fault}")
    if isinstance(model, KAN) and not isinstance(model.config.base, str):
        raise InputError(
            f"model must have a base function that torch has under a name to be saved, as torch.erf, got "
            f"{model.config.base!r:.80}"
        )
    result: dict[str, Any] = codec.plain(description)
    return result


def read_description(value: Any, tensor_count: int) -> Description:
    """Return the description of a network whose file has this number of tensors; CheckpointError for others."""
    result: Description = codec.read(KANDescription | MLPDescription, value, "model", {"tensors": tensor_count})
    return result


def _fault(tensors: Mapping[str, Tensor]) -> str:
    """Return why a network is unusable whatever its weights (knots that do not increase, a bad mask), or ""."""
    for name, tensor in tensors.items():
        if name.endswith("knots") and not bool((tensor.diff() > 0).all() & tensor.isfinite().all()):
            return f"must have finite and increasing knots, {name} are not"
        if name.endswith("mask") and not bool(((tensor == 0) | (tensor == 1)).all()):
            return f"must have masks of 0 and 1 only, {name} has other numbers"
    return ""


def _all_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())
