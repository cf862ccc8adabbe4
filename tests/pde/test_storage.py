"""Solutions come back bit for bit, with every kind of network; damaged and foreign files get a sentence."""

import math
from dataclasses import replace

import pytest
import torch
from tests.pde.networks import enriched, folded, shaken, time_elements, train, uncertain, zeros
from tests.plot.solutions import heat, untrained

from edgewise import KAN
from edgewise.checkpoint import container, strict_json, write
from edgewise.errors import CheckpointError, InputError
from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial, Observations, Periodic
from edgewise.pde.problem.interfaces import Interface
from edgewise.pde.solver.network import network_for, separable_network, tensor_network
from edgewise.pde.storage import load_solution, save_solution


def ring() -> PDE:
    return PDE(
        lambda u: u.t - u.xx,
        Interval(0, 2) * Time(0, 3),
        [Periodic("x"), Initial(lambda x: torch.sin(math.pi * x))],
        points=50,
    )


def two_layers() -> PDE:
    conditions = [Dirichlet(0.0), Interface("x=0.7"), Initial(lambda x: x * (2 - x))]
    return PDE(lambda u: u.t - u.xx, Interval(0, 2) * Time(0, 3), conditions, points=50)


KINDS = {
    "kan": (heat, lambda problem: network_for(problem, (3,), 4, 5, 0)),
    "products": (heat, lambda problem: network_for(problem, ((1, 2),), 4, 5, 0)),
    "separable": (heat, lambda problem: separable_network(problem, 3, 4, 5, 0)),
    "refined": (heat, lambda problem: shaken(separable_network(problem, 3, 4, 5, 0)).halved()),
    "tensor": (heat, lambda problem: tensor_network(problem, 4, 5)),
    "periodic tensor": (ring, lambda problem: tensor_network(problem, 4, 5)),
    "periodic": (ring, lambda problem: network_for(problem, (3,), 4, 5, 0)),
    "time elements": (heat, time_elements),
    "folded": (two_layers, lambda problem: folded(problem, lambda each: tensor_network(each, 4, 5))),
    "folded time elements": (two_layers, folded),
    "train": (heat, train),
    "uncertain": (heat, uncertain),
    "enriched": (heat, enriched),
}


def made(kind):
    problem, make = KINDS[kind]
    problem = problem()
    solution = replace(untrained(heat(), stages=3), problem=problem)
    return replace(solution, model=shaken(make(problem)), error_estimate=0.1, tier="network")


@pytest.mark.parametrize("kind", KINDS)
def test_bit_for_bit(kind, tmp_path):
    solution, path = made(kind), tmp_path / "solution.safetensors"
    save_solution(solution, path)
    again = load_solution(path, KINDS[kind][0]())
    x = solution.problem.domain.interior(200, seed=3)
    assert type(again.model) is type(solution.model)
    assert torch.equal(again(x), solution(x))
    assert torch.equal(again.fields(x, "xx")[0].xx, solution.fields(x, "xx")[0].xx)
    assert again.stages[1:] == solution.stages[1:] and math.isnan(again.stages[0].change)
    assert (again.message, again.stopped, again.parameters, again.tier) == (
        *(solution.message, solution.stopped, solution.parameters, "network"),
    )
    save_solution(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def cooling() -> PDE:
    t = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    return PDE(
        lambda u, k: u.t + k * u,
        Time(0, 1),
        [Initial(1.0), Observations(t, torch.exp(-t[:, 0]))],
        coefficients={"k": 2.0},
        points=50,
    )


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (cooling, r"^problem must have fields u over x, t as the file, got u over t$"),
        (lambda: PDE(lambda v: v.t - v.xx, Interval(0, 2) * Time(0, 3), ring().form.conditions), "got v over x, t$"),
    ],
)
def test_another_problem(problem, message, tmp_path):
    save_solution(made("tensor"), tmp_path / "s")
    with pytest.raises(InputError, match=message):
        load_solution(tmp_path / "s", problem())


def test_a_network_of_another_kind(tmp_path):
    with pytest.raises(InputError, match="must have a network that `solve` makes, got a Linear"):
        save_solution(replace(made("kan"), model=torch.nn.Linear(2, 1)), tmp_path / "s")


def test_files_that_are_no_solution(tmp_path):
    write(KAN([1, 1]), tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"^solution file .* must contain a solution, got something else$"):
        load_solution(tmp_path / "model", heat())
    save_solution(made("tensor"), tmp_path / "s")
    data = bytearray((tmp_path / "s").read_bytes())
    data[-9] ^= 1
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(CheckpointError, match="the file was altered"):
        load_solution(tmp_path / "s", heat())


def altered(path, change):
    """The file with its tree and tensors changed and sealed anew."""
    file = container.unpack(path.read_bytes())
    tensors = file.tensors()
    tree = strict_json.decode(strict_json.parse(file.metadata["solution"], "solution"), "solution", tensors)
    change(tree)
    fresh = {}
    text = strict_json.dump(strict_json.encode(tree, "solution", fresh, prefix="solution."))
    path.write_bytes(container.pack(fresh, {**file.metadata, "solution": text}))


def put(*keys, value):
    def change(tree):
        for key in keys[:-1]:
            tree = tree[key]
        tree[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("tensor", put("network", "kind", value="python"), "an object of kind tensor or time elements"),
        ("tensor", put("network", "axes", 0, "degree", value=10**9), "numbers of at least 1 of at most 11"),
        ("tensor", put("network", "axes", 1, "knots", value=zeros(1, 15)), "got knots that do not ascend"),
        ("tensor", put("network", "coef", value=zeros(9, 1)), "coefficients than its knots give"),
        ("tensor", put("network", "coef", value=torch.full((81, 1), math.nan, dtype=torch.float64)), "finite"),
        ("tensor", put("network", "coef", value=torch.ones(81, 1, dtype=torch.bool)), "float64 of shape"),
        ("tensor", put("network", "axes", value=[]), "another number of inputs"),
        ("separable", put("network", "fields", value=2), "do not divide into fields"),
        ("separable", put("network", "knots", value=zeros(2, 15)), "knots that do not ascend"),
        ("periodic", put("network", "periods", value=[(7, 0.0, 2.0)]), "a possible network"),
        ("periodic", put("network", "inputs", value=3), "as many inputs as its periods give"),
        ("time elements", put("network", "axis", value=5), "other inputs or outputs"),
        ("train", put("network", "ranks", value=[1, 3, 1]), "other ranks"),
        ("train", put("network", "lines", 0, "kind", value="kan"), "an object of kind tensor"),
        ("uncertain", put("network", "root", value=zeros(3, 2)), "a covariance of other coefficients"),
        ("enriched", put("network", "functions", 0, "kind", value="J"), "an unknown kind"),
        ("enriched", put("network", "functions", 0, "wave", value=0.0), "another wave number or scale"),
        ("enriched", put("network", "functions", 0, "terms", value=[(0.5, 0, False)]), "other exponents"),
        ("enriched", put("network", "functions", 0, "point", value=zeros(3)), r"float64 of shape \(2\)"),
        ("enriched", put("network", "factors", value=zeros(3)), "another number of factors"),
        ("kan", put("network", "tensors", value={}), "than its 0 tensors can hold"),
        ("kan", put("stages", value=[]), "got no stages"),
    ],
)
def test_trees_that_say_something_else(kind, change, message, tmp_path):
    save_solution(made(kind), tmp_path / "s")
    altered(tmp_path / "s", change)
    with pytest.raises(CheckpointError, match=message):
        load_solution(tmp_path / "s", KINDS[kind][0]())
