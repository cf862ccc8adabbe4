"""Torsion polynomials where the answer is known: Alexander polynomials, words, lifts, cyclic coefficients."""

import numpy as np
import pytest
from tools.knots.torsion import adjoint, coefficient_sizes, degree, letters, lifted, word_value

TREFOIL = [[1, 2, 1, -2, -1, -2]]  # aba = bab


def test_words():
    assert letters("aBc") == [1, -2, 3]
    assert letters("x1 X12") == [1, -12]


def test_the_trivial_representation_gives_the_alexander_polynomial():
    """t^2 - t + 1 over t - 1: times t - 1 its coefficients are 1, -1, 1."""
    one = [np.eye(1, dtype=complex)] * 2
    count = 8
    sizes, error = coefficient_sizes(one, TREFOIL, np.array([1, 1]), count)
    t = np.exp(2j * np.pi * (np.arange(count) + 0.37) / count)
    expected = np.abs(np.fft.fft((t**2 - t + 1) / (t - 1)) / count)
    assert error == 0
    np.testing.assert_allclose(sizes, expected, rtol=1e-12)


def trefoil_matrices():
    """A representation of aba = bab in SL(2, C): two parabolic matrices."""
    return [np.array([[1, 1], [0, 1]], dtype=complex), np.array([[1, 0], [-1, 1]], dtype=complex)]


def test_a_lift_makes_relators_positive():
    a, b = trefoil_matrices()
    assert np.abs(word_value([a, b], TREFOIL[0]) - np.eye(2)).max() < 1e-14
    mixed = lifted([a, -b], TREFOIL)
    assert np.abs(word_value(mixed, TREFOIL[0]) - np.eye(2)).max() < 1e-14
    turn = np.array([[0, 1], [-1, 1]], dtype=complex)  # its cube is -1
    (signed,) = lifted([turn], [[1, 1, 1]])
    assert np.abs(word_value([signed], [1, 1, 1]) - np.eye(2)).max() < 1e-14
    with pytest.raises(ValueError, match="no lift"):
        lifted([np.array([[0, 1], [-1, 0]], dtype=complex)], [[1, 1]])


def test_the_adjoint_is_a_representation():
    a, b = trefoil_matrices()
    np.testing.assert_allclose(adjoint(a @ b), adjoint(a) @ adjoint(b), atol=1e-14)
    assert abs(np.linalg.det(adjoint(a)) - 1) < 1e-14


def test_the_torsion_of_the_trefoil():
    """For parabolic matrices it is t^2 + 1 up to a unit (T. Kitano, T. Morifuji): degree 2 = 4 genus - 2."""
    sizes, error = coefficient_sizes(trefoil_matrices(), TREFOIL, np.array([1, 1]), 9)
    assert error < 1e-14
    value, low, high, noise = degree(sizes)
    assert value == 2
    assert low == pytest.approx(high, rel=1e-10)
    assert noise < 1e-14


def test_a_degree_is_read_around_the_end():
    sizes = np.roll(np.array([2.0, 0, 5, 2, 0, 0, 0, 0, 0, 0]) + 1e-15, 8)
    assert degree(sizes)[0] == 3
    with pytest.raises(ValueError, match="noise"):
        degree(np.ones(10))
