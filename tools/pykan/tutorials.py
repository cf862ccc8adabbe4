"""Do pykan's tutorials with Edgewise and write the table of docs/from-pykan.md.

    python tools/pykan/tutorials.py                 # all of them, in about two minutes of CPU time
    python tools/pykan/tutorials.py hellokan --dry  # one of them, printed only

The data are those of the tutorials: 1,000 points unless a function here says otherwise, uniform on [-1, 1]. "pykan" in
the table is what its notebooks (version 0.2.8) show, on a machine that they don't name.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise import (
    KAN,
    LBFGS,
    KANClassifier,
    Regression,
    Sparsity,
    find_formula,
    fit,
    prune,
    refine,
    relations,
    symbolify,
)
from edgewise.interpret import depends_only_on, structure_tree
from edgewise.train import Bending, move_hidden_domains_

PAGE = Path(__file__).parents[2] / "docs" / "from-pykan.md"
BEGIN, END = "<!-- tutorials: tools/pykan/tutorials.py writes this table -->", "<!-- end of the table -->"


class Tutorial(NamedTuple):
    """A tutorial: its name, the task, what pykan's notebook shows, the functions used here, and the work."""

    name: str
    task: str
    pykan: str
    by: str
    work: Callable[[], str]


def uniform(columns: int, *, rows: int = 1000, low: float = -1.0, high: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(rows, columns, generator=generator, dtype=torch.float64)


def fresh(model: KAN, function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Root mean square error at x."""
    with torch.no_grad():
        return float((model(x)[:, 0] - function(x)).square().mean().sqrt())


def peak(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2)


def nested(x: Tensor) -> Tensor:
    rings = [torch.sin(math.pi * (x[:, i] ** 2 + x[:, i + 1] ** 2)) for i in (0, 2)]
    return torch.exp((rings[0] + rings[1]) / 2)


def hellokan() -> str:
    x, penalty, found = uniform(2), Sparsity(1e-2), 0
    problem = Regression(x, peak(x), validation=0.2)
    for seed in range(5):
        model = KAN([2, 5, 1], 3, seed=seed, dtype=torch.float64)
        fit(model, problem, steps=60, penalty=penalty)
        model = prune(prune(model, problem, penalty=penalty), problem, precision=0.03)
        model = refine(model, 10)
        fit(model, problem, steps=40)
        best = symbolify(model, problem, time_limit=120).best
        found += str(best.formula) == "exp(sin(pi*x_1) + x_2**2)"
    return f"exact formula for {found} of 5 seeds"


def grids() -> str:
    x, test = uniform(2), uniform(2, seed=1)
    model, problem, errors = KAN([2, 1, 1], 3, domain=(-1, 1), seed=0, dtype=torch.float64), Regression(x, peak(x)), []
    for size in (3, 5, 10, 20):
        model = refine(model, size)
        fit(model, problem, steps=60)
        errors.append(fresh(model, peak, test))
    return "grids 3, 5, 10, 20: " + ", ".join(f"{error:.1e}" for error in errors)


def deep() -> str:
    x, test = uniform(4, rows=3000), uniform(4, rows=3000, seed=1)
    problem, starts = Regression(x, nested(x)), []
    for seed in range(8):
        model = KAN([4, 2, 1, 1], 5, domain=(-1, 1), seed=seed, dtype=torch.float64)
        for _ in range(4):
            report = fit(model, problem, steps=15)
            move_hidden_domains_(model, x, margin=0.3)
        report = fit(model, problem, steps=15)
        starts.append((report.loss, seed, model))
    model = min(starts)[2]
    for size in (10, 20, 50):
        model = refine(model, size)
        fit(model, problem, steps=60)
    return f"grid 50: {fresh(model, nested, test):.1e} (best of 8 seeds)"


def moons() -> str:
    from sklearn.datasets import make_moons

    (X, y), (test, truth) = (make_moons(1000, noise=0.1, random_state=seed) for seed in (0, 1))
    classifier = KANClassifier(effort="low", random_state=0).fit(X, y)
    equation = classifier.fit_equations(X, y, time_limit=60).equations_.best
    accuracy = [float((values == truth).mean()) for values in (classifier.predict(test), equation.formula(test) > 0)]
    return f"{accuracy[0]:.1%} correct, the formula of the log-odds {accuracy[1]:.1%}"


def bessel() -> str:
    x = uniform(2)
    problem = Regression(x, torch.exp(torch.special.bessel_j0(20 * x[:, 0]) + x[:, 1] ** 2))
    model = KAN([2, 1, 1], 3, domain=(-1, 1), seed=0, dtype=torch.float64)
    for size in (3, 5, 10, 20):
        model = refine(model, size)
        fit(model, problem, steps=60)
    return f"`{symbolify(model, problem, time_limit=120).best.formula}`"


def singular() -> str:
    x = uniform(2, low=0.2, high=5.0)
    y = torch.sin(2 * (x[:, 0].log() + x[:, 1].log()))
    by_hand = KAN([2, 1, 1], 0, functions=[[["log"], ["log"]], [["sin"]]], dtype=torch.float64)
    loss = fit(by_hand, Regression(x, y), steps=60).loss
    return f"`{find_formula(x, y).best.formula}`; functions fixed by hand: {loss**0.5:.0e}"


def velocities() -> str:
    x = uniform(2, low=-0.9, high=0.9)
    return f"`{find_formula(x, (x[:, 0] + x[:, 1]) / (1 + x[:, 0] * x[:, 1])).best.formula}`"


def straight() -> str:
    def function(x: Tensor) -> Tensor:
        return torch.sin(math.pi * x[:, 0]) + x[:, 1]

    x = uniform(2)
    model = KAN([2, 1, 1], 5, base="identity", dtype=torch.float64)
    fit(model, Regression(x, function(x)), steps=200, penalty=Bending(1e-3))
    count, trace = 0, model.trace(x)
    for inputs, edges in zip(trace.inputs, trace.edges, strict=True):
        for k in range(inputs.shape[1]):
            pair = torch.stack([inputs[:, k], edges[:, k, 0]]).detach()
            count += float(1 - torch.corrcoef(pair)[0, 1] ** 2) < 1e-6  # share that is not linear
    return f"{fresh(model, function, uniform(2, seed=1)):.1e}, {count} of 3 edges straight"


def unsupervised() -> str:
    x = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 2] = torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2)
    x[:, 4] = x[:, 3] ** 3
    found = relations(x).relations
    return "finds " + " and ".join(str(tuple(f"x_{i + 1}" for i in one.inputs)).replace("'", "") for one in found)


def product() -> str:
    x, test = uniform(2), uniform(2, seed=1)
    problem = Regression(x, x[:, 0] * x[:, 1], validation=0.2)
    model = KAN([2, (2, 2), 1], 5, seed=0, dtype=torch.float64)
    fit(model, problem, steps=60, penalty=Sparsity(1e-3))
    model = prune(model, problem)
    best = symbolify(model, problem, time_limit=60).best
    return f"{fresh(model, lambda x: x[:, 0] * x[:, 1], test):.1e}; `{best.formula}`"


def symmetries() -> str:
    def function(x: Tensor) -> Tensor:
        return torch.sqrt((x[:, 0] - x[:, 1]) ** 2 + (x[:, 2] - x[:, 3]) ** 2)

    x = uniform(4)
    tree = " ".join(str(structure_tree(function, x)).split())
    held = bool(depends_only_on(function, x, "x_1 - x_2"))
    return f"tree `{tree}`; acts through x_1 - x_2: {'not rejected' if held else 'rejected'}"


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
    model = prune(model, problem)
    with torch.no_grad():
        correct = float(((model(bits)[:, 0] > 0.5) == (y > 0.5)).double().mean())
    nodes = int(model.layers[0].mask.any(0).sum())
    return f"{correct:.0%} correct, [9, {nodes}, 1] after `prune`"


TUTORIALS = (
    Tutorial(
        "hellokan",
        "from data to exp(sin(pi x) + y^2)",
        "exact, one seed",
        "`fit`, `prune`, `refine`, `symbolify`",
        hellokan,
    ),
    Tutorial("Example 1", "finer and finer grids, [2, 1, 1]", "grid 3: 1.5e-2; 10: 6e-4", "`refine`, `fit`", grids),
    Tutorial("Example 3", "a deep formula, [4, 2, 1, 1]", "grid 50: 3.8e-5", "`refine`, `move_hidden_domains_`", deep),
    Tutorial("Example 4", "two moons", "99.8 %, formula 88.1 %", "`KANClassifier`, `fit_equations`", moons),
    Tutorial(
        "Example 5", "a special function", "after `add_symbolic` and `a_range`", "`refine`, `fit`, `symbolify`", bessel
    ),
    Tutorial(
        "Example 9",
        "singularities, sin(2 (log x + log y))",
        "2.7e-7, fixed by hand",
        "`find_formula`, `KAN(functions=)`",
        singular,
    ),
    Tutorial("Example 10", "addition of velocities", "2.1e-6, fixed by hand", "`find_formula`", velocities),
    Tutorial("Example 11", "straight edges", "8.4e-3, 2 of 3 straight", "`Bending`", straight),
    Tutorial("Example 12", "relations without a target", "one of the two, by seed", "`relations`", unsupervised),
    Tutorial("Interp 1", "x y by a product node", "exact", "`prune`, `symbolify`", product),
    Tutorial("Interp 5", "symmetries as a tree", "tree", "`structure_tree`, `depends_only_on`", symmetries),
    Tutorial("Interp 8", "relativistic mass", "exact, given beta and gamma", "`find_formula`", relativity),
    Tutorial("Interp 10A", "majority of majorities of 9 bits", "100 %, [9, 3, 1, 1]", "`fit`, `prune`", majority),
)


def row_of(tutorial: Tutorial) -> str:
    began = time.process_time()
    result = tutorial.work()
    seconds = time.process_time() - began
    cells = (tutorial.name, tutorial.task, tutorial.pykan, result, f"{seconds:.1f}", tutorial.by)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="names of tutorials; all by default")
    parser.add_argument("--dry", action="store_true", help="print the table and leave the page alone")
    arguments = parser.parse_args()
    chosen = [one for one in TUTORIALS if not arguments.names or one.name in arguments.names]
    rows = ["| tutorial | task | pykan | Edgewise | CPU s | by |", "|---|---|---|---|--:|---|"]
    for tutorial in chosen:
        rows.append(row_of(tutorial))
        print(rows[-1], flush=True)
    if arguments.dry or arguments.names:
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + "\n".join([BEGIN, "", *rows, "", END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
