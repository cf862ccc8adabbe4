"""Samples on a grid: the smooth fit against dense kriging, the likelihood's gradient, sums of few products."""

import numpy as np
import pytest
import torch
from scipy import fft
from scipy.optimize import approx_fprime

from edgewise.errors import InputError
from edgewise_experiments.images.gridded import GridPolicy, _levels, _Prior, smooth_on_grid, sparse_on_grid

ROWS, COLUMNS = np.linspace(2.0, 5.0, 9), np.linspace(-1.0, 0.0, 7)


def sample(noise=0.0):
    clean = np.sin(ROWS)[:, None] * np.exp(COLUMNS) + 0.3 * np.cos(5 * COLUMNS)
    return clean + noise * np.random.default_rng(0).standard_normal(clean.shape)


def at(layer, *lines):
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(lines))
    with torch.no_grad():
        return layer(torch.from_numpy(points)).numpy().reshape([len(line) for line in lines])


def waves(line, points, count):
    """Cosines at points: orthonormal on the samples as long as there are no more than samples."""
    n, step = len(line), line[1] - line[0]
    phases = np.pi * np.outer((points - line[0]) / step + 0.5, np.arange(count)) / n
    return np.cos(phases) * np.where(np.arange(count) == 0, np.sqrt(1 / n), np.sqrt(2 / n))


@pytest.mark.parametrize("reach", [0.5, 1.0, 1.7, 2.0])
def test_weights_and_left_out_samples_are_those_of_dense_kriging(reach):
    values = sample(0.05)
    prior = _Prior(fft.dctn(values, norm="ortho"), reach)
    prior.maximise(GridPolicy(), None)
    bases = [waves(line, line, count) for line, count in zip((ROWS, COLUMNS), prior.counts, strict=True)]
    design = np.einsum("ia,jb->ijab", *bases).reshape(values.size, -1)
    covariance = design @ (prior.variances.ravel()[:, None] * design.T) + prior.ratio * np.eye(values.size)
    inverse = np.linalg.inv(covariance)
    ones = np.ones(values.size)
    mean = ones @ inverse @ values.ravel() / (ones @ inverse @ ones)
    predicted = mean + (prior.variances.ravel()[:, None] * design.T).T @ (design.T @ inverse @ (values.ravel() - mean))
    assert np.allclose(design @ prior.weights().ravel(), predicted, atol=1e-9)
    # One sample is left out: the others are used with the same strengths, and the mean is that of the others.
    errors = prior.left_out_errors().ravel()
    for left in (0, 11, 40):
        kept = np.arange(values.size) != left
        inner = np.linalg.inv(covariance[np.ix_(kept, kept)])
        own = values.ravel()[kept]
        mean = ones[kept] @ inner @ own / (ones[kept] @ inner @ ones[kept])
        guess = mean + covariance[left, kept] @ inner @ (own - mean)
        assert errors[left] == pytest.approx(values.ravel()[left] - guess, abs=1e-9)


@pytest.mark.parametrize("reach", [0.5, 1.0, 1.7])
def test_the_gradient_of_the_likelihood(reach):
    prior = _Prior(fft.dctn(sample(0.05), norm="ortho"), reach)
    place = np.array([1.4, -3.0, 0.3])
    found = approx_fprime(place, lambda strengths: prior._loss(strengths)[0], 1e-6)
    assert np.allclose(prior._loss(place)[1], found, rtol=1e-4, atol=1e-4)


def test_samples_without_noise_are_interpolated_and_the_function_is_good_between_them():
    fit = smooth_on_grid([ROWS, COLUMNS], sample())
    assert np.allclose(at(fit.layer, ROWS, COLUMNS), sample(), atol=0.01)
    between = (ROWS[1:-2] + ROWS[2:-1]) / 2
    truth = np.sin(between)[:, None] * np.exp(COLUMNS) + 0.3 * np.cos(5 * COLUMNS)
    assert np.abs(at(fit.layer, between, COLUMNS) - truth).max() < 0.02
    assert fit.numbers == 63 and fit.slope > 1


def test_noise_is_estimated_and_removed():
    line = np.linspace(0, 1, 40)
    clean = np.sin(7 * line)[:, None] + np.cos(5 * line)
    noisy = clean + 0.2 * np.random.default_rng(1).standard_normal(clean.shape)
    fit = smooth_on_grid([line, line], noisy)
    assert fit.noise == pytest.approx(0.2, rel=0.05)
    assert np.std(at(fit.layer, line, line) - clean) < 0.06
    assert np.std(fit.left_out - noisy) == pytest.approx(0.2, rel=0.1)
    few = smooth_on_grid([line, line], noisy, most=90)  # weights, and the mask of at most 1,600 products
    assert few.numbers == 90 and 40 <= few.products < 90
    assert np.std(at(few.layer, line, line) - clean) < 0.06


@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_inputs(count):
    lines = [np.linspace(0, 1, 8 + i) for i in range(count)]
    values = sum(np.cos(3 * each) for each in np.meshgrid(*lines, indexing="ij"))
    assert np.allclose(at(smooth_on_grid(lines, values).layer, *lines), values, atol=0.01)
    assert np.allclose(at(sparse_on_grid(lines, values, 10**4).layer, *lines), values, atol=1e-5)


@pytest.mark.parametrize("count", [4, 7, 16, 21, 64])
def test_functions_of_several_resolutions_are_orthonormal_and_local(count):
    basis = _levels(count)
    assert np.allclose(basis.T @ basis, np.eye(count), atol=1e-9)
    # The first two are the straight lines; the last ones decay away from their places.
    assert np.linalg.matrix_rank(np.c_[basis[:, :2], np.ones(count), np.arange(count)]) == 2
    if count == 64:
        far = np.abs(np.arange(64) - np.abs(basis[:, -1]).argmax()) > 10
        assert np.abs(basis[far, -1]).max() < 1e-3


def test_few_products_are_the_best_ones_of_the_better_kind():
    line = np.linspace(0, 1, 32)
    step = ((line[:, None] > 0.4) & (line > 0.3)).astype(float)
    step[5:9, 20:23] = 0.5
    wave = np.cos(np.pi * 3 * (np.arange(32) + 0.5) / 32)[:, None] * np.cos(np.pi * 5 * (np.arange(32) + 0.5) / 32)
    few = sparse_on_grid([line, line], step, 92)
    basis = _levels(32)
    dropped = np.sort(np.abs(basis.T @ step @ basis).ravel())[: 1024 - 60]
    error = at(few.layer, line, line) - step
    assert (few.layer.degrees, few.products, few.numbers) == ((1, 1), 60, 92)
    assert np.sum(error**2) == pytest.approx(np.sum(dropped**2))
    smooth = sparse_on_grid([line, line], wave, 33)
    assert smooth.products == 1 and np.allclose(at(smooth.layer, line, line), wave, atol=1e-4)
    assert np.allclose(at(sparse_on_grid([line, line], step, 2000).layer, line, line), step, atol=1e-4)


@pytest.mark.parametrize(
    ("axes", "values", "most", "message"),
    [
        ([], np.zeros(()), 99, "axes must hold"),
        ([[0.0, 1, 2]], np.zeros(3), 99, r"axes\[0\] must be 4 numbers"),
        ([[0.0, 1, 2, 4]], np.arange(4.0), 99, r"axes\[0\] must be increasing and evenly spaced"),
        ([np.arange(4.0)], np.zeros(5), 99, r"values must have shape \(4,\)"),
        ([np.arange(4.0)], np.array([0, 1, np.nan, 2]), 99, "values must be finite, got 1"),
        ([np.arange(64.0)], np.arange(64.0), 2, "most must be an integer above 2"),
    ],
)
def test_what_is_refused(axes, values, most, message):
    with pytest.raises(InputError, match=message):
        sparse_on_grid(axes, values, most)
    with pytest.raises(InputError, match=message):
        smooth_on_grid(axes, values, most=most)


def test_equal_values_are_refused_by_the_likelihood_alone():
    with pytest.raises(InputError, match="values must differ"):
        smooth_on_grid([np.arange(9.0)], np.ones(9))
    assert np.allclose(at(sparse_on_grid([np.arange(9.0)], np.ones(9), 5).layer, np.arange(9.0)), 1)
