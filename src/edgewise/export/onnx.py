"""Networks as ONNX files, which onnxruntime and other programs run without Edgewise."""

import copy
import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from edgewise import files
from edgewise.errors import InputError, missing_extra
from edgewise.export.steps import InUnits, Units, check_model, check_units
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


def to_onnx(
    path: str | os.PathLike[str], model: KAN | MLP, *, dtype: torch.dtype | None = None, units: Units | None = None
) -> None:
    """Writes `model` as an ONNX file with input "x" (batch, in) and output "y" (batch, out), for batches of any size.

    Equal to the model up to rounding, inside its domains, on their ends and beyond. The file holds operators of the
    ONNX standard only. Needs the packages of `edgewise[onnx]`.

    Args:
        path: where to; an existing file is replaced as a whole, and stays intact if anything goes wrong.
        model: what to write; the order of the two is that of `save`.
        dtype: torch.float32 or torch.float64 of input, output and weights; left out, the model's own.
        units: lets the file take and give the user's units.

    Raises:
        InputError: an argument is of another kind.
        FileError: the file cannot be written.
        MissingExtraError: a package of the extra is not installed.
    """
    check_model(model)
    check_units(units, model.config.width[0], model.config.width[-1])
    dtype = next(model.parameters()).dtype if dtype is None else dtype
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    for package in ("onnx", "onnxscript"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise missing_extra(package, "onnx", "Exporting to ONNX") from error
    own = copy.deepcopy(model).to("cpu", dtype).eval()
    # Three rows and not one or none: torch.export would take those sizes for constants.
    example = torch.zeros(3, model.config.width[0], dtype=dtype)
    files.write_bytes(path, _serialised(own if units is None else InUnits(own, units), example))


def _serialised(model: torch.nn.Module, example: torch.Tensor) -> bytes:
    """The ONNX file of a module on the CPU in eval mode."""
    with _quiet():
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["x"],
            output_names=["y"],
            verbose=False,
        )
    assert program is not None  # the return type covers the old exporter too
    proto = program.model_proto
    _forget_origin(proto)
    return proto.SerializeToString(deterministic=True)


def _forget_origin(proto: Any) -> None:
    """Removes torch's notes on where each operator comes from: they name folders of the machine that exported."""
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps torch's own notes on its exporter from the user: deprecations within torch, torchvision not installed.

    All that is changed is put back on leaving; nobody can act on these notes, and none is about the model.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
