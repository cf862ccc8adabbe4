"""The damping rule against the numbers of the paper, and the small solver against scipy."""

import numpy as np
import pytest
from scipy.optimize import least_squares as scipy_least_squares

from edgewise.ops.gauss_newton import Damping, DampingRule, LeastSquaresLimits, least_squares


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])


def decay(t, y):
    """Residuals of p exp(-q t) - y."""

    def residuals_and_jacobian(x):
        value = np.exp(-x[1] * t)
        return x[0] * value - y, np.stack([value, -t * x[0] * value], 1)

    return residuals_and_jacobian


class TestDampingRule:
    @pytest.mark.parametrize(("gain_ratio", "factor"), [(1.0, 1 / 3), (0.75, 1 - 0.5**3), (0.5, 1.0), (0.0, 2.0)])
    def test_nielsens_factor(self, gain_ratio, factor):
        assert DampingRule().accepted(Damping(1.0, 16.0), gain_ratio) == (pytest.approx(factor), 2.0)

    def test_rejections_grow_faster_and_faster(self):
        rule, values = DampingRule(first=1.0), []
        damping = rule.start()
        for _ in range(3):
            damping = rule.rejected(damping)
            values.append(damping.value)
        assert values == [2.0, 8.0, 64.0]


class TestLeastSquares:
    @pytest.mark.parametrize("minimum_norm", [False, True])
    @pytest.mark.parametrize("rule", [DampingRule(), DampingRule(growth=6.0, growth_factor=1.0, shrink=0.2)])
    def test_rosenbrock(self, rule, minimum_norm):
        fit = least_squares(rosenbrock, np.array([-1.2, 1.0]), rule=rule, minimum_norm=minimum_norm)
        assert np.allclose(fit.x, 1.0, rtol=0, atol=1e-8) and fit.stopped == "converged"

    def test_noisy_curve_as_scipy_has_it(self):
        rng = np.random.default_rng(0)
        t = np.linspace(0, 3, 50)
        curve = decay(t, 2 * np.exp(-1.3 * t) + 0.05 * rng.standard_normal(50))
        fit = least_squares(curve, np.ones(2), limits=LeastSquaresLimits(tolerance=1e-14))
        witness = scipy_least_squares(lambda x: curve(x)[0], np.ones(2), lambda x: curve(x)[1], method="lm", xtol=1e-12)
        assert np.allclose(fit.x, witness.x, rtol=1e-7) and fit.loss == pytest.approx(2 * witness.cost, rel=1e-10)
        assert np.allclose(fit.jacobian, curve(fit.x)[1])

    def test_trials_outside_of_the_domain_are_rejected(self):
        t = np.linspace(0, 1, 20)

        def root(x):
            value = np.sqrt(x[0] - t)
            return value - np.sqrt(1.001 - t), (0.5 / value)[:, None]

        fit = least_squares(root, np.array([3.0]))
        assert fit.x[0] == pytest.approx(1.001, rel=1e-6)
        assert least_squares(root, np.array([0.5])) is None

    def test_parameters_that_no_residual_depends_on_stay(self):
        fit = least_squares(lambda x: (x[:1] - 3, np.array([[1.0, 0.0]])), np.array([0.0, 7.0]))
        assert fit.x.tolist() == [pytest.approx(3.0), 7.0]

    def test_limits(self):
        count = 0

        def counted(x):
            nonlocal count
            count += 1
            return rosenbrock(x)

        start = np.array([-1.2, 1.0])
        assert least_squares(counted, start, limits=LeastSquaresLimits(evaluations=4)).stopped == "max_steps"
        assert count == 5  # the start and four trials
        assert least_squares(rosenbrock, start, limits=LeastSquaresLimits(steps=0)).x.tolist() == start.tolist()
        late = LeastSquaresLimits(is_over=lambda: True)
        assert least_squares(rosenbrock, start, limits=late).stopped == "budget"


def test_a_huge_gain_ratio_is_an_ordinary_one():
    """If the predicted decrease is a rounding error, the ratio may be 1e200, whose cube overflows."""
    rule = DampingRule()
    damping = rule.start()
    assert rule.accepted(damping, gain_ratio=1e200) == rule.accepted(damping, gain_ratio=1.0)
