"""One model in many threads and processes: the same bits everywhere."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from edgewise import KANRegressor
from tests.night import at_night


@pytest.fixture(scope="module")
def fitted():
    x = np.random.default_rng(0).normal(size=(200, 3))
    return KANRegressor(effort="low").fit(x, x[:, 0] * x[:, 1] + np.sin(x[:, 2])), x


@pytest.mark.slow
def test_eight_threads_predict_the_same_bits(fitted):
    model, x = fitted
    expected = model.predict(x).tobytes()
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: model.predict(x).tobytes(), range(160)))
    assert set(results) == {expected}


def _predicted(pair):
    model, x = pair
    return model.predict(x).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", *at_night("spawn")])
def test_other_processes_predict_the_same_bits(fitted, method):
    if method not in multiprocessing.get_all_start_methods() or os.name != "posix":
        pytest.skip(f"no {method} here")
    model, x = fitted
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(_predicted, (model, x)).result(timeout=120) == model.predict(x).tobytes()


@pytest.mark.slow
def test_fits_in_threads_give_the_bits_of_one_fit(fitted):
    model, x = fitted
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2])
    with ThreadPoolExecutor(2) as threads:
        fits = list(threads.map(lambda _: KANRegressor(effort="low").fit(x, y).predict(x).tobytes(), range(2)))
    assert set(fits) == {model.predict(x).tobytes()}
