"""The special functions against mpmath."""

import mpmath
import pytest
from tests.datasets.formulas import agrees_with

from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS

WITNESSES = {
    "ellipj": lambda u, m: mpmath.ellipfun("sn", u, m=m),
    "ellipkinc": mpmath.ellipf,
    "ellipeinc": mpmath.ellipe,
    "jv": mpmath.besselj,
    "yv": mpmath.bessely,
    "kv": mpmath.besselk,
    "iv": mpmath.besseli,
    **{f"lpmv {m}": lambda v, x, m=m: mpmath.legenp(v, m, x, type=2) for m in (0, 1, 2)},
    **{
        f"sph_harm {m} {n}": lambda azimuth, polar, m=m, n=n: mpmath.re(mpmath.spherharm(n, m, polar, azimuth))
        for m, n in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    },
}


def test_the_list_is_that_of_the_paper():
    assert list(SPECIAL_FUNCTIONS) == list(WITNESSES)
    assert all(set(target.paper) == {"kan", "mlp"} for target in SPECIAL_FUNCTIONS.values())
    assert all(target.paper_best() == target.paper["kan"] for target in SPECIAL_FUNCTIONS.values())


@pytest.mark.parametrize("name", WITNESSES)
def test_values(name):
    agrees_with(SPECIAL_FUNCTIONS[name], WITNESSES[name], 1e-10)
