"""The experiment on scaling exponents: quick run, exponents, the built functions, summary."""

import numpy as np
import pytest
import torch

from edgewise_experiments import experiments
from edgewise_experiments.runner.store import Store
from edgewise_experiments.theory import scaling_exponents
from edgewise_experiments.theory.exponents import exponents
from edgewise_experiments.theory.scaling_exponents import SUBJECTS, alpha, summary


@pytest.mark.slow
def test_quick():
    assert experiments()["scaling-exponents"].startswith("Scaling exponents of KANs and MLPs, measured")
    store, lines = Store(None), []
    outcome = scaling_exponents.run(
        quick=True, store=store, seeds=None, progress=lambda update: lines.append(update.line)
    )
    assert [row["kind"] for row in store.rows] == ["KAN", "tanh", "relu"]
    assert [len(row["sizes"]) for row in store.rows[1:]] == [2, 2]
    assert len(outcome.tables) == 5 and outcome.tables[0].rows[0][0] == "J0(20*x)"
    assert len(outcome.figures["errors"]().axes) == 1
    assert next(line for line in lines if line).startswith("toy 1, seed 0, KAN: alpha ")


@pytest.mark.parametrize("name", SUBJECTS)
def test_samples_fit_the_shape_and_the_traits(name):
    subject = SUBJECTS[name]
    x, y = subject.sample(50, 0)
    assert x.shape == (50, subject.shape[0]) and y.shape == (50,)
    assert subject.traits.inputs == subject.shape[0] and float(x.abs().max()) <= 1 and float(y.std()) > 0


def test_the_surface_is_two_dimensional_and_the_formula_holds_there():
    x, y = SUBJECTS["surface"].sample(50, 0)
    assert torch.allclose(x[:, 2:], torch.sin(torch.pi * x[:, :2] / 2))
    assert torch.allclose(y, torch.cos(2 * x[:, 0] + x[:, 3]))
    theory = exponents(SUBJECTS["surface"].traits, 3)
    assert (theory["Sharma-Kaplan"], theory["Michaud"], theory["KAN"]) == (2, 2, 4)


@pytest.mark.parametrize(("name", "frequency"), [("sparse", np.pi), ("sparse slow", np.pi / 2)])
def test_the_sparse_compositions(name, frequency):
    x, y = SUBJECTS[name].sample(5, 0)
    waves = np.sin(frequency * (x[:, ::2].numpy() ** 2 + x[:, 1::2].numpy())).sum(1)
    assert np.allclose(y.numpy(), np.exp(waves / 3))


def row_of(kind, power, problem="toy 2", seed=0):
    grids = [4, 8, 16, 32, 64]
    errors = [0.9 * (4 / grid) ** power for grid in grids]
    shape, grids = ([2, 1, 1], grids) if kind in ("KAN", "graded") else (None, None)
    sizes = [3 * (grid + 3) for grid in grids] if grids else [10, 20, 40, 80, 160]
    row = {"problem": problem, "kind": kind, "seed": seed, "shape": shape, "sizes": sizes, "grids": grids}
    return {**row, "errors": errors, "seconds": 4.0, "cpu_seconds": 2.0 + seed}


def test_alpha():
    assert alpha(row_of("KAN", 4), "grids") == pytest.approx(4)
    assert alpha(row_of("KAN", 4)) > 4  # parameters grow more slowly than grids
    assert alpha(row_of("tanh", 2.5)) == pytest.approx(2.5)
    assert alpha({**row_of("tanh", 2.5), "errors": [0.5, None, 0.4, 0.3, 0.2]}) is None


def test_summary():
    rows = [row_of("KAN", power, seed=seed) for seed, power in enumerate((4.0, 2.0, 3.9))]
    rows += [row_of("tanh", 3), row_of("relu", 1.25)]
    cubic, linear, seconds, _ = summary(rows).tables
    assert cubic.rows[0][:5] == ("exp(sin(pi*x) + y**2)", "[2,1,1]", "2", "2", "2")
    assert cubic.rows[0][5:11] == ("2.00", "1.00", "2.00", "any", "4.00", "3.90") and cubic.rows[0][-1] == "3.00"
    assert linear.rows[0][1:] == ("1.00", "1.00", "1.00", "any", "2.00", "1.25")
    assert seconds.rows == (("KAN, cubic", "3.0"), ("MLP, tanh", "2.0"), ("MLP, ReLU", "2.0"))
    figures = summary(rows).key_figures
    assert list(figures.values())[:5] == ["1 of 1", "0 of 1", "0 of 1", "1 of 1", "1 of 1"] and figures["seeds"] == "3"
    assert figures["exponent of the KAN agrees with the KAN paper"] == "1 of 1"


def test_knots_of_equal_error_decide_where_a_function_is_singular():
    rows = [row_of("KAN", 2, "arity 3"), row_of("graded", 3.8, "arity 3"), row_of("KAN", 4)]
    outcome = summary(rows)
    assert [row[10:12] for row in outcome.tables[0].rows] == [("4.00", "-"), ("2.00", "3.80")]
    figures = outcome.key_figures
    assert figures["exponent of the KAN agrees with the KAN paper"] == "2 of 2"
    assert figures["with even knots everywhere it agrees with the KAN paper"] == "1 of 2"
    assert figures["smooth functions whose exponent is the KAN paper's within 0.25"] == "2 of 2"


def test_theories_part():
    rough = summary([row_of("KAN", 2, "rough")]).tables[0].rows[0]
    assert rough[8] == "0.50" and rough[-1] == "-"
    three = summary([row_of("KAN", 2, "arity 3")]).tables[0].rows[0]
    assert three[2:10] == ("3", "3", "3", "1.33", "1.00", "1.33", "any", "4.00")


def test_models_without_a_rate_are_listed():
    rows = [row_of("KAN", 4), {**row_of("tanh", 1), "errors": [0.5, 0.4, None, 0.3, 0.2]}]
    assert summary(rows).tables[2].rows == (("MLP, tanh", "exp(sin(pi*x) + y**2)", "2.0e-01"),)
    assert summary(rows[:1]).key_figures["models without a rate"] == "0"


def test_no_rows():
    assert summary([]).notes == ("There are no rows yet.",)
