"""Samples on a grid: sums of few products."""

import numpy as np
import pytest
import torch

from edgewise_experiments.images.gridded import _levels, sparse_on_grid


def at(layer, *lines):
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(lines))
    with torch.no_grad():
        return layer(torch.from_numpy(points)).numpy().reshape([len(line) for line in lines])


@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_inputs(count):
    lines = [np.linspace(0, 1, 8 + i) for i in range(count)]
    values = sum(np.cos(3 * each) for each in np.meshgrid(*lines, indexing="ij"))
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
