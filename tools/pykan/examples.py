"""pykan's tutorials hellokan and "Example", each as a function that returns what the table shows."""

import math

import torch
from torch import Tensor

from edgewise import KAN, KANClassifier, Regression, find_formula, fit, prune, symbolify
from edgewise.interpret import relations
from edgewise.pde import PDE, Box, Dirichlet, solve
from edgewise.train import Sparsity, move_hidden_domains_, refine
from edgewise.train.penalties import Bending

from .common import Tutorial, fresh, peak, uniform


def nested(x: Tensor) -> Tensor:
    rings = [torch.sin(math.pi * (x[:, i] ** 2 + x[:, i + 1] ** 2)) for i in (0, 2)]
    return torch.exp((rings[0] + rings[1]) / 2)


def hellokan() -> str:
    x, penalty, found = uniform(2), Sparsity(1e-2), 0
    problem = Regression(x, peak(x), validation=0.2)
    for seed in range(5):
        model = KAN([2, 5, 1], 3, seed=seed, dtype=torch.float64)
        fit(model, problem, steps=60, penalty=penalty)
        model, _ = prune(model, problem, penalty=penalty)
        model, _ = prune(model, problem, precision=0.03)
        model = refine(model, 10)
        fit(model, problem, steps=40)
        best = symbolify(model, problem, time_limit=120).best
        found += str(best.formula) == "exp(sin(pi*x1) + x2**2)"
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
    problem, errors = Regression(x, nested(x)), []
    for degree in (3, 5):
        starts = []
        for seed in range(8):
            model = KAN([4, 2, 1, 1], 5, degree, domain=(-1, 1), seed=seed, dtype=torch.float64)
            for _ in range(4):
                fit(model, problem, steps=15)
                move_hidden_domains_(model, x, margin=0.3)
            starts.append((fit(model, problem, steps=15).loss, seed, model))
        model = min(starts)[2]
        for size in (10, 20, 50):
            move_hidden_domains_(model, x, margin=0.05)
            model = refine(model, size)
            fit(model, problem, steps=60)
        errors.append(f"degree {degree}: {fresh(model, nested, test):.1e}")
    return f"grid 50, best of 8 seeds, {', '.join(errors)}"


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
    return "finds " + " and ".join(str(tuple(f"x{i + 1}" for i in one.inputs)).replace("'", "") for one in found)


def poisson() -> str:
    def wave(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(math.pi * x) * torch.sin(math.pi * y)

    square = Box(x=(-1, 1), y=(-1, 1))
    equation = PDE(lambda u, x, y: u.xx + u.yy + 2 * math.pi**2 * wave(x, y), square, [Dirichlet(0.0)])
    solution, points = solve(equation), uniform(2)
    with torch.no_grad():
        values, exact = solution.model(points)[:, 0], wave(*points.T)
    error = float((values - exact).norm() / exact.norm())
    best = find_formula(points, values, names=["x", "y"]).best
    return f"relative error {error:.1e}; its formula `{best.formula}`"


def one_peak_after_another() -> str:
    centres = torch.linspace(-0.8, 0.8, 5, dtype=torch.float64)
    x = torch.cat([centre + torch.linspace(-0.2, 0.2, 100, dtype=torch.float64) for centre in centres])[:, None]
    y = torch.exp(-300 * (x - centres) ** 2).sum(1)
    model, errors = KAN([1, 1], 200, base="zero", domain=(-1, 1), seed=0, dtype=torch.float64), []
    for phase in range(5):
        new = slice(100 * phase, 100 * (phase + 1))
        fit(model, Regression(x[new], y[new]), steps=20)
        seen = slice(0, 100 * (phase + 1))
        with torch.no_grad():
            errors.append(float((model(x[seen])[:, 0] - y[seen]).square().mean().sqrt()))
    return f"{max(errors):.1e} on all peaks seen so far, in every phase"


def transition() -> str:
    def function(x: Tensor) -> Tensor:
        waves = torch.sin(math.pi * x[:, 0]) + torch.cos(math.pi * x[:, 1]) + torch.tan(math.pi / 2 * x[:, 2])
        return (waves > 0).double()

    x, test = uniform(3), uniform(3, seed=1)
    model = KAN([3, 1, 1], [3, 0], functions=[None, [["tanh"]]], seed=0, dtype=torch.float64)
    fit(model, Regression(x, function(x)), steps=200)
    errors = [fresh(model, function, points) for points in (x, test)]
    classifier = KANClassifier(random_state=0).fit(x.numpy(), function(x).numpy())
    correct = float((classifier.predict(test.numpy()) == function(test).numpy()).mean())
    return f"{errors[0]:.1e} / {errors[1]:.1e}; `KANClassifier` {correct:.1%} correct"


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
        "Example 6, 7",
        "Poisson's equation, and the formula of its solution",
        "L2 squared 1.7e-4 in 105 s; formula after fixing edges by hand",
        "`solve`, `find_formula`",
        poisson,
    ),
    Tutorial("Example 8", "five peaks, one after another", "4.0e-6", "`fit`", one_peak_after_another),
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
    Tutorial(
        "Example 13",
        "a phase transition; error in training / on fresh points",
        "7.7e-2 / 1.2e-1",
        "`KAN(functions=)`, `KANClassifier`",
        transition,
    ),
)
