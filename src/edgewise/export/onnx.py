"""Networks as ONNX files, which onnxruntime and other programs run without Edgewise."""

import importlib
import os

import torch

from edgewise.checks import typed
from edgewise.errors import InputError, missing_extra
from edgewise.export.program import example_rows, for_export, quiet
from edgewise.export.steps import Units
from edgewise.files.whole import write_bytes
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


@typed
def to_onnx(
    model: KAN | MLP, path: str | os.PathLike[str], *, dtype: torch.dtype | None = None, units: Units | None = None
) -> None:
    """Write a network as an ONNX file with input "x" (batch, in) and output "y" (batch, out), for any batch size.

    The file is equal to the model up to rounding, inside its domains, on their ends and beyond. It contains only
    operators of the ONNX standard. Needs the packages of `edgewise[onnx]`.

    Parameters
    ----------
    model : KAN or MLP
        The network.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    dtype : torch.dtype, optional
        torch.float32 or torch.float64, for input, output and weights; by default that of the model.
    units : Units, optional
        Scaling of a table; with it the file takes and returns the user's units.

    Raises
    ------
    InputError
        An argument is of another kind.
    FileError
        The file cannot be written.
    MissingExtraError
        A package of `edgewise[onnx]` is not installed.

    Examples
    --------
    >>> import edgewise
    >>> from edgewise.export import to_onnx
    >>> to_onnx(edgewise.KAN([2, 1]), "network.onnx")  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> onnxruntime.InferenceSession("network.onnx").run(None, {"x": x})  # doctest: +SKIP
    """
    if dtype not in (None, torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    own = for_export(model, units, dtype)
    for package in ("onnx", "onnxscript"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise missing_extra(package, "onnx", "Exporting to ONNX") from error
    with quiet():
        program = torch.onnx.export(
            own,
            (example_rows(model, own),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["x"],
            output_names=["y"],
            verbose=False,
        )
    assert program is not None  # the return type covers the old exporter too
    proto = program.model_proto
    # torch's notes on the origin of each operator name folders of the machine that exported.
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    write_bytes(path, proto.SerializeToString(deterministic=True))
