"""A measured rate against least squares of numpy."""

import math

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.theory import fitted_exponent


def test_a_fitted_exponent():
    sizes = [10, 20, 40, 80]
    fitted = fitted_exponent(sizes, [3 * n**-2.5 for n in sizes])
    assert fitted.alpha == pytest.approx(2.5) and fitted.error < 1e-9 and fitted.points == 4
    noisy = np.array([3 * n**-2.5 for n in sizes]) * [1.1, 0.9, 0.9, 1.1]
    slope, spread = np.polyfit(np.log(sizes), np.log(noisy), 1, cov=True)
    fitted = fitted_exponent(sizes, noisy)
    assert (fitted.alpha, fitted.error) == (pytest.approx(-slope[0]), pytest.approx(math.sqrt(spread[0, 0])))
    assert fitted_exponent([*sizes, 160], [*(n**-4.0 for n in sizes), 1.0], floor=0).alpha < 4
    assert fitted_exponent([10, 20, 40], [1e-2, 1e-4, 1e-16], floor=1e-12).alpha == pytest.approx(math.log2(100))
    assert math.isnan(fitted_exponent([10, 20], [1.0, 0.5]).error)
    assert fitted_exponent([10, 10], [1.0, 0.5]) is None and fitted_exponent([], []) is None
    with pytest.raises(InputError, match="of one length, got 1 and 2"):
        fitted_exponent([1], [1, 2])
