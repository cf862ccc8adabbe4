"""Two walks through the library as a user takes them: a table to a formula and back, an equation to a figure.

Each test is meant to be read from top to bottom as an example.
"""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import edgewise


@pytest.mark.slow
def test_a_table_becomes_a_model_a_figure_a_formula_and_a_file(tmp_path):
    # A table: the period of a pendulum does not depend on its mass.
    generator = np.random.default_rng(0)
    length, gravity, mass = generator.uniform([0.2, 1.6, 0.1], [3.0, 25.0, 2.0], size=(400, 3)).T
    table = np.column_stack([length, gravity, mass])
    period = 2 * np.pi * np.sqrt(length / gravity)
    train, test = slice(0, 300), slice(300, None)

    # An estimator, scored on rows that it has not seen.
    model = edgewise.KANRegressor(random_state=0).fit(table[train], period[train])
    assert model.score(table[test], period[test]) > 0.95

    # The contributions of the inputs add up to each prediction.
    explanation = model.explain_local(table[:1], table[train])
    assert np.allclose(explanation.base + explanation.shares.sum(axis=1), model.predict(table[:1])[:, None])

    # A figure.
    names = ["length", "gravity", "mass"]
    figure = edgewise.plot.effect_curves(model.predict, table[train], names=names, target="period / s")
    assert isinstance(figure, Figure)
    edgewise.plot.save(figure, tmp_path / "effects.svg")
    assert (tmp_path / "effects.svg").read_text().startswith("<?xml")

    # A formula, found from the rows alone.
    front = edgewise.find_formula(table[train], period[train], names=names, time_limit=20)
    text = str(front.best.formula)
    assert "mass" not in text and "length" in text and "gravity" in text

    # The formula as a network that can be trained further.
    network = edgewise.interpret.from_formula(text, names=names)
    with torch.no_grad():
        values = network(torch.from_numpy(table[test]).to(next(network.parameters()).dtype))[:, 0].numpy()
    assert np.abs(values / period[test] - 1).max() < 1e-4

    # The estimator goes into a file and comes back with the same predictions, bit for bit.
    edgewise.save(model, tmp_path / "pendulum.safetensors")
    again = edgewise.load(tmp_path / "pendulum.safetensors")
    assert np.array_equal(again.predict(table[test]), model.predict(table[test]))


@pytest.mark.slow
def test_an_equation_becomes_a_solution_a_figure_and_a_file(tmp_path):
    from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time, solve

    def exact(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.exp(-0.1 * torch.pi**2 * t) * torch.sin(torch.pi * x)

    # The heat equation with its boundary and initial conditions.
    problem = PDE(
        lambda u: u.t - 0.1 * u.xx,
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(torch.pi * x))],
        solution=exact,
    )

    # A solution that estimates its own error, and the true error beside it.
    solution = solve(problem, tolerance=1e-6, budget=0.05)
    assert solution.stopped == edgewise.outcomes.StopReason.CONVERGED, solution.message
    assert solution.errors().relative_l2 < 1e-6
    points = torch.tensor([[0.5, 1.0], [0.25, 0.5]], dtype=torch.float64)
    assert torch.allclose(solution(points)[:, 0], exact(points[:, 0], points[:, 1]), atol=1e-6)

    # Figures of the field and of the refinement.
    for name, figure in (
        ("field", edgewise.plot.solution_figure(solution)),
        ("history", edgewise.plot.solution_history(solution)),
    ):
        edgewise.plot.save(figure, tmp_path / f"{name}.pdf")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")

    # The solution goes into a file; the equation is code, so loading asks for the problem again.
    edgewise.save(solution, tmp_path / "heat.safetensors")
    again = edgewise.load(tmp_path / "heat.safetensors", problem=problem)
    assert torch.equal(again(points), solution(points))
