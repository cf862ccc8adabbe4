"""pysindy on the same samples: twelve settings, of which the training data choose by their simulation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from edgewise_experiments.dynamics.systems import r2


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
    if model is None:
        return np.full((len(t), len(start)), np.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.asarray(model.simulate(start, t, integrator_kws={"method": "LSODA", "rtol": 1e-6, "atol": 1e-9}))
        except (ValueError, RuntimeError):
            return np.full((len(t), len(start)), np.nan)
