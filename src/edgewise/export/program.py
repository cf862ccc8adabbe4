"""Networks as programs of torch.export, which torch runs, compiles and deploys without Edgewise."""

import copy
import io
import os
import warnings

import torch

from edgewise import files
from edgewise.export.steps import InUnits, Units, check_model, check_units
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


def to_program(path: str | os.PathLike[str], model: KAN | MLP, *, units: Units | None = None) -> None:
    """Writes `model` as a .pt2 file: `torch.export.load(path).module()(x)` gives (batch, out) for x (batch, in).

    Equal to the model up to rounding, for batches of any size, in the model's dtype. The file holds operators of
    torch only.

    Args:
        path: where to; an existing file is replaced as a whole, and stays intact if anything goes wrong.
        model: what to write. units: lets the program take and give the user's units.

    Raises:
        InputError: an argument is of another kind.
        FileError: the file cannot be written.
    """
    check_model(model)
    inputs, outputs = model.config.width[0], model.config.width[-1]
    check_units(units, inputs, outputs)
    own = copy.deepcopy(model).to("cpu").eval()
    example = torch.zeros(3, inputs, dtype=next(own.parameters()).dtype)  # 0 and 1 rows would be taken for constants
    own = own if units is None else InUnits(own, units)
    with warnings.catch_warnings():  # torch's notes on its own parts; none is about the model
        warnings.simplefilter("ignore")
        program = torch.export.export(own, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
    files.write_bytes(path, buffer.getvalue())
