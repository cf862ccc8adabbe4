"""Canonical rows: tables that count as the same data become the same arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.search.validation import canonical_rows

NUMBERS = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 1e-300, 2.5])


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 8))
    cells = draw(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=rows, max_size=rows))
    weight = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows).filter(any))
    order = draw(st.permutations(range(rows)))
    cells = np.array(cells)
    return cells[:, :2], cells[:, 2:], np.array(weight, dtype=float), np.array(order)


def same_bits(left, right):
    return all(a.tobytes() == b.tobytes() and a.shape == b.shape for a, b in zip(left, right, strict=True))


@given(tables())
def test_order_and_repetition_are_forgotten_bit_for_bit(table):
    x, y, weight, order = table
    *expected, _ = canonical_rows(x, y, weight)
    assert same_bits(canonical_rows(x[order], y[order], weight[order])[:3], expected)
    repeated = np.repeat(np.arange(len(x)), weight.astype(int))
    assert same_bits(canonical_rows(x[repeated], y[repeated], None)[:3], expected)


@given(tables())
def test_rows_are_sorted_and_keep_their_shares_of_the_weight(table):
    x, y, weight, _ = table
    inputs, targets, mass, _ = canonical_rows(x, y, weight)
    rows = [tuple(row) for row in np.hstack([inputs, targets])]
    assert rows == sorted(rows)
    given = [tuple(row) for row in np.hstack([x, y]) + 0.0]
    assert set(rows) == {row for row, one in zip(given, weight, strict=True) if one > 0}
    for row in set(rows):
        share = sum(one for other, one in zip(given, weight, strict=True) if other == row) / weight.sum()
        assert sum(one for other, one in zip(rows, mass, strict=True) if other == row) == pytest.approx(
            share * len(rows)
        )
