"""Partial differential equations found in fields on a grid, without noise and with 1 % and 5 %.

The fields are exact solutions, or come from a spectral method in space with Runge and Kutta in time; velocities beside
a vorticity are data, and have no equation. An equation is right if its terms are the true ones; the error is the
largest one of a factor, relative to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgewise.dynamics.fields import find_field_equations
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import Outcome, ResultTable, key_figures, median
from edgewise_experiments.runner.store import Store

NOISES = (0.0, 0.01, 0.05)
QUICK = ("heat", "Burgers")
NOTES = (
    "Noise is normal, with this share of the standard deviation of each field. Decided: the search says that the data "
    "exclude all other equations that it met. Seconds are CPU seconds of one process.",
)


@dataclass(frozen=True)
class Case:
    """Fields on a grid with the factors of their true equations by term."""

    t: np.ndarray
    axes: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    truth: Mapping[str, Mapping[str, float]]
    order: int = 1


def heat() -> Case:
    t, x = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 5, 120), indexing="ij")
    u = sum(a * np.exp(-0.2 * k**2 * t) * np.sin(k * x + a) for k, a in ((1, 0.7), (2.3, 1.0), (4, 0.5)))
    return Case(t[:, 0], {"x": x[0]}, {"u": u}, {"u": {"u_xx": 0.2}})


def drift() -> Case:
    t, x = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 5, 120), indexing="ij")
    u = sum(a * np.exp(-0.1 * k**2 * t) * np.sin(k * (x - 0.8 * t) + a) for k, a in ((1, 0.7), (2.3, 1.0), (4, 0.5)))
    return Case(t[:, 0], {"x": x[0]}, {"u": u}, {"u": {"u_x": -0.8, "u_xx": 0.1}})


def burgers() -> Case:
    """Cole and Hopf."""
    t, x = np.meshgrid(np.linspace(0, 1, 100), np.linspace(-1, 1, 128), indexing="ij")
    parts = [(1, 0), (1, 4), (1, -3), (0.5, 8)]
    waves = [a * np.exp(k * x + 0.1 * k**2 * t) for a, k in parts]
    u = -0.2 * sum(k * wave for (_, k), wave in zip(parts, waves, strict=True)) / sum(waves)
    return Case(t[:, 0], {"x": x[0]}, {"u": u}, {"u": {"u u_x": -1.0, "u_xx": 0.1}})


def strings() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    t, x = np.meshgrid(np.linspace(0, 2, 100), np.linspace(0, 4, 128), indexing="ij")
    right = np.exp(-2 * (x - 1.3 * t - 1.5) ** 2)
    left = 0.6 * np.exp(-3 * (x + 1.3 * t - 2.5) ** 2)
    rate = 1.3 * (4 * (x - 1.3 * t - 1.5) * right - 6 * (x + 1.3 * t - 2.5) * left)
    return t[:, 0], x[0], right + left, rate


def wave() -> Case:
    t, x, u, _ = strings()
    return Case(t, {"x": x}, {"u": u}, {"u": {"u_xx": 1.69}}, order=2)


def wave_as_system() -> Case:
    t, x, u, v = strings()
    return Case(t, {"x": x}, {"u": u, "v": v}, {"u": {"v": 1.0}, "v": {"u_xx": 1.69}})


def on_ring(
    rates: Callable, linear: Callable, starts: Callable, length: float, until: float, size: int, frames: int, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields (frames, fields, size) on a ring: the linear part exactly, the rest by Runge and Kutta, in turn."""
    x = np.arange(size) * length / size
    k = 2 * np.pi * np.fft.fftfreq(size, length / size)
    step = until / (frames - 1) / steps
    half = np.exp(step / 2 * linear(1j * k))
    state = starts(x)
    rows = [state]

    def slope(values: np.ndarray) -> np.ndarray:
        return np.fft.ifft(1j * k * np.fft.fft(values)).real

    for _ in range(frames - 1):
        for _ in range(steps):
            state = np.fft.ifft(half * np.fft.fft(state)).real
            one = rates(state, slope)
            two = rates(state + step / 2 * one, slope)
            three = rates(state + step / 2 * two, slope)
            four = rates(state + step * three, slope)
            state = state + step / 6 * (one + 2 * two + 2 * three + four)
            state = np.fft.ifft(half * np.fft.fft(state)).real
        rows.append(state)
    return np.linspace(0, until, frames), x, np.stack(rows)


def korteweg_de_vries() -> Case:
    t, x = np.meshgrid(np.linspace(0, 1, 120), np.linspace(-10, 10, 200), indexing="ij")
    low, high = 1.0, 1.6
    a = np.exp(2 * low * (x - 4 * low**2 * t + 2))
    b = np.exp(2 * high * (x - 4 * high**2 * t + 6))
    c = ((low - high) / (low + high)) ** 2 * a * b
    rates = [(a, 2 * low), (b, 2 * high), (c, 2 * (low + high))]
    f, f_x, f_xx = (1 + a + b + c if n == 0 else sum(e * k**n for e, k in rates) for n in range(3))
    u = 2 * (f_xx / f - (f_x / f) ** 2)
    return Case(t[:, 0], {"x": x[0]}, {"u": u}, {"u": {"u u_x": -6.0, "u_xxx": -1.0}})


def kuramoto_sivashinsky() -> Case:
    def starts(x: np.ndarray) -> np.ndarray:
        return np.cos(2 * np.pi * x / 32) * (1 + np.sin(2 * np.pi * x / 32)) + 0.3 * np.sin(2 * np.pi * 3 * x / 32)

    t, x, u = on_ring(lambda u, d: -d(u**2) / 2, lambda k: -(k**2) - k**4, starts, 32.0, 60.0, 128, 240, 20)
    return Case(t, {"x": x}, {"u": u}, {"u": {"u u_x": -1.0, "u_xx": -1.0, "u_xxxx": -1.0}})


def fisher() -> Case:
    def starts(x: np.ndarray) -> np.ndarray:
        return 0.3 + 0.2 * np.cos(2 * np.pi * x / 20) + 0.2 * np.sin(2 * np.pi * 2 * x / 20)

    t, x, u = on_ring(lambda u, d: u - u**2, lambda k: 0.5 * k**2, starts, 20.0, 5.0, 128, 100, 10)
    return Case(t, {"x": x}, {"u": u}, {"u": {"u": 1.0, "u^2": -1.0, "u_xx": 0.5}})


def allen_cahn() -> Case:
    def starts(x: np.ndarray) -> np.ndarray:
        return 0.5 * np.cos(2 * np.pi * x / 10) + 0.4 * np.sin(2 * np.pi * 3 * x / 10)

    t, x, u = on_ring(lambda u, d: u - u**3, lambda k: 0.1 * k**2, starts, 10.0, 4.0, 128, 100, 10)
    return Case(t, {"x": x}, {"u": u}, {"u": {"u": 1.0, "u^3": -1.0, "u_xx": 0.1}})


def two_reactions() -> Case:
    def starts(x: np.ndarray) -> np.ndarray:
        wave = 2 * np.pi * x / 40
        return np.array([np.cos(2 * wave) + 0.5 * np.sin(5 * wave), np.sin(4 * wave)])

    def rates(w: np.ndarray, d: Callable) -> np.ndarray:
        return np.array([w[0] - w[0] ** 3 - w[1], 0.8 * w[0] - 0.5 * w[1]])

    def linear(k: np.ndarray) -> np.ndarray:
        return np.array([0.5, 2.0])[:, None] * k**2

    t, x, w = on_ring(rates, linear, starts, 40.0, 8.0, 128, 100, 16)
    truth = {"u": {"u": 1.0, "u^3": -1.0, "v": -1.0, "u_xx": 0.5}, "v": {"u": 0.8, "v": -0.5, "v_xx": 2.0}}
    return Case(t, {"x": x}, {"u": w[:, 0], "v": w[:, 1]}, truth)


def schroedinger() -> Case:
    """i q_t = -q_xx / 2 - |q|^2 q for q = u + i v."""

    def starts(x: np.ndarray) -> np.ndarray:
        return np.array([1 / np.cosh(x - 8) + 0.5 * np.cos(2 * np.pi * x / 16), 0.6 / np.cosh(x - 5)])

    size, length, frames, steps, until = 128, 16.0, 160, 20, 3.0
    x = np.arange(size) * length / size
    k = 2 * np.pi * np.fft.fftfreq(size, length / size)
    step = until / (frames - 1) / steps
    q = starts(x)[0] + 1j * starts(x)[1]
    rows = [q]
    for _ in range(frames - 1):
        for _ in range(steps):
            q = q * np.exp(0.5j * step * np.abs(q) ** 2)
            q = np.fft.ifft(np.exp(-0.5j * step * k**2) * np.fft.fft(q))
            q = q * np.exp(0.5j * step * np.abs(q) ** 2)
        rows.append(q)
    q = np.stack(rows)
    truth = {
        "u": {"v_xx": -0.5, "v^3": -1.0, "u^2 v": -1.0},
        "v": {"u_xx": 0.5, "u^3": 1.0, "u v^2": 1.0},
    }
    return Case(np.linspace(0, until, frames), {"x": x}, {"u": q.real, "v": q.imag}, truth)


def porous_medium() -> Case:
    """Barenblatt's profile, within its support."""
    t, x = np.meshgrid(np.linspace(1, 2, 80), np.linspace(-1.2, 1.2, 100), indexing="ij")
    u = t ** (-1 / 3) * (0.4 - x**2 * t ** (-2 / 3) / 12)
    return Case(t[:, 0], {"x": x[0]}, {"u": u}, {"u": {"(u^2)_xx": 1.0}})


def drift_in_the_plane() -> Case:
    axes = np.linspace(0, 4, 40), np.linspace(0, 3, 36)
    t, x, y = np.meshgrid(np.linspace(0, 1, 30), *axes, indexing="ij")
    waves = [(1.0, 2.0, 0.3), (2.0, -1.0, 1.0), (0.5, 1.5, 2.0), (1.5, 0.3, 0.5)]
    u = sum(np.exp(-0.1 * (k**2 + m**2) * t) * np.sin(k * (x - 0.7 * t) + m * y + p) for k, m, p in waves)
    truth = {"u": {"u_x": -0.7, "u_xx": 0.1, "u_yy": 0.1}}
    return Case(t[:, 0, 0], {"x": axes[0], "y": axes[1]}, {"u": u}, truth)


def vorticity() -> Case:
    """Navier and Stokes' equations on a torus: vorticity, carried by the velocity that it makes."""
    size, frames, steps, until, viscosity = 24, 20, 10, 3.0, 0.05
    axis = 2 * np.pi * np.arange(size) / size
    x, y = np.meshgrid(axis, axis, indexing="ij")
    wave = np.fft.fftfreq(size, 1 / size)
    kx, ky = np.meshgrid(1j * wave, 1j * wave, indexing="ij")
    laplacian = (kx**2 + ky**2).real
    inverse = np.divide(-1.0, laplacian, out=np.zeros_like(laplacian), where=laplacian != 0)

    def velocity(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stream = inverse * np.fft.fft2(w)
        return np.fft.ifft2(ky * stream).real, np.fft.ifft2(-kx * stream).real

    def rates(w: np.ndarray) -> np.ndarray:
        u, v = velocity(w)
        carried = kx * np.fft.fft2(u * w) + ky * np.fft.fft2(v * w)
        return np.fft.ifft2(viscosity * laplacian * np.fft.fft2(w) - carried).real

    w = np.sin(x) * np.cos(2 * y) + 0.8 * np.cos(2 * x + y + 1) + 0.6 * np.sin(3 * x - y) + 0.5 * np.cos(y + 2)
    step = until / (frames - 1) / steps
    rows = [(w, *velocity(w))]
    for _ in range(frames - 1):
        for _ in range(steps):
            one = rates(w)
            two = rates(w + step / 2 * one)
            three = rates(w + step / 2 * two)
            w = w + step / 6 * (one + 2 * two + 2 * three + rates(w + step * three))
        rows.append((w, *velocity(w)))
    fields = dict(zip("wuv", np.stack(rows, axis=1), strict=True))
    truth = {"w": {"(w u)_x": -1.0, "(w v)_y": -1.0, "w_xx": viscosity, "w_yy": viscosity}}
    return Case(np.linspace(0, until, frames), {"x": axis, "y": axis}, fields, truth)


CASES: dict[str, Callable[[], Case]] = {
    "heat": heat,
    "advection and diffusion": drift,
    "Burgers": burgers,
    "Korteweg-de Vries, two solitons": korteweg_de_vries,
    "Kuramoto-Sivashinsky": kuramoto_sivashinsky,
    "Fisher": fisher,
    "Allen-Cahn": allen_cahn,
    "two reactions with diffusion": two_reactions,
    "nonlinear Schroedinger": schroedinger,
    "porous medium": porous_medium,
    "wave, second order": wave,
    "wave as a system": wave_as_system,
    "advection and diffusion in the plane": drift_in_the_plane,
    "Navier-Stokes, vorticity": vorticity,
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Find every equation at every noise."""
    jobs = []
    for seed in seeds or (0,):
        for noise in NOISES[:1] if quick else NOISES:
            for name in QUICK if quick else CASES:
                key = {"equation": name, "noise": noise, "seed": seed}
                jobs.append(Job(f"{name}, noise {noise:g}", key, partial(_measure, name, noise, seed)))
    return summary(run_jobs(jobs, store, progress, line))


def _measure(name: str, noise: float, seed: int, _report) -> dict:
    case = CASES[name]()
    random = np.random.default_rng(seed)
    fields = {key: u + noise * u.std() * random.standard_normal(u.shape) for key, u in case.fields.items()}
    found = find_field_equations(case.t, case.axes, fields, order=case.order, evolving=list(case.truth))
    is_right = all(set(found.equations[key].terms) == set(terms) for key, terms in case.truth.items())
    error = None
    if is_right:
        error = 0.0
        for key, terms in case.truth.items():
            equation = found.equations[key]
            for term, value in zip(equation.terms, equation.coefficients, strict=True):
                error = max(error, abs(float(value) / terms[term] - 1))
    return {"right": is_right, "error": error, "decided": found.decided, "texts": str(found).splitlines()}


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    return f"{row['equation']}, noise {row['noise']:g}: {'; '.join(row['texts'])}"[:200]


def summary(rows: list[dict]) -> Outcome:
    """A line for each equation, and the key figures of each noise."""
    rows = latest(rows, "equation", "noise", "seed")
    noises = sorted({row["noise"] for row in rows})
    lines = []
    for name in dict.fromkeys(row["equation"] for row in rows):
        cells = []
        for noise in noises:
            here = [row for row in rows if row["equation"] == name and row["noise"] == noise]
            right = [row for row in here if row["right"]]
            worst = max((row["error"] for row in right), default=None)
            if not here:
                cells.append("not measured")
            elif worst is None:
                cells.append("other terms")
            else:
                cells.append(f"{worst:.1e}")
        mine = [row for row in rows if row["equation"] == name]
        lines.append((name, *cells, f"{median(working_seconds(row) for row in mine) or 0:.1f}"))
    heads = ("equation", *(f"error of factors, {100 * noise:g} % noise" for noise in noises), "seconds")
    figures = {}
    for noise in noises:
        here = [row for row in rows if row["noise"] == noise]
        sure = [row for row in here if row["decided"]]
        right = sum(row["right"] for row in here)
        text = (
            f"right terms {right} of {len(here)}; decided {len(sure)}, of which right {sum(r['right'] for r in sure)}"
        )
        figures[f"{100 * noise:g} % noise"] = text
    return Outcome((ResultTable(heads, tuple(lines)), key_figures(figures)), NOTES)
