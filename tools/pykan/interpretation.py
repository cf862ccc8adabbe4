"""pykan's tutorials "Interpretability", each as a function that returns what the table shows."""

import torch
from torch import Tensor

from edgewise import KAN, Regression, find_formula, fit, prune, symbolify
from edgewise.interpret import (
    deepen,
    edge_scores,
    edit,
    from_formula,
    input_scores,
    select_inputs,
    structure,
    widen,
)
from edgewise.plot import network_diagram
from edgewise.train import LBFGS, Sparsity

from .common import Tutorial, fresh, peak, uniform


def product() -> str:
    x, test = uniform(2), uniform(2, seed=1)
    problem = Regression(x, x[:, 0] * x[:, 1], validation=0.2)
    model = KAN([2, (2, 2), 1], 5, seed=0, dtype=torch.float64)
    fit(model, problem, steps=60, penalty=Sparsity(1e-3))
    model, _ = prune(model, problem)
    best = symbolify(model, problem, time_limit=60).best
    return f"{fresh(model, lambda x: x[:, 0] * x[:, 1], test):.1e}; `{best.formula}`"


def symmetries() -> str:
    def function(x: Tensor) -> Tensor:
        return torch.sqrt((x[:, 0] - x[:, 1]) ** 2 + (x[:, 2] - x[:, 3]) ** 2)

    return structure(function, uniform(4)).fewer_inputs[0]


def relativity() -> str:
    generator = torch.Generator().manual_seed(0)
    columns = [low + (high - low) * torch.rand(1000, generator=generator) for low, high in ((0.5, 2), (0, 0.9), (1, 2))]
    m, v, c = (column.double() for column in columns)
    found = find_formula(torch.stack([m, v, c], 1), m / torch.sqrt(1 - (v / c) ** 2), names=["m", "v", "c"])
    return f"`{found.best.formula}`"


def majority() -> str:
    bits = torch.randint(0, 2, (1000, 9), generator=torch.Generator().manual_seed(0)).double()
    parts = torch.stack([bits[:, k : k + 3].sum(1) > 1 for k in (0, 3, 6)], 1)
    y = (parts.sum(1) > 1).double()
    problem = Regression(bits, y, validation=0.2)
    model = KAN([9, 5, 1], 3, seed=0, dtype=torch.float64)
    fit(model, problem, LBFGS(), steps=400, penalty=Sparsity(1e-3))
    model, _ = prune(model, problem)
    with torch.no_grad():
        correct = float(((model(bits)[:, 0] > 0.5) == (y > 0.5)).double().mean())
    nodes = int(model.layers[0].mask.any(0).sum())
    return f"{correct:.0%} correct, [9, {nodes}, 1] after `prune`"


def compiled() -> str:
    x = uniform(2)
    model = from_formula("exp(sin(pi*x) + y**2)", names=["x", "y"])
    error = fresh(model, peak, x)
    problem = Regression(x, peak(x) + 0.1 * x[:, 0] * x[:, 1], validation=0.2)
    grown = widen(deepen(model, x=x), 2, x=x)
    grown = edit(grown, problem, "add_products", arities=[2, 3], refit=0).model
    grown = edit(grown, problem, "add_splines", refit=0).model
    kept = fresh(grown, peak, x)
    fit(grown, problem, steps=60)
    corrected = fresh(grown, lambda x: peak(x) + 0.1 * x[:, 0] * x[:, 1], uniform(2, seed=1))
    return f"error {error:.0e}, {kept:.0e} after growing; fitted to other data {corrected:.0e} (before 3e-2)"


def attribution() -> str:
    x = uniform(4)
    problem = Regression(x, x[:, 0] ** 2 + 0.3 * x[:, 1] + 0.1 * x[:, 2] ** 3, validation=0.2)
    model = KAN([4, 5, 1], seed=0, dtype=torch.float64)
    fit(model, problem, steps=60, penalty=Sparsity(1e-3))
    scores = ", ".join(f"{score:.2f}" for score in input_scores(model.trace(x)))
    _, report = prune(model, problem)
    return f"scores {scores}; `prune` keeps {len(report.kept_inputs)} inputs"


def hundred_inputs() -> str:
    x = uniform(100)
    y = (x**2 * 0.5 ** torch.arange(100)).sum(1)
    kept = select_inputs(Regression(x, y, validation=0.2)).kept
    return f"keeps {', '.join(f'x{i + 1}' for i in kept)}"


def symmetries_of_a_network() -> str:
    def function(x: Tensor) -> Tensor:
        return (x[:, 0] ** 2 + x[:, 1] ** 2) ** 2 + (x[:, 2] ** 2 + x[:, 3] ** 2) ** 2

    x, test = uniform(4), uniform(4, seed=1)
    model = KAN([4, 5, 5, 1], seed=0, dtype=torch.float64)
    fit(model, Regression(x, function(x), validation=0.2), steps=100)
    error = fresh(model, function, test)
    return f"error {error:.1e}; {structure(model, x, noise=error).sentences[0]}"


def modules() -> str:
    x, test = uniform(10), uniform(10, seed=1)

    def function(x: Tensor) -> Tensor:
        return x.unflatten(1, (5, 2)).sum(2)

    problem = Regression(x, function(x), validation=0.2)
    model = KAN([10, 10, 5], 3, seed=1, dtype=torch.float64)
    fit(model, problem, LBFGS(), steps=200, penalty=Sparsity(1e-2))
    with torch.no_grad():
        error = float((model(test) - function(test)).square().mean().sqrt())
        trace = model.trace(x)
    edges = [int((scores > 0.05 * scores.max()).sum()) for scores in edge_scores(trace)]
    network_diagram(model, trace, order="modules")
    return f"{error:.1e}; {edges[0]} and {edges[1]} edges of weight, drawn as five modules"


TUTORIALS = (
    Tutorial("Interp 1", "x y by a product node", "exact", "`prune`, `symbolify`", product),
    Tutorial(
        "Interp 3",
        "a formula as a network, grown and fitted",
        "1.5e-15",
        "`from_formula`, `deepen`, `widen`, `edit`",
        compiled,
    ),
    Tutorial(
        "Interp 4",
        "scores of 4 inputs, of which 3 have an effect",
        "0.89, 0.52, 0.11, 0.00; keeps 3",
        "`input_scores`, `prune`",
        attribution,
    ),
    Tutorial("Interp 4, 100 inputs", "the few that matter", "by a threshold", "`select_inputs`", hundred_inputs),
    Tutorial("Interp 5", "symmetries", "tree", "`structure`", symmetries),
    Tutorial("Interp 6", "symmetries of a network", "4.8e-3, tree", "`fit`, `structure`", symmetries_of_a_network),
    Tutorial("Interp 8", "relativistic mass", "exact, given beta and gamma", "`find_formula`", relativity),
    Tutorial("Interp 10A", "majority of majorities of 9 bits", "100 %, [9, 3, 1, 1]", "`fit`, `prune`", majority),
    Tutorial("Interp 10B", "five sums of two of 10 inputs", "7.7e-2", "`fit`, `network_diagram`", modules),
)
