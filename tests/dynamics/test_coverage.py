"""The 90 % band of a forecast holds the truth as often as it says, from each kind of start.

Where the law is right, as here, bands are wider than their errors need: they allow for a choice among many laws.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from edgewise import find_dynamics

T = np.linspace(0, 10, 100)
LATER = np.linspace(0, 4, 20)
SYSTEMS = {
    "logistic": (lambda t, x: [0.9 * x[0] * (1 - x[0] / 4)], [0.3]),
    "oscillator": (lambda t, x: [x[1], -4.5 * x[0] - 0.4 * x[1]], [1.0, 0.3]),
    "epidemic": (lambda t, x: [-0.8 * x[0] * x[1], 0.8 * x[0] * x[1] - 0.3 * x[1]], [0.95, 0.05]),
}


@pytest.mark.nightly
def test_bands_hold_the_truth_from_an_exact_start_from_a_sample_and_after_the_last_one():
    held = {"exact": [], "sample": [], "last": []}
    widths = {"exact": [], "sample": [], "last": []}  # half of a band's width, in root mean square errors of its middle
    for rates, start in SYSTEMS.values():
        x0 = np.array(start)
        path = solve_ivp(rates, (0, 14), start, dense_output=True, rtol=1e-10, atol=1e-12).sol
        for seed in range(3):
            random = np.random.default_rng(seed)
            clean = path(T).T
            motion = find_dynamics(T, clean * (1 + 0.05 * random.standard_normal(clean.shape)))
            sample = x0 * (1 + 0.05 * random.standard_normal(x0.shape))
            forecasts = {
                "exact": (motion.forecast(x0, LATER), path(LATER).T),
                "sample": (motion.forecast(sample, LATER, error=0.05 * np.abs(sample)), path(LATER).T),
                "last": (motion.forecast(None, 10 + LATER), path(10 + LATER).T),
            }
            for kind, (forecast, true) in forecasts.items():
                inside = (forecast.lower <= true) & (true <= forecast.upper)
                held[kind].append(np.mean(inside[1:]))
                half = (forecast.upper - forecast.lower)[1:] / 2
                errors = (forecast.upper + forecast.lower)[1:] / 2 - true[1:]
                widths[kind].append(np.sqrt(np.mean(half**2) / np.mean(errors**2)))
    shares = {kind: np.mean(values) for kind, values in held.items()}
    assert all(share > 0.85 for share in shares.values()), shares
    medians = {kind: np.median(values) for kind, values in widths.items()}
    assert all(1 < median < 6 for median in medians.values()), medians
