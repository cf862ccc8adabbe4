"""Systems of motion with their trajectories, and the judgement of what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import sympy
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from edgewise.dynamics import Motion
from edgewise.formulas import evaluate, parse_expression, simplify
from edgewise.formulas.expression import Add, Number, Power, walk

UNTIL = 10.0
SAMPLES = 150
CLOSE = 1e-4  # misfit of refitted constants, in standard deviations, that counts as the same function
SAME = 1e-3  # and of the constants as they are


@cache
def panel(name: str) -> tuple[dict, ...]:
    """The systems of a file of `data`: id, name, equations and two starts each."""
    text = files("edgewise_experiments.data").joinpath(f"{name}.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))


def variables(entry: dict) -> list[str]:
    """Names of the coordinates."""
    return [f"x{k}" for k in range(len(entry["equations"]))]


def true_rates(entry: dict, x: np.ndarray) -> np.ndarray:
    """Right-hand sides (N, d) at states (N, d)."""
    names = variables(entry)
    columns = [evaluate(parse_expression(text, names), x) for text in entry["equations"]]
    return np.column_stack([np.broadcast_to(column, len(x)) for column in columns])


def trajectory(entry: dict, start: Sequence[float], t: np.ndarray) -> np.ndarray:
    """The true states (N, d) at times."""
    names = variables(entry)
    equations = [parse_expression(text, names) for text in entry["equations"]]

    def rates(_: float, x: np.ndarray) -> list[float]:
        row = x[None, :]
        return [float(np.ravel(evaluate(equation, row))[0]) for equation in equations]

    return solve_ivp(rates, (t[0], t[-1]), start, "LSODA", t_eval=t, rtol=1e-9, atol=1e-11).y.T


def noisy(clean: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Each sample times 1 + noise N(0, 1), as in ODEBench."""
    return clean * (1 + noise * np.random.default_rng(seed).standard_normal(clean.shape))


def r2(true: np.ndarray, forecast: np.ndarray) -> float:
    """R² of all coordinates together, weighted by their variance; -1 where the forecast is not finite."""
    if forecast.shape != true.shape or not np.isfinite(forecast).all():
        return -1.0
    return max(-1.0, 1 - float(np.sum((true - forecast) ** 2) / np.sum((true - true.mean(axis=0)) ** 2)))


def same_structure(motion: Motion, entry: dict, states: np.ndarray) -> bool:
    """Each found equation can equal the true one in a box around the states, with no more constants than it."""
    random = np.random.default_rng(0)
    x = random.uniform(states.min(axis=0), states.max(axis=0), size=(400, states.shape[1]))
    truth = true_rates(entry, x)
    law = motion.choice.law
    first = 0
    for k, equation in enumerate(law.equations):
        count = sum(term.constants for term, _ in equation)
        place = slice(first, first + count)
        first += count
        y = truth[:, k]
        if not count or not np.isfinite(y).all():
            return False
        size = np.std(y) + 1e-9

        def misfit(constants: np.ndarray, place: slice = place, k: int = k, y: np.ndarray = y, size: float = size):
            theta = law.theta.copy()
            theta[place] = constants
            with np.errstate(all="ignore"):
                value = np.broadcast_to(law.function(list(x.T), theta)[k], len(x))
                return np.clip(np.nan_to_num((value - y) / size, nan=1e3), -1e3, 1e3)

        start = law.theta[place]
        fit = least_squares(misfit, start, x_scale=np.abs(start) + 1e-3, max_nfev=200)
        if np.sqrt(np.mean(fit.fun**2)) > CLOSE:
            return False
        is_same = np.sqrt(np.mean(misfit(start) ** 2)) < SAME
        if count > _constants_of(entry["equations"][k], variables(entry)) + (2 if is_same else 0):
            return False
    return True


def _constants_of(text: str, names: Sequence[str]) -> int:
    """Constants of a right-hand side written as a sum, whichever of two forms has more."""
    forms = (text, str(sympy.expand(sympy.sympify(text))).replace("Abs", "abs"))
    return max(_free_constants(simplify(parse_expression(form, names))) for form in forms)


def _free_constants(node) -> int:
    total = 0
    for part in node.terms if isinstance(node, Add) else (node,):
        total += 1
        for factor in getattr(part, "factors", (part,)):
            if not isinstance(factor, Number):
                total += sum(isinstance(each, Number) for each in walk(factor))
                odd = (each for each in walk(factor) if isinstance(each, Power))
                total += sum(each.exponent not in (1, 2, 3, -1, -2, -3, 0.5) for each in odd)
    return total
