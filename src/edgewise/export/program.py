"""Networks as programs of torch.export, which torch runs, compiles and deploys without Edgewise."""

import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgewise.checks import typed
from edgewise.export.steps import InUnits, Units, check_model, check_units
from edgewise.files.whole import write_bytes
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


@typed
def to_program(model: KAN | MLP, path: str | os.PathLike[str], *, units: Units | None = None) -> None:
    """Write a network as a .pt2 file: `torch.export.load(path).module()(x)` returns (batch, out) for x (batch, in).

    The program is equal to the model up to rounding, for batches of any size, in the model's dtype. The file contains
    only operators of torch.

    Parameters
    ----------
    model : KAN or MLP
        The network.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    units : Units, optional
        Scaling of a table; with it the program takes and returns the user's units.

    Raises
    ------
    InputError
        An argument is of another kind.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> import edgewise
    >>> from edgewise.export import to_program
    >>> to_program(edgewise.KAN([2, 1]), "network.pt2")  # doctest: +SKIP
    >>> torch.export.load("network.pt2").module()(torch.rand(3, 2))  # doctest: +SKIP
    """
    own = for_export(model, units)
    with quiet():
        example = (example_rows(model, own),)
        program = torch.export.export(own, example, dynamic_shapes=({0: torch.export.Dim("batch")},))
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
    write_bytes(path, buffer.getvalue())


def for_export(model: KAN | MLP, units: Units | None, dtype: torch.dtype | None = None) -> nn.Module:
    """Return a copy of a network on the CPU, in evaluation mode, in the user's units."""
    check_model(model)
    check_units(units, model.config.width[0], model.config.width[-1])
    own = copy.deepcopy(model).to("cpu", dtype).eval()
    return own if units is None else InUnits(own, units)


def example_rows(model: KAN | MLP, own: nn.Module) -> Tensor:
    """Return an example input (3, in) in the dtype of `own`; torch.export takes 0 or 1 rows for constants."""
    columns = model.config.width[0] + int(getattr(own, "exposure", False))
    return torch.zeros(3, columns, dtype=next(own.parameters()).dtype)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide torch's notes on its own exporter: deprecations within torch, torchvision that is not installed.

    No note is about the model, and a user cannot act on any. All settings are restored on leaving.
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
