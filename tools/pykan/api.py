"""pykan's tutorials "API demo", each as a function that returns what the table shows."""

import tempfile
from pathlib import Path

import torch

from edgewise import KAN, Regression, fit, load, prune, save
from edgewise.plot import edge_curves, network_diagram
from edgewise.train import LBFGS, Sparsity, adapt_domain_, refine
from edgewise_experiments.plots.film import TrainingFilm

from .common import Tutorial, fresh, peak, uniform


def indexing() -> str:
    with torch.no_grad():
        trace = KAN([2, 5, 1], seed=0, dtype=torch.float64).trace(uniform(2))
    gap = max(
        float((edges.sum(1) - sums).abs().max())
        for edges, sums in zip(trace.edges, (trace.inputs[1], trace.output), strict=True)
    )
    return f"edge (l, i, o) is `trace.edges[l][:, i, o]`; sums of edges are the nodes to {gap:.0e}"


def plotting() -> str:
    model, x = KAN([2, 3, 1], seed=0, dtype=torch.float64), uniform(2)
    figures = [network_diagram(model, model.trace(x), names=["a", "b"], beta=100), edge_curves(model, model.trace(x))]
    return f"{len(figures)} figures of matplotlib"


def initialization() -> str:
    x = uniform(2)
    sizes = []
    for options in ({}, {"base": "identity"}, {"init": "paper"}, {"base": torch.erf}):
        model = KAN([2, 5, 1], seed=0, dtype=torch.float64, **options)
        with torch.no_grad():
            sizes.append(float(model(x).std()))
    return f"outputs vary by {', '.join(f'{size:.2f}' for size in sizes)} for four starts"


def grid() -> str:
    model = KAN([1, 1], 5, seed=0, dtype=torch.float64)
    x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    adapt_domain_(model, x, knots="quantile")
    finer = refine(model, 10)
    with torch.no_grad():
        gap = float((finer(x) - model(x)).abs().max())
    ends = [round(float(end), 2) for end in model.layers[0].domain[0]]
    return f"knots at quantiles from {ends[0]} to {ends[1]}; refined to {gap:.0e}"


def strengths() -> str:
    x, test = uniform(2), uniform(2, seed=1)
    errors = []
    for weight in (0.0, 1e-2, 1.0):
        model = KAN([2, 5, 1], 5, seed=1, dtype=torch.float64)
        fit(model, Regression(x, peak(x)), steps=100, penalty=Sparsity(weight) if weight else None)
        errors.append(fresh(model, peak, test))
    return ", ".join(f"{error:.1e}" for error in errors)


def pruning() -> str:
    x, test = uniform(2), uniform(2, seed=1)
    problem, penalty = Regression(x, peak(x), validation=0.2), Sparsity(1e-2)
    model = KAN([2, 5, 1], 5, seed=1, dtype=torch.float64)
    fit(model, problem, steps=60, penalty=penalty)
    before = fresh(model, peak, test)
    model, _ = prune(model, problem, penalty=penalty)
    return f"{before:.1e} -> {fresh(model, peak, test):.1e}, {list(model.config.width)}"


def regularization() -> str:
    x, problem = uniform(2), Regression(uniform(2), peak(uniform(2)))
    kept = []
    for penalty in (Sparsity(1e-2, entropy=0), Sparsity(1e-2), Sparsity(1e-2, entropy=10)):
        model = KAN([2, 5, 1], 3, seed=1, dtype=torch.float64)
        fit(model, problem, LBFGS(), steps=400, penalty=penalty)
        sizes = model.trace(x).edges[0].std(0).detach()
        kept.append(int((sizes > 0.03 * sizes.max()).sum()))
    return f"entropy 0, 1, 10: {', '.join(map(str, kept))} of 10 edges of weight"


def film() -> str:
    x = uniform(2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.gif"
        with TrainingFilm(path, x, every=10) as pictures:
            fit(KAN([2, 3, 1], 3, seed=0, dtype=torch.float64), Regression(x, peak(x)), steps=50, callbacks=[pictures])
        return f"{pictures.pictures} pictures, {path.stat().st_size // 1000} kB"


def dataset() -> str:
    problem = Regression(uniform(2), uniform(2).prod(1), validation=0.2)
    return f"{len(problem.train)} rows to train on, {len(problem.validation)} held out"


def files() -> str:
    model, x = KAN([2, 5, 1], seed=0, dtype=torch.float64), uniform(2)
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "model.safetensors")
        same = torch.equal(load(Path(folder) / "model.safetensors")(x), model(x))
    return f"the same bits: {'yes' if same else 'no'}"


TUTORIALS = (
    Tutorial("API 1, 3", "edges and activations by number", "-", "`KAN.trace`", indexing),
    Tutorial("API 2", "pictures of a network", "pictures", "`network_diagram`, `edge_curves`", plotting),
    Tutorial("API 4", "starts", "pictures", "`KAN(base=, init=)`", initialization),
    Tutorial("API 5", "grids from samples", "-", "`adapt_domain_`, `refine`", grid),
    Tutorial(
        "API 6",
        "strength of the penalty 0, 0.01, 1",
        "6.1e-3, 3.3e-2, 1.7",
        "`fit(penalty=Sparsity())`",
        strengths,
    ),
    Tutorial("API 7", "pruning of [2, 5, 1]", "3.5e-2, [2, 1, 1]", "`prune`", pruning),
    Tutorial("API 8", "kinds of penalties", "4.4e-2", "`Sparsity(l1=, entropy=)`", regularization),
    Tutorial("API 9", "a film of the training", "needs moviepy", "`TrainingFilm`", film),
    Tutorial("API 11", "data", "-", "`Regression`", dataset),
    Tutorial("API 12", "files", "-", "`save`, `load`", files),
)
