"""The search survives whatever the target is: random expressions, huge and tiny numbers, repeated rows."""

import warnings

import numpy as np
import pytest

from edgewise.discovery.finder import find_formula
from edgewise.formulas.expression import FUNCTIONS, Add, Call, Multiply, Number, Power, Variable, evaluate


def random_expression(random, depth, inputs):
    kind = random.integers(0, 6) if depth else random.integers(0, 2)
    if kind == 0:
        return Variable(int(random.integers(inputs)))
    if kind == 1:
        return Number(float(np.round(random.normal() * 10.0 ** random.integers(-3, 4), 3)))
    parts = [random_expression(random, depth - 1, inputs) for _ in range(2)]
    if kind == 2:
        return Add(tuple(parts))
    if kind == 3:
        return Multiply(tuple(parts))
    if kind == 4:
        return Power(parts[0], float(random.choice([-2, -1, 0.5, 2, 3])))
    return Call(str(random.choice(list(FUNCTIONS))), parts[0])


def check_search_survives(seed, time_limit=0.2):
    random = np.random.default_rng(seed)
    inputs = int(random.integers(1, 5))
    x = random.uniform(*random.choice([(-2, 2), (1, 3), (1e-3, 1e3)]), (80, inputs))
    y = evaluate(random_expression(random, 4, inputs), x)
    rows = np.isfinite(y) & (np.abs(y) < 1e150)
    if rows.sum() < 20:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        front = find_formula(x[rows], y[rows], time_limit=time_limit)
    assert len(front) and not [text for text in front.messages if "failed" in text], front.messages


@pytest.mark.slow
def test_random_expressions():
    for seed in range(8):
        check_search_survives(seed)
