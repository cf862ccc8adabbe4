"""Edits of trained networks, and files and programs made from them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from edgewise import KAN, KANRegressor, Regression, explain_global, fit, formula, load, prune, save, symbolify
from edgewise.explore import Session
from edgewise.export import to_c, to_onnx, to_program, to_python, to_scipy
from edgewise.interpret import deepen, edit, from_formula, interactions, relations, structure, widen
from edgewise.interpret.attribution.removal import removal_costs
from edgewise.train import LevenbergMarquardt, refine
from tests.golden.comparison import Row
from tests.golden.runner import bits, ordered

ROUNDING = 1e-13  # of gaps between two ways to compute the same outputs
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def points(rows: int, inputs: int = 2, seed: int = 0) -> Tensor:
    """Uniform points of [-1, 1]^n."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(rows, inputs, dtype=torch.float64, generator=generator) - 1


FRESH = points(200, seed=1)


def surface(x: Tensor) -> Tensor:
    """exp(sin(pi x) + y^2)."""
    return torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2)


@cache
def problem() -> Regression:
    """Samples, a fifth of which validates."""
    x = points(400)
    return Regression(x, surface(x), validation=0.2)


@cache
def network() -> KAN:
    """A trained network with more nodes than it needs."""
    model = KAN([2, 3, 1], 5, dtype=torch.float64, seed=1)
    fit(model, problem(), LevenbergMarquardt(), steps=30)
    return model


def error_of(model: Callable[[Tensor], Tensor]) -> float:
    """Relative error on fresh rows."""
    with torch.no_grad():
        gap = model(FRESH)[:, 0] - surface(FRESH)
    return float(gap.norm() / surface(FRESH).norm())


def judged(model: KAN, *numbers: float) -> Row:
    """Shape, error and bits of a network."""
    shape = " ".join(map(str, model.config.width))
    return {"shape": shape, "error": error_of(model), "bits": bits(model(FRESH), *numbers)}


def gap_of(outputs: object, model: KAN | None = None) -> Row:
    """Largest difference from the network's outputs, and the bits of the outputs."""
    with torch.no_grad():
        expected = (model or network())(FRESH).numpy()
    found = np.asarray(outputs, dtype=np.float64).reshape(expected.shape)
    return {
        "gap": float(np.abs(found - expected).max()),
        "floor": ROUNDING * float(expected.max()),
        "bits": bits(found),
    }


def trained_again(model: KAN) -> Row:
    """A network of another shape after ten steps."""
    fit(model, problem(), LevenbergMarquardt(), steps=10)
    return judged(model)


def costs_of_removal() -> Row:
    """What each edge costs, and which one of the first layer costs least."""
    costs = removal_costs(network(), problem())
    first = costs.edges[0]
    return {"cheapest": str(int(first.argmin())), "error": float(first.min()), "bits": bits(*costs.edges)}


def symbolified() -> Row:
    """The network as a formula."""
    small = KAN([2, 1, 1], 8, dtype=torch.float64, seed=1)
    fit(small, problem(), LevenbergMarquardt(), steps=60)
    with patch("time.monotonic", time.process_time):
        best = symbolify(small, problem(), names=["x", "y"], time_limit=60).best.formula
    values = best(FRESH.numpy())
    error = float(np.linalg.norm(values - surface(FRESH).numpy()) / np.linalg.norm(surface(FRESH)))
    return {"law": ordered(best.text(3), ["x", "y"]), "error": error, "bits": bits(values)}


def session() -> Row:
    """Edits by hand, one after another, as the page for it does."""
    made = Session(network(), problem().train.x, problem().train.y[:, 0])
    made.edit("remove_node", node=[1, 2], refit=5)
    made.edit("flatten", edge=[0, 0, 0], range=[-0.2, 0.2])
    made.edit("refit", refit=5)
    made.undo()
    return judged(made.network)


def round_trip() -> Row:
    """A network through a file."""
    with tempfile.TemporaryDirectory() as folder:
        save(network(), Path(folder) / "model")
        return gap_of(load(Path(folder) / "model")(FRESH).detach())


def estimator_round_trip() -> Row:
    """An estimator through a file."""
    x = points(200).numpy()
    model = KANRegressor(effort="low").fit(x, x[:, 0] ** 2 + x[:, 1])
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model")
        again = load(Path(folder) / "model").predict(FRESH.numpy())
    return {"gap": float(np.abs(again - model.predict(FRESH.numpy())).max()), "bits": bits(again)}


def in_c() -> Row:
    """Compiled C."""
    outputs = np.zeros((len(FRESH), 1))
    with tempfile.TemporaryDirectory() as folder:
        to_c(network(), Path(folder) / "net.c")
        command = [COMPILER, "-std=c99", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        predict = ctypes.CDLL(str(Path(folder) / "net.so")).predict
        numbers = ctypes.POINTER(ctypes.c_double)
        for row, output in zip(FRESH.numpy(), outputs, strict=True):
            predict(row.ctypes.data_as(numbers), output.ctypes.data_as(numbers))
    return gap_of(outputs)


def in_numpy() -> Row:
    """A Python file that needs numpy alone."""
    names: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        to_python(network(), Path(folder) / "net.py")
        exec((Path(folder) / "net.py").read_text(encoding="utf-8"), names)
    return gap_of(names["predict"](FRESH.numpy()))


def in_onnx() -> Row:
    """An ONNX file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        to_onnx(network(), path)
        run = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return gap_of(run.run(None, {"x": FRESH.numpy()})[0])


def in_torch() -> Row:
    """A program of torch.export."""
    with tempfile.TemporaryDirectory() as folder:
        to_program(network(), Path(folder) / "net.pt2")
        return gap_of(torch.export.load(Path(folder) / "net.pt2").module()(FRESH).detach())


def in_scipy() -> Row:
    """Edges as functions of scipy."""
    first, last = to_scipy(network())
    x = FRESH.numpy()
    hidden = [sum(first[i, o](x[:, i]) for i in range(2)) for o in range(3)]
    return gap_of(sum(last[o, 0](hidden[o]) for o in range(3)))


def as_formula() -> Row:
    """A formula as a network, and back."""
    model = from_formula("sin(3*x)*y + exp(x)", names=["x", "y"])
    text = ordered(formula(model, names=["x", "y"]).text(6), ["x", "y"])
    x = FRESH.numpy()
    expected = np.sin(3 * x[:, 0]) * x[:, 1] + np.exp(x[:, 0])
    found = model(FRESH).detach().numpy()[:, 0]
    return {"law": text, "gap": float(np.abs(found - expected).max()), "bits": bits(found)}


def explained() -> Row:
    """Importances of the inputs, and how strongly they interact."""
    shares = explain_global(network(), FRESH, names=["x", "y"]).importance
    pairs = interactions(network(), FRESH)
    return {"first": float(np.asarray(shares).ravel()[0]), "pair": float(pairs[0, 1]), "bits": bits(shares, pairs)}


def structured() -> Row:
    """What the network's function is made of."""
    found = structure(network(), FRESH, noise=1e-3, names=["x", "y"])
    parts = f"additive {found.additive}, multiplicative {found.multiplicative}, general {found.general}"
    return {"law": parts, "bits": bits(found.interactions)}


def related() -> Row:
    """Relations among columns: the third is the square of the first."""
    x = points(200)
    found = relations(torch.cat([x, x[:, :1] ** 2], 1), seeds=2, steps=60)
    return {"law": str([relation.inputs for relation in found.relations])}


ROWS: dict[str, Callable[[], Row]] = {
    "trained": lambda: judged(network()),
    "prune": lambda: judged(prune(network(), problem(), refit=10)[0]),
    "costs of removal": costs_of_removal,
    "symbolify": symbolified,
    "drop an edge": lambda: judged(edit(network(), problem(), "remove_edge", edge=(0, 0, 2), refit=5).model),
    "fix an edge": lambda: judged(edit(network(), problem(), "fix", edge=(0, 0, 0), function="sin", refit=5).model),
    "free an edge": lambda: judged(
        edit(
            edit(network(), problem(), "fix", edge=(0, 1, 0), function="x^2", refit=5).model,
            problem(),
            "free",
            edge=(0, 1, 0),
            refit=5,
        ).model
    ),
    "add products": lambda: judged(edit(network(), problem(), "add_products", arities=[2], refit=5).model),
    "session": session,
    "refine": lambda: trained_again(refine(network(), 10)),
    "widen": lambda: trained_again(widen(network(), 2)),
    "deepen": lambda: trained_again(deepen(network())),
    "round trip": round_trip,
    "round trip of an estimator": estimator_round_trip,
    "C": in_c,
    "numpy": in_numpy,
    "ONNX": in_onnx,
    "torch program": in_torch,
    "scipy": in_scipy,
    "formula and back": as_formula,
    "explanation": explained,
    "structure": structured,
    "relations": related,
}
