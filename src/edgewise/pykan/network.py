"""`from_pykan`: a network of pykan as a `KAN`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from edgewise.checks import is_path
from edgewise.errors import InputError
from edgewise.nn.config import BESIDE_SPLINE, NO_FUNCTION
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.model import KAN, edge_layers
from edgewise.pykan.layers import LayerPlan, layer_plan, passing
from edgewise.pykan.reading import read_checkpoint, state_of_model


@torch.no_grad()
def from_pykan(
    source: str | PathLike[str] | Any,
    *,
    table: Mapping[str, Elementary] = ELEMENTARY,
    dtype: torch.dtype = torch.float64,
    beyond: Literal["zero", "line"] = "zero",
    base: Callable[[Tensor], Tensor] | None = None,
) -> KAN:
    """Read a network of pykan 0.2 as a KAN that computes the same function, to rounding.

    Splines, base functions, product nodes, symbolic edges, edges in mode "ns", scales, biases and masks are held
    exactly. A bias behind a product becomes a layer of its own. Not in a checkpoint, so not read: the selection of
    columns by `prune_input` (give the model those columns of x), and functions without a name.

    Parameters
    ----------
    source : str, PathLike or MultKAN
        Path of a checkpoint without the endings "_config.yml" and "_state", a folder of checkpoints, whose newest
        version is read, or a network of pykan in memory.
    table : mapping of str to Elementary
        Elementary functions by name; functions that `add_symbolic` gave to pykan must be in it.
    dtype : torch.dtype
        Of the network.
    beyond : {"zero", "line"}
        Outside its grid, extended by `degree` knots at both ends, a spline of pykan is zero: "zero" repeats this,
        "line" continues splines as straight lines, as Edgewise does.
    base : callable, optional
        The base function (`base_fun`), needed only where the checkpoint names none that torch has.

    Returns
    -------
    KAN
        The network.

    Raises
    ------
    InputError
        The files are missing or damaged, or hold what a KAN can't: knots that coincide, a degree above 10, an unknown
        function or base function. The message names it.

    References
    ----------
    Liu et al., "KAN 2.0" (arXiv 2408.10205); the names of the tensors are those of pykan 0.2.

    Examples
    --------
    >>> from edgewise import from_pykan
    >>> from_pykan("no/such/checkpoint")
    Traceback (most recent call last):
    ...
    edgewise.errors.InputError: source must be a pykan checkpoint, there is no file no/such/checkpoint_state
    """
    if beyond not in ("zero", "line"):
        raise InputError(f'beyond must be "zero" or "line", got {beyond!r}')
    if base is not None and not callable(base) and not isinstance(base, str):
        raise InputError(f"base must be a function of a tensor, as torch.nn.SiLU(), got {base!r:.80}")
    if is_path(source):
        state = read_checkpoint(Path(source), base)
    else:
        state = state_of_model(source, base)
    # Layer by layer, each with a layer behind it where a product has a bias.
    plans: list[LayerPlan] = []
    for number in range(state.depth):
        plan = layer_plan(state, number, beyond)
        if plans and plans[-1].nodes != len(plan.functions):
            nodes = plans[-1].nodes
            inputs = len(plan.functions)
            raise InputError(f"source must have layers that fit together, {nodes} nodes meet {inputs} inputs")
        plans.append(plan)
        if bool(plan.bias.any()):
            plans.append(passing(plan.bias))
    # The functions that the network needs.
    names = {name.removeprefix(BESIDE_SPLINE) for plan in plans for row in plan.functions for name in row}
    unknown = sorted(names - {"", NO_FUNCTION, *table})
    if unknown:
        raise InputError(f"table must have the functions of the network, it lacks {', '.join(unknown):.200}")
    # A network of this shape, with the numbers of the plans.
    model = KAN(
        [len(plans[0].functions), *(plan.nodes for plan in plans)],
        [plan.grid_size for plan in plans],
        [plan.degree for plan in plans],
        base=state.base,
        products=[plan.products for plan in plans],
        functions=[plan.functions if any(map(any, plan.functions)) else None for plan in plans],
        table=table,
        dtype=dtype,
    )
    for layer, plan in zip(edge_layers(model), plans, strict=True):
        plan.write_(layer)
    return model
