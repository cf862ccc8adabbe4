"""Pairs and triples of terms of a law are all looked at."""

import itertools

import numpy as np

from edgewise.dynamics.integral_form import small_sets

ROWS, COLUMNS, FLOOR = 60, 9, 0.3


def _score(columns, target, costs, chosen):
    """Schwarz's criterion with prices, by least squares."""
    part = columns[:, chosen]
    residual = target - part @ np.linalg.lstsq(part, target, rcond=None)[0]
    return ROWS * np.log((residual @ residual + FLOOR) / ROWS) + costs[chosen].sum()


def test_the_best_pair_and_the_best_triple_are_those_of_all_least_squares():
    random = np.random.default_rng(3)
    # Columns that resemble each other, so that none is best alone.
    columns = random.normal(size=(ROWS, 3)) @ random.normal(size=(3, COLUMNS)) + random.normal(size=(ROWS, COLUMNS)) / 3
    columns /= np.linalg.norm(columns, axis=0)
    target = columns @ random.normal(size=COLUMNS) + random.normal(size=ROWS) / 50
    costs = random.uniform(1, 4, size=COLUMNS)

    found = small_sets(columns, target, costs, ROWS, FLOOR)

    for size in (2, 3):
        every = [list(chosen) for chosen in itertools.combinations(range(COLUMNS), size)]
        best = min(every, key=lambda chosen: _score(columns, target, costs, chosen))
        assert next(chosen for chosen in found if len(chosen) == size) == frozenset(best)


def test_a_column_that_stands_twice_makes_no_pair_with_itself():
    random = np.random.default_rng(4)
    columns = np.linalg.qr(random.normal(size=(ROWS, 3)))[0]
    columns = np.column_stack([columns, columns[:, 0]])
    target = columns[:, 0] + columns[:, 1]
    found = small_sets(columns, target, np.ones(4), ROWS, FLOOR)
    assert found[0] in ({0, 1}, {1, 3})


def test_two_terms_are_one_pair():
    columns = np.linalg.qr(np.random.default_rng(5).normal(size=(ROWS, 2)))[0]
    assert small_sets(columns, columns.sum(axis=1), np.ones(2), ROWS, FLOOR) == [{0, 1}]
