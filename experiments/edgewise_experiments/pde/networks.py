"""KANs and MLPs with hidden layers on four equations: the same points, the same method, the best of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from edgewise import MLP, LevenbergMarquardt, fit
from edgewise.pde import PDE, named_equation
from edgewise.pde.solver.network import fit_hidden_grids_, network_for, refined
from edgewise.pde.solver.solution import errors_of
from edgewise_experiments.runner.jobs import Job, Tell, working_seconds
from edgewise_experiments.runner.outcome import ResultTable, scientific

PROBLEMS = ("poisson", "helmholtz", "heat", "burgers")
MLPS = ((10, 10), (20, 20), (20, 20, 20))
KANS = ((5,),)
GRIDS = (6, 12, 24)
POINTS, STEPS = 2500, 80  # STEPS for an MLP, and for the last grid of a KAN; a third for each grid before


def networks(quick: bool) -> list[tuple[str, str, tuple[int, ...]]]:
    """Problem, model and hidden layers of each row."""
    if quick:
        return [("heat", "KAN", (2,)), ("heat", "MLP", (4,))]
    shapes = [("KAN", hidden) for hidden in KANS] + [("MLP", hidden) for hidden in MLPS]
    return [(name, *shape) for name in PROBLEMS for shape in shapes]


def network_job(name: str, model: str, hidden: tuple[int, ...], quick: bool) -> Job:
    key = {"problem": name, "model": model, "shape": list(hidden), "seed": 0, "quick": quick}
    return Job(f"{name}, {model} {list(hidden)}", key, partial(measure, name, model, hidden, quick))


def measure(name: str, model: str, hidden: tuple[int, ...], quick: bool, tell: Tell) -> dict:
    """Errors of one network at the end of its training."""
    problem = named_equation(name).make().resampled(200 if quick else POINTS)
    steps = 10 if quick else STEPS
    network = (
        kan(problem, hidden, GRIDS[:1] if quick else GRIDS, steps, tell)
        if model == "KAN"
        else mlp(problem, hidden, steps, tell)
    )
    found = errors_of(network, problem)
    size = sum(p.numel() for p in network.parameters())
    return {"error": found.relative_l2, "relative_h1": found.relative_h1, "parameters": size}


def mlp(
    problem: PDE, hidden: Sequence[int], steps: int, tell: Tell, callbacks: Sequence = (), seed: int = 0
) -> nn.Module:
    """tanh, coordinates scaled to [-1, 1] by their first layer's weights, which are trained like all others."""

    network = MLP(
        [problem.domain.dimension, *hidden, len(problem.fields)], activation="tanh", dtype=torch.float64, seed=seed
    )
    scale, middle = 2 / problem.domain.size, problem.domain.bounds.mean(1)
    with torch.no_grad():
        first = network.layers[0]
        first.weight.mul_(scale[:, None])
        first.bias.sub_(middle @ first.weight)
    fit(network, problem, LevenbergMarquardt(), steps=steps, callbacks=[_teller(tell, steps), *callbacks])
    return network


def kan(
    problem: PDE, hidden: Sequence[int], grids: Sequence[int], steps: int, tell: Tell, callbacks: Sequence = (), seed=0
) -> nn.Module:
    """On a coarse grid, which follows the activations, and then on halved ones."""
    network = network_for(problem, tuple(hidden), grids[0], 5, seed)
    for number, grid in enumerate(grids):
        if number:
            network = refined(network, grid // grids[number - 1])
        last = number == len(grids) - 1
        share = steps if last else max(steps // 3, 1)
        rounds = 4 if number == 0 else 1
        for _ in range(rounds):
            if number == 0:
                fit_hidden_grids_(network, problem.train.x)
            fit(
                network,
                problem,
                LevenbergMarquardt(),
                steps=max(share // rounds, 1),
                callbacks=[_teller(tell, steps), *callbacks],
            )
    return network


def _teller(tell: Tell, steps: int):
    return lambda event: tell("", event.step / steps, event.loss)


def networks_said(rows: Sequence[dict]) -> list[str]:
    """On how many problems the KAN is closer than the best MLP; nothing where not both were run."""
    won, both = 0, 0
    for name in PROBLEMS:
        best = {}
        for row in rows:
            if row["problem"] == name and row["model"] in ("KAN", "MLP") and row["error"] is not None:
                best[row["model"]] = min(row["error"], best.get(row["model"], row["error"]))
        both += len(best) == 2
        won += len(best) == 2 and best["KAN"] < best["MLP"]
    said = f"Of networks with hidden layers the KAN has a lower error than the best MLP on {won} of {both} problems."
    return [said] if both else []


def network_tables(rows: Sequence[dict]) -> tuple[ResultTable, ...]:
    """For each problem the KAN, and the best MLP; none where nothing was run."""
    lines = []
    for name in dict.fromkeys(row["problem"] for row in rows if row["model"] in ("KAN", "MLP")):
        found = [row for row in rows if row["problem"] == name]
        ours = next((row for row in found if row["model"] == "solve"), None)
        cells = [name, "-" if ours is None else scientific(ours["error"])]
        for model in ("KAN", "MLP"):
            known = [row for row in found if row["model"] == model and row["error"] is not None]
            best = min(known, key=lambda row: row["error"], default=None)
            if best is None:
                cells += ["-"] * 4
                continue
            shape = f"[{','.join(map(str, best['shape']))}]"
            cells += [shape, scientific(best["error"]), f"{best['parameters']:,}", f"{working_seconds(best):.0f}"]
        lines.append(tuple(cells))
    if not lines:
        return ()
    heads = [f"{model} {what}" for model in ("KAN", "MLP") for what in ("hidden", "error", "parameters", "seconds")]
    title = (
        f"Networks with hidden layers, Levenberg-Marquardt, {POINTS:,} points; of MLPs the best of {len(MLPS)} sizes"
    )
    return (ResultTable(("problem", "solve", *heads), tuple(lines), title),)
