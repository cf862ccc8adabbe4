"""The panel of laws: what counts as exact, its tables and figure from rows, and a quick run that goes on."""

import numpy as np
import pytest

from edgewise.formulas import parse_expression
from edgewise_experiments.data.laws import ai_feynman
from edgewise_experiments.formulas import srbench
from edgewise_experiments.formulas.srbench_runs import equals_symbolically, is_exact, suites
from edgewise_experiments.runner.store import Store


def judged(text, noise=0.0, name="I.14.4"):
    law = ai_feynman()[name]
    clean, fresh = law.sample(200, 0), law.sample(300, 1)
    return is_exact(parse_expression(text, law.names), law, noise, clean, fresh)


def test_exact_formulas():
    assert judged("k_spring*x**2/2") and judged("x*k_spring*x*0.50000001")
    assert not judged("0.4999*k_spring*x**2 + 0.001*x") and not judged("k_spring*x**2/2 + 1e-4*sin(x)")
    assert not judged("k_spring*x**2/2 + 0*(x + x + x + x + x + x)"), "twice as long"


@pytest.mark.slow
def test_equal_formulas_whose_values_cancel():
    law = ai_feynman()["III.9.52"]
    node = parse_expression("-4*pi*p_d*Ef*(cos(t*(omega - omega_0)) - 1)/(h*t*(omega - omega_0)**2)", law.names)
    assert equals_symbolically(node, law)
    assert not equals_symbolically(parse_expression("4*pi*p_d*Ef/h", law.names), law)


def test_exact_structures_under_noise():
    assert judged("0.49*k_spring*x**2", noise=0.1) and judged("0.49*k_spring*x**2 + 0.01", noise=0.1)
    assert judged("0.49*k_spring*x**2.01 + 0.01", noise=0.1), "an exponent has the digits that noise leaves"
    assert not judged("0.49*k_spring*x**3", noise=0.1)


def test_the_panel_has_all_laws():
    assert {name: len(laws) for name, laws in suites(closed=True).items()} == {
        "feynman": 100,
        "bonus": 20,
        "nguyen": 12,
        "random": 100,
        "random, closed half": 100,
        "textbook": 30,
        "textbook, closed half": 30,
    }
    assert len(srbench.kinds(True, None)) == 12 and len(srbench.kinds(False, None)) >= 592


def test_summary_and_figure():
    row = {"suite": "nguyen", "law": "N1", "noise": 0.0, "units": False, "seed": 0, "quick": False, "symbols": 9}
    row |= {"formula": "x", "true_symbols": 9, "exact": True, "accurate": True, "exact_on_front": True}
    row |= {"seconds": 3.0, "cpu_seconds": 2.0, "relative": 0.0}
    failed = row | {"law": "N2", "formula": None, "exact": False, "accurate": False, "exact_on_front": False}
    peer = row | {"peer": "gplearn", "exact": False, "limit": 10.0}
    outcome = srbench.summary([row, failed, peer])
    assert outcome.tables[0].rows == (("Nguyen", "1 of 2", "1 of 2", "1 of 2", "2.0", "9", "9"),)
    assert [line[:2] for line in outcome.tables[1].rows] == [("Edgewise", "1 of 1"), ("gplearn", "0 of 1")]
    assert outcome.tables[2].rows == (("Edgewise", "1", "N1"),)
    slow = srbench.summary([row, peer | {"limit": 1.0}])
    assert slow.tables[1].rows[0][:2] == ("Edgewise", "0 of 1") and slow.tables[2].rows == (
        ("none of them", "1", "N1"),
    )
    (axis,) = outcome.figures["solved"]().axes
    assert np.max(axis.lines[0].get_ydata()) == 50


@pytest.mark.slow
def test_a_run_in_two_processes_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(srbench, "QUICK", (("feynman", "I.12.1", 0.0, False), ("nguyen", "N8", 0.0, False)))
    for _ in range(2):
        store = Store.open(tmp_path, "srbench-quick")
        outcome = srbench.run(quick=True, store=store, seeds=None, progress=lambda update: None)
        assert [line[1] for line in outcome.tables[0].rows] == ["1 of 1", "1 of 1"] and len(store.rows) == 2
