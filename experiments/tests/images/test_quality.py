"""Quality of pictures against scikit-image, and packing."""

import numpy as np
import pytest

from edgewise_experiments.images.quality import decibels, packed, psnr, ssim, unpacked

CLEAN = np.random.default_rng(0).random((32, 32))


def test_quality_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    other = CLEAN + 0.05 * np.random.default_rng(1).standard_normal(CLEAN.shape)
    assert psnr(other, CLEAN) == pytest.approx(metrics.peak_signal_noise_ratio(CLEAN, other, data_range=1))
    assert ssim(other, CLEAN) == pytest.approx(metrics.structural_similarity(CLEAN, other, data_range=1))
    assert ssim(CLEAN, CLEAN) == pytest.approx(1)
    assert decibels(0.0) == np.inf and decibels(0.01) == pytest.approx(20)


def test_a_picture_comes_back_in_256_shades():
    back = unpacked(packed(CLEAN))
    assert back.shape == CLEAN.shape and np.abs(back - CLEAN).max() <= 0.5 / 255 + 1e-12
    assert unpacked(packed(np.array([[-1.0, 2.0], [0.2, 1.0]]))).tolist() == [[0, 1], [0.2, 1]]
