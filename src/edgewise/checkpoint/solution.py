"""Solutions of differential equations as files: the network, how it came about, and what it must be read with.

The container is that of model files (`container`), with one text beside "format" and "version": "solution", a JSON tree
with references to tensors (`strict_json`),

    fields, coordinates   names, to be compared with the problem
    network               {"kind": "kan" | "separable" | "tensor" | "periodic" | "windows", ...}, see `_tree`
    account               stages, unknowns, error_estimate, stopped, message ... of a `Solution`

The equation itself is the user's code and is not in the file; neither are values of hard conditions.
"""

import dataclasses
import os
from typing import Any

import torch
from torch import Tensor, nn

from edgewise import files
from edgewise.checkpoint import container, strict_json
from edgewise.checkpoint.container import Entry
from edgewise.checkpoint.network import describe, read_description
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.layers.periodic import PeriodicLayer
from edgewise.nn.layers.separable import SeparableLayer
from edgewise.nn.layers.tensor_product import TensorLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import MAX_DEGREE
from edgewise.ops.splines.knots import breakpoints_of
from edgewise.pde.problem.equation import PDE
from edgewise.pde.solver.network import PeriodicNetwork, SeparableNetwork, TensorNetwork, WindowNetwork
from edgewise.pde.solver.solution import Solution, Stage

_FACTS = tuple(field.name for field in dataclasses.fields(Solution) if field.name not in ("model", "problem", "stages"))
_DTYPES = (torch.float64, torch.float32)


def save_solution(path: str | os.PathLike[str], solution: Solution) -> None:
    """Writes a solution as a whole or not at all; equal solutions give equal bytes.

    Raises:
        InputError: its network is of a kind that has no place in a file.
        FileError: the folder is missing or not writable, the disk is full, ...
    """
    problem = solution.problem
    account = {name: getattr(solution, name) for name in _FACTS}
    tree = {
        "fields": list(problem.fields),
        "coordinates": list(problem.domain.coordinates),
        "network": _tree(solution.model),
        "account": account | {"stages": [dataclasses.asdict(stage) for stage in solution.stages]},
    }
    tensors: dict[str, Tensor] = {}
    text = strict_json.dump(strict_json.encode(tree, "solution", tensors, prefix="solution."))
    files.write_bytes(path, container.pack(tensors, {"format": "edgewise", "version": "1", "solution": text}))


def load_solution(path: str | os.PathLike[str], problem: PDE) -> Solution:
    """Reads a solution of this problem, bit for bit what was saved. Safe on files from anyone.

    Args:
        problem: the same equation, domain and conditions; of unknown coefficients it gets the values found.

    Raises:
        InputError: the file is about other fields or coordinates.
        FileError: the file is missing, a folder, or may not be read.
        CheckpointError: the file is damaged, hostile, or no solution.
    """
    data = files.read_bytes(path)
    try:
        fields, coordinates, network, account = _parts(data)
    except CheckpointError as error:
        raise CheckpointError(f"solution file {os.fspath(path)} {error}") from error
    if fields != list(problem.fields) or coordinates != list(problem.domain.coordinates):
        raise InputError(
            f"problem must have fields {', '.join(map(str, fields))} over {', '.join(map(str, coordinates))} as the "
            f"file, got {', '.join(problem.fields)} over {', '.join(problem.domain.coordinates)}"
        )
    stages = tuple(account.pop("stages"))
    known = problem.resampled(problem.points, problem.boundary_points)
    known.unknowns = {
        name: nn.Parameter(torch.tensor(value, dtype=torch.float64)) for name, value in account["unknowns"].items()
    }
    if set(known.unknowns) != set(problem.unknowns):
        raise InputError(f"problem must have the coefficients {list(known.unknowns)}, got {list(problem.unknowns)}")
    return Solution(network, known, stages=stages, **account)


def _parts(data: bytes) -> tuple[list, list, nn.Module, dict[str, Any]]:
    file = container.unpack(data)
    _need(set(file.metadata) == {"format", "version", "solution"}, "hold a solution", "something else")
    tensors = file.tensors()
    tree = strict_json.decode(strict_json.parse(file.metadata["solution"], "solution"), "solution", tensors)
    _need(isinstance(tree, dict), "hold a solution", "something else")
    _need(not tensors, "use each tensor it holds", "a stray one")
    _need(set(tree) == {"fields", "coordinates", "network", "account"}, "hold a whole solution", "other parts")
    names = [tree["fields"], tree["coordinates"]]
    _need(all(isinstance(each, list) for each in names), "list its fields and coordinates", "something else")
    return *names, _network(tree["network"]), _account(tree["account"])


def _account(value: Any) -> dict[str, Any]:
    _need(isinstance(value, dict) and set(value) == {*_FACTS, "stages"}, "give an account of its making", "another")
    stages = value["stages"]
    names = {field.name for field in dataclasses.fields(Stage)}
    told = isinstance(stages, list) and stages and all(isinstance(each, dict) and set(each) == names for each in stages)
    _need(bool(told), "tell of each stage", "something else")
    numbers = value["unknowns"]
    valid = isinstance(numbers, dict) and all(type(number) is float for number in numbers.values())
    _need(valid, "give unknowns as numbers", "something else")
    return {**value, "stages": [Stage(**each) for each in stages]}


def _tree(network: nn.Module) -> dict[str, Any]:
    """A network as plain values and tensors."""
    if isinstance(network, WindowNetwork):
        windows = [_tree(window) for window in network.windows]
        return {"kind": "windows", "axis": network.axis, "ends": network.ends, "windows": windows}
    if isinstance(network, TensorNetwork):
        (layer,) = network.layers
        shape = {"degree": layer.degree, "periodic": list(layer.periodic)}
        return {"kind": "tensor", **shape, "knots": layer.knots, "coef": layer.coef.detach()}
    if isinstance(network, SeparableNetwork):
        layer, total = network.layers
        shape = {"degree": layer.degree, "fields": total.out_features}
        return {"kind": "separable", **shape, "knots": layer.knots, "coef": layer.coef.detach()}
    if isinstance(network, PeriodicNetwork):
        first = network.layers[0]
        periods = [(number, start, period) for number, (start, period) in first.periods.items()]
        return {"kind": "periodic", "inputs": first.in_features, "periods": periods, "inner": _tree(network.inner)}
    if isinstance(network, KAN | MLP):
        return {
            "kind": "kan",
            "description": strict_json.dump(describe(network)),
            "tensors": dict(network.state_dict()),
        }
    raise InputError(f"solution must have a network that `solve` makes, got a {type(network).__name__}")


def _network(tree: Any) -> nn.Module:
    """The inverse of `_tree`. Raises CheckpointError with the second half of a sentence."""
    makers = {"windows": _windows, "tensor": _tensor, "separable": _separable, "periodic": _periodic, "kan": _kan}
    known = isinstance(tree, dict) and isinstance(tree.get("kind"), str) and tree["kind"] in makers
    _need(known, f"hold a network of kind {', '.join(makers)}", "another")
    parts = {name: value for name, value in tree.items() if name != "kind"}
    try:
        return makers[tree["kind"]](**parts)
    except TypeError as error:
        raise CheckpointError("must describe its network by the names of its kind, got others") from error
    except InputError as error:
        raise CheckpointError(f"must describe a network that can be: {ascii(str(error)[:200])[1:-1]}") from error


def _windows(axis: Any, ends: Any, windows: Any) -> WindowNetwork:
    _need(isinstance(windows, list) and len(windows) > 0, "list its windows", "something else")
    _check_numbers(ends, 1)
    _need(len(ends) == len(windows) + 1 and bool((ends.diff() > 0).all()), "have windows one after the other", "others")
    networks = [_network(window) for window in windows]
    _need(all(isinstance(each, TensorNetwork) for each in networks), "have windows of kind tensor", "others")
    inputs = {each.layers[0].in_features for each in networks}
    _need(len(inputs) == 1 and type(axis) is int and 0 <= axis < max(inputs), "have time among its inputs", "others")
    return WindowNetwork(networks, ends, axis)


def _tensor(degree: Any, periodic: Any, knots: Any, coef: Any) -> TensorNetwork:
    _check_degree(degree)
    valid = isinstance(knots, list) and isinstance(periodic, list) and 0 < len(knots) == len(periodic)
    _need(valid and all(type(each) is bool for each in periodic), "have knots for each input", "others")
    _check_numbers(coef, len(knots) + 1)
    for line, repeats, count in zip(knots, periodic, coef.shape, strict=False):
        _check_knots(line)
        _need(len(line) == 1 and line.dtype == coef.dtype, "have knots like its coefficients", "others")
        intervals = line.shape[1] - 2 * degree - 1
        _need(
            intervals > 0 and count == intervals + (0 if repeats else degree),
            "have as many coefficients as knots give",
            "others",
        )
    layer = TensorLayer(
        [breakpoints_of(line, degree)[0] for line in knots], coef.shape[-1], degree=degree, periodic=periodic
    )
    layer.load_state_dict({"coef": coef} | {f"knots_{number}": line for number, line in enumerate(knots)})
    return TensorNetwork(layer)


def _separable(degree: Any, fields: Any, knots: Any, coef: Any) -> SeparableNetwork:
    _check_degree(degree)
    _check_knots(knots)
    _check_numbers(coef, 3)
    inputs, count, outputs = coef.shape
    fits = inputs == len(knots) and count - degree == knots.shape[1] - 2 * degree - 1 > 0 and coef.dtype == knots.dtype
    _need(fits, "have as many coefficients as knots give", "others")
    _need(
        type(fields) is int and fields > 0 and outputs > 0 and outputs % fields == 0,
        "have terms for each field",
        "others",
    )
    layer = SeparableLayer(
        inputs, outputs, grid_size=count - degree, degree=degree, domain=(0.0, 1.0), dtype=coef.dtype
    )
    layer.load_state_dict({"coef": coef, "knots": knots, "domain_is_set": layer.domain_is_set})
    return SeparableNetwork(layer, fields)


def _periodic(inputs: Any, periods: Any, inner: Any) -> PeriodicNetwork:
    valid = isinstance(periods, list) and all(
        isinstance(each, tuple) and list(map(type, each)) == [int, float, float] for each in periods
    )
    _need(valid and type(inputs) is int and 0 < inputs < 1 << 16, "give number, start and length of periods", "others")
    first = PeriodicLayer(inputs, {number: (start, period) for number, start, period in periods})
    network = _network(inner)
    _need(isinstance(network, KAN | MLP), "have a kan behind its periods", "something else")
    _need(network.config.width[0] == first.out_features, "have as many inputs as its periods give", "others")
    return PeriodicNetwork(first, network)


def _kan(description: Any, tensors: Any) -> KAN | MLP:
    valid = isinstance(tensors, dict) and all(isinstance(each, Tensor) for each in tensors.values())
    _need(valid and isinstance(description, str), "have a description and tensors by name", "something else")
    read = read_description(strict_json.parse(description, "description"), len(tensors))
    read.check_entries({name: Entry(each.dtype, tuple(each.shape), 0, 0) for name, each in tensors.items()})
    return read.build(tensors, ELEMENTARY)


def _check_degree(degree: Any) -> None:
    _need(type(degree) is int and 0 < degree <= MAX_DEGREE, f"have a degree from 1 to {MAX_DEGREE}", "another")


def _check_knots(knots: Any) -> None:
    _check_numbers(knots, 2)
    _need(bool((knots.diff() > 0).all()), "have increasing knots", "others")


def _check_numbers(value: Any, rank: int) -> None:
    valid = isinstance(value, Tensor) and value.ndim == rank and value.numel() > 0 and value.dtype in _DTYPES
    _need(valid and bool(value.isfinite().all()), f"have finite numbers of rank {rank}", "something else")


def _need(holds: bool, expected: str, came: str) -> None:
    if not holds:
        raise CheckpointError(f"must {expected}, got {came}")
