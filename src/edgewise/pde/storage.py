"""Solutions of differential equations as files: the network, how it was computed, and the names of its problem.

The container is that of model files (`container`), with one text beside "format" and "version": "solution", a JSON tree
with references to tensors (`strict_json`),

    fields, coordinates   names, to be compared with the problem
    network               {"kind": "kan" | "low rank" | "separable" | "tensor" | ..., ...}, see `_encoded`
    account               stages, unknowns, error_estimate, stopped, message ... of a `Solution`

The equation itself is the user's code and is not in the file; neither are values of hard conditions.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from edgewise import files
from edgewise.checkpoint import container, kinds, strict_json
from edgewise.checkpoint.container import Container, TensorEntry
from edgewise.checkpoint.network import describe, read_description
from edgewise.errors import CheckpointError, InputError
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import MAX_DEGREE, MAX_PRODUCT_DEGREE
from edgewise.ops.splines.knots import breakpoints_of
from edgewise.outcomes import StopReason
from edgewise.pde.layers.periodic import PeriodicLayer
from edgewise.pde.layers.separable import SeparableLayer
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation
from edgewise.pde.problem.singular import SINGULAR_KINDS, SingularFunctions
from edgewise.pde.solver.solution import Solution, Stage
from edgewise.pde.spaces.networks import (
    EnrichedNetwork,
    FieldNetwork,
    PeriodicNetwork,
    SeparableNetwork,
    SlabNetwork,
    TensorNetwork,
)
from edgewise.pde.tiers.tensor_train.network import LowRankNetwork
from edgewise.pde.tiers.unknown_fields import UncertainNetwork

# Fields of a `Solution` that are stored by their names.
_FACTS = tuple(field.name for field in dataclasses.fields(Solution) if field.name not in ("model", "problem", "stages"))
# Names of the parts of each kind of network.
_PARTS = {
    "slabs": {"axis", "ends", "slabs"},
    "tensor": {"degree", "periodic", "knots", "coef"},
    "low rank": {"ranks", "lines"},
    "uncertain": {"inner", "root"},
    "enriched": {"inner", "functions", "factors"},
    "separable": {"degree", "fields", "knots", "coef"},
    "periodic": {"inputs", "periods", "inner"},
    "kan": {"description", "tensors"},
}
_OF_FUNCTIONS = dataclasses.fields(SingularFunctions)
_MOST_EXPONENT = 1000  # of a singular function, far above any solution, so that a forged file takes no time
_DTYPES = (torch.float64, torch.float32)
_MOST_INPUTS = 1 << 16  # of a periodic layer, far above any equation, so that a forged file takes no memory


def save_solution(solution: Solution, path: str | os.PathLike[str]) -> None:
    """Write a solution, whole or not at all; equal solutions give equal bytes. See `edgewise.save`."""
    problem = solution.problem
    facts = {name: getattr(solution, name) for name in _FACTS} | {"stopped": str(solution.stopped)}
    tree = {
        "fields": list(problem.fields),
        "coordinates": list(problem.domain.coordinates),
        "network": _encoded(solution.model),
        "account": facts | {"stages": [dataclasses.asdict(stage) for stage in solution.stages]},
    }
    tensors: dict[str, Tensor] = {}
    text = strict_json.dump(strict_json.encode(tree, "solution", tensors, prefix="solution."))
    files.write_bytes(path, container.pack(tensors, {"format": "edgewise", "version": "1", "solution": text}))


def load_solution(path: str | os.PathLike[str], problem: Collocation) -> Solution:
    """Read a solution of a problem, equal bit for bit to what was saved. See `edgewise.load`."""
    with container.errors_of_file("solution", path):
        return solution_of(container.unpack(files.read_bytes(path)), problem)


def solution_of(file: Container, problem: Collocation) -> Solution:
    """Return the solution in an unpacked file, see `load_solution`."""
    _require(set(file.metadata) == {"format", "version", "solution"}, "contain a solution")
    tensors = file.tensors()
    tree = strict_json.decode(strict_json.parse(file.metadata["solution"], "solution"), "solution", tensors)
    _require(isinstance(tree, dict), "contain a solution")
    _require(not tensors, "use each of its tensors", "an unused one")
    _require(set(tree) == {"fields", "coordinates", "network", "account"}, "contain a whole solution", "other parts")
    fields = tree["fields"]
    coordinates = tree["coordinates"]
    facts = tree["account"]
    _require(isinstance(fields, list) and isinstance(coordinates, list), "list its fields and coordinates")
    network = _decoded(tree["network"])

    complete = isinstance(facts, dict) and set(facts) == {*_FACTS, "stages"}
    are_texts = complete and all(isinstance(facts[name], str) for name in ("trust", "tier"))
    _require(are_texts, "describe how it was computed", "others")
    stages = facts.pop("stages")
    unknowns = facts["unknowns"]
    names = {field.name for field in dataclasses.fields(Stage)}
    _require(isinstance(stages, list) and len(stages) > 0, "list its stages")
    _require(all(isinstance(each, dict) and set(each) == names for each in stages), "list its stages")
    valid = isinstance(unknowns, dict) and all(type(number) is float for number in unknowns.values())
    _require(valid, "give unknowns as numbers")
    try:
        facts["stopped"] = StopReason(facts["stopped"])
    except ValueError as error:
        raise CheckpointError("must give a known reason for its end, got another") from error

    if fields != list(problem.fields) or coordinates != list(problem.domain.coordinates):
        raise InputError(
            f"problem must have fields {', '.join(map(str, fields))} over {', '.join(map(str, coordinates))} as the "
            f"file, got {', '.join(problem.fields)} over {', '.join(problem.domain.coordinates)}"
        )
    if set(unknowns) != set(problem.unknowns):
        raise InputError(f"problem must have the coefficients {list(unknowns)}, got {list(problem.unknowns)}")
    known = problem.with_unknowns(unknowns)
    return Solution(network, known, stages=tuple(Stage(**each) for each in stages), **facts)


def _encoded(network: nn.Module) -> dict[str, Any]:
    """Return a network as plain values and tensors."""
    if isinstance(network, KAN | MLP):
        description = strict_json.dump(describe(network))
        return {"kind": "kan", "description": description, "tensors": dict(network.state_dict())}
    if not isinstance(network, FieldNetwork):
        raise InputError(f"solution must have a network that `solve` makes, got a {type(network).__name__}")
    return {name: _encoded_part(part) for name, part in network.parts().items()}


def _encoded_part(part: Any) -> Any:
    """Return a part of a network with the networks in it as plain values and tensors."""
    if isinstance(part, list):
        return [_encoded_part(each) for each in part]
    return _encoded(part) if isinstance(part, nn.Module) else part


def _decoded(tree: Any) -> nn.Module:
    """Return the network that `_encoded` described."""
    known = isinstance(tree, dict) and isinstance(tree.get("kind"), str) and tree["kind"] in _PARTS
    _require(known, f"contain a network of kind {', '.join(_PARTS)}", "another")
    parts = {name: value for name, value in tree.items() if name != "kind"}
    _require(set(parts) == _PARTS[tree["kind"]], "describe its network by the names of its kind", "others")
    try:
        match tree["kind"]:
            case "slabs":
                axis = parts["axis"]
                ends = parts["ends"]
                slabs = parts["slabs"]
                _require(isinstance(slabs, list) and len(slabs) > 0, "list its slabs")
                _require_numbers(ends, 1)
                in_order = len(ends) == len(slabs) + 1 and bool((ends.diff() > 0).all())
                _require(in_order, "have slabs one after the other", "others")
                networks = [each for each in map(_decoded, slabs) if isinstance(each, TensorNetwork)]
                _require(len(networks) == len(slabs), "have slabs of kind tensor", "others")
                inputs = {each.layers[0].in_features for each in networks}
                has_axis = len(inputs) == 1 and type(axis) is int and 0 <= axis < max(inputs)
                _require(has_axis, "have time among its inputs", "others")
                return SlabNetwork(networks, ends, axis)
            case "low rank":
                ranks = parts["ranks"]
                lines = parts["lines"]
                _require(isinstance(lines, list) and len(lines) > 0, "list its lines")
                valid = isinstance(ranks, tuple) and all(type(each) is int and each > 0 for each in ranks)
                _require(valid and len(ranks) == len(lines) + 1 and ranks[0] == ranks[-1] == 1, "have ranks", "others")
                networks = [each for each in map(_decoded, lines) if isinstance(each, TensorNetwork)]
                _require(len(networks) == len(lines), "have lines of kind tensor", "others")
                layers = [each.tensor_layer for each in networks]
                fits = [(1, a * b) for a, b in pairwise(ranks)] == [(a.in_features, a.out_features) for a in layers]
                _require(fits, "have lines as its ranks say", "others")
                return LowRankNetwork(layers, ranks)
            case "uncertain":
                inner = _decoded(parts["inner"])
                root = parts["root"]
                _require_numbers(root, 2)
                if not (isinstance(inner, TensorNetwork) and len(root) == inner.tensor_layer.coef.numel()):
                    raise CheckpointError("must have a covariance of its coefficients, got something else")
                return UncertainNetwork(inner.tensor_layer, root)
            case "enriched":
                return _enriched_network(**parts)
            case "tensor":
                return _tensor_network(**parts)
            case "separable":
                return _separable_network(**parts)
            case "periodic":
                periods = parts["periods"]
                count = parts["inputs"]
                valid = isinstance(periods, list) and all(
                    isinstance(each, tuple) and list(map(type, each)) == [int, float, float] for each in periods
                )
                valid = valid and type(count) is int and 0 < count < _MOST_INPUTS
                _require(valid, "give number, start and length of periods", "others")
                first = PeriodicLayer(count, {number: (start, period) for number, start, period in periods})
                inner = _decoded(parts["inner"])
                if not isinstance(inner, KAN | MLP):
                    raise CheckpointError("must have a kan behind its periods, got something else")
                fits = inner.config.width[0] == first.out_features
                _require(fits, "have as many inputs as its periods give", "others")
                return PeriodicNetwork(first, inner)
            case _:
                text = parts["description"]
                tensors = parts["tensors"]
                valid = isinstance(tensors, dict) and all(isinstance(each, Tensor) for each in tensors.values())
                _require(valid and isinstance(text, str), "have a description and tensors by name")
                description = read_description(strict_json.parse(text, "description"), len(tensors))
                entries = {name: TensorEntry(each.dtype, tuple(each.shape), 0, 0) for name, each in tensors.items()}
                description.check_entries(entries)
                return description.build(tensors, ELEMENTARY)
    except InputError as error:
        raise CheckpointError(f"must describe a possible network: {ascii(str(error)[:200])[1:-1]}") from error


def _tensor_network(degree: Any, periodic: Any, knots: Any, coef: Any) -> TensorNetwork:
    valid = isinstance(knots, list) and isinstance(periodic, list) and 0 < len(knots) == len(periodic)
    _require(valid and all(type(each) is bool for each in periodic), "have knots for each input", "others")
    _require(isinstance(degree, tuple) and len(degree) == len(knots), "have a degree for each input", "others")
    for each in degree:
        _require_degree(each, MAX_PRODUCT_DEGREE)
    _require_numbers(coef, len(knots) + 1)
    for line, repeats, own_degree, count in zip(knots, periodic, degree, coef.shape, strict=False):
        _require_numbers(line, 2)
        in_order = bool((line.diff() >= 0).all() and (breakpoints_of(line, own_degree).diff() > 0).all())
        _require(in_order, "have increasing knots", "others")
        _require(len(line) == 1 and line.dtype == coef.dtype, "have knots like its coefficients", "others")
        intervals = line.shape[1] - 2 * own_degree - 1
        fits = intervals > 0 and count == intervals + (0 if repeats else own_degree)
        _require(fits, "have as many coefficients as knots give", "others")
    breakpoints = [breakpoints_of(line, own_degree)[0] for line, own_degree in zip(knots, degree, strict=True)]
    layer = TensorLayer(breakpoints, coef.shape[-1], degree=degree, periodic=periodic)
    layer.load_state_dict({"coef": coef} | {f"knots_{number}": line for number, line in enumerate(knots)})
    return TensorNetwork(layer)


def _enriched_network(inner: Any, functions: Any, factors: Any) -> EnrichedNetwork:
    network = _decoded(inner)
    found = list[SingularFunctions]()
    if not (isinstance(network, TensorNetwork) and network.layers[0].in_features == 2):
        raise CheckpointError("must have splines of two inputs beside singular functions, got something else")
    _require(network.layers[0].out_features == 1, "have one field beside singular functions", "others")
    _require(isinstance(functions, list) and len(functions) > 0, "list its singular functions")
    names = {field.name for field in _OF_FUNCTIONS}
    for each in functions:
        _require(isinstance(each, dict) and set(each) == names, "describe its singular functions", "others")
        point = each["point"]
        terms = each["terms"]
        kind = each["kind"]
        _require_numbers(point, 1)
        _require(
            len(point) == 2 and kind in SINGULAR_KINDS and type(each["is_hole"]) is bool, "place its singular functions"
        )
        numbers = [each[name] for name in ("turn", "cut", "scale", "wave")]
        valid = all(type(number) is float and math.isfinite(number) for number in numbers)
        _require(valid and each["scale"] > 0 and each["wave"] >= 0, "have a scale of its singular functions")
        _require((each["wave"] > 0) == (kind in "KY"), "have a wave number for Bessel functions alone", "others")
        valid = isinstance(terms, tuple) and 0 < len(terms) < _MOST_INPUTS
        valid = valid and all(isinstance(t, tuple) and list(map(type, t)) == [float, int, bool] for t in terms)
        _require(valid, "list the exponents of its singular functions")
        least = 0 if kind in "KY" else -_MOST_EXPONENT
        valid = all(least <= a <= _MOST_EXPONENT and 0 <= q <= _MOST_EXPONENT for a, q, _ in terms)
        _require(valid and (kind not in "KY" or all(a == int(a) for a, _, _ in terms)), "have possible exponents")
        found.append(SingularFunctions(**each))
    _require_numbers(factors, 1)
    _require(len(factors) == sum(len(each.terms) for each in found), "have a factor of each singular function")
    return EnrichedNetwork(network.tensor_layer, found, factors)


def _separable_network(degree: Any, fields: Any, knots: Any, coef: Any) -> SeparableNetwork:
    _require_degree(degree)
    _require_numbers(knots, 2)
    _require(bool((knots.diff() > 0).all()), "have increasing knots", "others")
    _require_numbers(coef, 3)
    inputs, count, outputs = coef.shape
    size = count - degree
    fits = inputs == len(knots) and size == knots.shape[1] - 2 * degree - 1 > 0 and coef.dtype == knots.dtype
    _require(fits, "have as many coefficients as knots give", "others")
    divides = type(fields) is int and fields > 0 and outputs > 0 and outputs % fields == 0
    _require(divides, "have terms for each field", "others")
    layer = SeparableLayer(inputs, outputs, grid_size=size, degree=degree, domain=(0.0, 1.0), dtype=coef.dtype)
    layer.load_state_dict({"coef": coef, "knots": knots, "domain_is_set": layer.domain_is_set})
    return SeparableNetwork(layer, fields)


def _require_degree(degree: Any, most: int = MAX_DEGREE) -> None:
    _require(type(degree) is int and 0 < degree <= most, f"have a degree from 1 to {most}", "another")


def _require_numbers(value: Any, rank: int) -> None:
    valid = isinstance(value, Tensor) and value.ndim == rank and value.numel() > 0 and value.dtype in _DTYPES
    _require(valid and bool(value.isfinite().all()), f"have finite numbers of rank {rank}")


def _require(holds: bool, expected: str, given: str = "something else") -> None:
    """Raise a CheckpointError with the second half of a sentence about the file unless a condition holds."""
    if not holds:
        raise CheckpointError(f"must {expected}, got {given}")


def _write(
    solution: Solution,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Write a solution for `edgewise.save`."""
    if extra is not None or state is not None:
        raise InputError("extra and state must be left out for a solution, got some")
    save_solution(solution, path)


def _read(file: Container, path: str | os.PathLike[str], *, problem: Collocation | None, **_: Any) -> Solution:
    """Return the solution in an unpacked file, for `edgewise.load`."""
    if problem is None:
        raise InputError(f"problem must be the equation of the solution in {os.fspath(path)}, got None")
    with container.errors_of_file("solution", path):
        return solution_of(file, problem)


kinds.register("solution", kinds.FileKind((Solution,), _write, _read))
