"""pysindy on the same samples: twelve settings, of which the training data choose by their simulation."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import solve_ivp

from edgewise_experiments.dynamics.systems import r2

MOST_STEPS = 20_000  # of a simulation: a stiff one takes thousands, one that goes to infinity any number


class Sindy:
    """The best of three libraries and four thresholds; the sparsest within 0.005 of the best R²."""

    def __init__(self, t: np.ndarray, runs: Sequence[np.ndarray]):
        import pysindy

        libraries = [pysindy.PolynomialLibrary(degree=2), pysindy.PolynomialLibrary(degree=3)]
        libraries.append(pysindy.PolynomialLibrary(degree=2) + pysindy.FourierLibrary(n_frequencies=1))
        self.model = None
        best = -np.inf
        fewest = np.inf
        for library in libraries:
            for threshold in (0.01, 0.05, 0.1, 0.3):
                model = pysindy.SINDy(
                    optimizer=pysindy.STLSQ(threshold=threshold, alpha=1e-5),
                    feature_library=library,
                    differentiation_method=pysindy.SmoothedFiniteDifference(),
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        model.fit(list(runs), t=t)
                    except (ValueError, np.linalg.LinAlgError):
                        continue  # a library that is not finite at these samples
                score = min(r2(run, _simulated(model, run[0], t)) for run in runs)
                terms = int(np.count_nonzero(model.coefficients()))
                if score > best + 0.005 or (score > best - 0.005 and terms < fewest):
                    best = max(score, best)
                    fewest = terms
                    self.model = model

    def forecast(self, start: np.ndarray, t: np.ndarray) -> np.ndarray:
        """States (N, d) from a start, nan where the simulation fails."""
        return _simulated(self.model, start, t)

    def rates(self, x: np.ndarray) -> np.ndarray:
        """Right-hand sides (N, d) at states (N, d), nan where no library fits."""
        if self.model is None:
            return np.full(x.shape, np.nan)
        return np.asarray(self.model.predict(x))

    def texts(self) -> list[str]:
        """The equations."""
        return [] if self.model is None else self.model.equations(precision=4)


def _simulated(model, start: np.ndarray, t: np.ndarray) -> np.ndarray:
    """States (N, d), nan from where they leave all measure or the integration stands still."""
    out = np.full((len(t), len(start)), np.nan)
    if model is None:
        return out
    limit = 1e4 * (1 + np.abs(start).max())
    left = [MOST_STEPS]

    def goes_on(_: float, x: np.ndarray) -> float:
        left[0] -= 1
        return min(limit - np.abs(x).max(), float(left[0]))

    goes_on.terminal = True  # type: ignore[attr-defined]
    rates = _rates(model)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            path = solve_ivp(rates, (t[0], t[-1]), start, "LSODA", t_eval=t, rtol=1e-6, atol=1e-9, events=goes_on).y.T
        except (ValueError, OverflowError):
            return out
    out[: len(path)] = path
    return out


def _rates(model) -> Callable[[float, np.ndarray], list[float]]:
    """The right-hand sides as compiled sums: `simulate` of pysindy takes a millisecond for each of its evaluations."""
    names = [re.sub(r"(?<=\w) (?=\w)", "*", name).replace("^", "**") for name in model.get_feature_names()]
    sums = []
    for row in np.asarray(model.coefficients()):
        parts = [f"{float(c)!r}*{name}" for c, name in zip(row, names, strict=True) if c]
        sums.append(" + ".join(parts) or "0.0")
    states = ", ".join(f"x{k}" for k in range(len(sums)))
    function = eval(f"lambda {states}: [{', '.join(sums)}]", {"sin": math.sin, "cos": math.cos})
    return lambda _, x: function(*map(float, x))
