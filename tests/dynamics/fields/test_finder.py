"""Equations of fields, found in exact solutions with and without noise."""

import numpy as np
import pytest
from numpy.fft import fft, ifft

from edgewise.dynamics.fields import find_field_equations

MOMENTS = np.linspace(0, 1, 80)
PLACES = np.linspace(0, 5, 120)


def grid(t=MOMENTS, x=PLACES):
    return np.meshgrid(t, x, indexing="ij")


def burgers():
    """Cole and Hopf: u = -2 nu w_x / w for a solution w of the equation of heat."""
    nu = 0.1
    t, x = grid(x=np.linspace(-1, 1, 120))
    parts = [(1, 0), (1, 4), (1, -3), (0.5, 8)]
    waves = [a * np.exp(k * x + nu * k**2 * t) for a, k in parts]
    slopes = [k * wave for (_, k), wave in zip(parts, waves, strict=True)]
    return t[:, 0], x[0], -2 * nu * sum(slopes) / sum(waves)


def solitons():
    """Two solitons of u_t + 6 u u_x + u_xxx = 0, of which the higher one overtakes, by Hirota's formula."""
    t, x = grid(np.linspace(0, 1, 100), np.linspace(-10, 10, 160))
    low, high = 1.0, 1.6
    a = np.exp(2 * low * (x - 4 * low**2 * t + 2))
    b = np.exp(2 * high * (x - 4 * high**2 * t + 6))
    c = ((low - high) / (low + high)) ** 2 * a * b
    rates = [(a, 2 * low), (b, 2 * high), (c, 2 * (low + high))]
    f, f_x, f_xx = (1 + a + b + c if n == 0 else sum(e * k**n for e, k in rates) for n in range(3))
    return t[:, 0], x[0], 2 * (f_xx / f - (f_x / f) ** 2)


def drifting(diffusivity=0.1, speed=0.8):
    t, x = grid()
    waves = [(1, 0.7), (2.3, 1.0), (4, 0.5)]
    u = sum(a * np.exp(-diffusivity * k**2 * t) * np.sin(k * (x - speed * t) + a) for k, a in waves)
    return t[:, 0], x[0], u


def string(speed=1.3):
    """A pulse to the right and one to the left: displacement and its rate."""
    t, x = grid(np.linspace(0, 2, 80))

    def pulse(s, place, width):
        value = np.exp(-width * (s - place) ** 2)
        return value, -2 * width * (s - place) * value

    right, right_slope = pulse(x - speed * t, 1.5, 2.0)
    left, left_slope = pulse(x + speed * t, 2.5, 3.0)
    return t[:, 0], x[0], right + left, speed * (left_slope - right_slope)


def noisy(u, share, seed=0):
    return u + share * u.std() * np.random.default_rng(seed).standard_normal(u.shape)


def assert_found(found, field, expected, errors=4.0):
    """The terms are the expected ones, and the factors within their standard errors, or rounding."""
    equation = found.equations[field]
    assert set(equation.terms) == set(expected), str(found)
    for name, value, error in zip(equation.terms, equation.coefficients, equation.standard_errors, strict=True):
        assert abs(value - expected[name]) <= errors * error + 1e-6 * abs(expected[name]), str(found)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (burgers, {"u u_x": -1.0, "u_xx": 0.1}),
        (solitons, {"u u_x": -6.0, "u_xxx": -1.0}),
        (drifting, {"u_x": -0.8, "u_xx": 0.1}),
        (lambda: drifting(0.2, 0.0), {"u_xx": 0.2}),
    ],
    ids=["Burgers", "Korteweg-de Vries", "advection and diffusion", "heat"],
)
@pytest.mark.slow
def test_an_equation_of_one_field(data, expected, noise):
    t, x, u = data()
    found = find_field_equations(t, x, noisy(u, noise))
    assert_found(found, "u", expected)
    assert found.decided


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_waves_as_a_system_and_of_second_order(noise):
    t, x, u, v = string()
    system = find_field_equations(t, x, {"u": noisy(u, noise), "v": noisy(v, noise, 1)})
    assert_found(system, "u", {"v": 1.0})
    assert_found(system, "v", {"u_xx": 1.69})
    assert_found(find_field_equations(t, x, noisy(u, noise), order=2), "u", {"u_xx": 1.69})


@pytest.mark.slow
def test_reaction_and_diffusion_of_two_fields():
    """Exponential time differencing is left to the equation: linear parts exactly, reactions by Runge and Kutta."""
    size, length, step = 128, 40.0, 0.005
    x = np.arange(size) * length / size
    k = 2 * np.pi * np.fft.fftfreq(size, length / size)
    diffusion = np.exp(-step * np.array([0.5, 2.0])[:, None] * k**2 / 2)
    state = np.array([np.cos(2 * np.pi * x / 20) + 0.5 * np.sin(2 * np.pi * x / 8), np.sin(2 * np.pi * x / 10)])

    def reaction(w):
        u, v = w
        return np.array([u - u**3 - v, 0.8 * u - 0.5 * v])

    rows = [state]
    for number in range(1600):
        state = ifft(diffusion * fft(state)).real
        one = reaction(state)
        two = reaction(state + step / 2 * one)
        three = reaction(state + step / 2 * two)
        four = reaction(state + step * three)
        state = state + step / 6 * (one + 2 * two + 2 * three + four)
        state = ifft(diffusion * fft(state)).real
        if number % 20 == 19:
            rows.append(state)
    t = np.arange(len(rows)) * 20 * step
    u, v = np.stack(rows, axis=1)
    found = find_field_equations(t, x, {"u": u, "v": v})
    terms = {name: set(each.terms) for name, each in found.equations.items()}
    assert terms == {"u": {"u", "u^3", "v", "u_xx"}, "v": {"u", "v", "v_xx"}}, str(found)
    factors = dict(zip(found.equations["v"].terms, found.equations["v"].coefficients, strict=True))
    assert factors == pytest.approx({"u": 0.8, "v": -0.5, "v_xx": 2.0}, rel=2e-3)


@pytest.mark.slow
def test_two_dimensions_of_space():
    t = np.linspace(0, 1, 24)
    x = np.linspace(0, 4, 32)
    y = np.linspace(0, 3, 30)
    times, a, b = np.meshgrid(t, x, y, indexing="ij")
    waves = [(1.0, 2.0, 0.3), (2.0, -1.0, 1.0), (0.5, 1.5, 2.0)]
    u = sum(np.exp(-0.1 * (k**2 + m**2) * times) * np.sin(k * (a - 0.7 * times) + m * b + p) for k, m, p in waves)
    found = find_field_equations(t, {"x": x, "y": y}, u)
    assert str(found) == "u_t = −0.7 u_x + 0.1 u_xx + 0.1 u_yy"


def test_one_wave_does_not_decide():
    """Every equation of a soliton that moves is one of u_t = -c u_x too, which is shorter."""
    t, x = grid(np.linspace(0, 1, 60), np.linspace(-6, 10, 100))
    u = 2 / np.cosh(x - 4 * t) ** 2
    found = find_field_equations(t[:, 0], x[0], u)
    assert str(found) == "u_t = −4 u_x"


@pytest.mark.slow
def test_a_missing_term_is_noticed():
    """u_t = sin(x) is no term of the library."""
    t, x = grid()
    found = find_field_equations(t[:, 0], x[0], noisy(np.sin(x) * t + np.cos(3 * x), 1e-3))
    assert not found.decided
    assert "a term is missing" in found.says


def test_an_early_end_keeps_the_best():
    ticks = []

    def stop(progress):
        ticks.append(progress.stage)

    t, x, u = drifting()
    found = find_field_equations(t, x, u, progress=stop)
    assert ticks == ["the equation of u"]
    assert str(find_field_equations(t, x, u, time_limit=60)) == str(found)
