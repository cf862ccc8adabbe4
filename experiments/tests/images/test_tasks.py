"""Tasks on pictures: which pixels are seen, held out and scored; quality against scikit-image; packing."""

import numpy as np
import pytest

from edgewise_experiments.images.tasks import (
    FIELDS,
    NOISE,
    decibels,
    packed,
    psnr,
    reference,
    samples_of,
    ssim,
    unpacked,
)

CLEAN = np.random.default_rng(0).random((32, 32))


def test_fitting_sees_and_scores_everything():
    samples = samples_of(CLEAN, "fit", 0)
    assert samples.trained.all() and samples.scored.all() and not samples.held_out.any()
    assert np.array_equal(samples.values.reshape(32, 32), CLEAN) and samples.x.shape == (1024, 2)


def test_super_resolution_is_scored_where_nothing_was_seen():
    samples = samples_of(CLEAN, "super-resolution", 0)
    seen = (samples.trained | samples.held_out).reshape(32, 32)
    assert seen[::2, ::2].all() and seen.sum() == 256
    assert not (samples.trained & samples.held_out).any() and 10 < samples.held_out.sum() < 45
    assert np.array_equal(samples.scored, ~seen.ravel())
    # The reference sees every second pixel alone.
    other = CLEAN.copy()
    other[1::2] = 0
    other[:, 1::2] = 0
    found = reference(samples, "super-resolution")
    assert np.allclose(found, reference(samples_of(other, "super-resolution", 0), "super-resolution"))
    assert np.allclose(found[::2, ::2], CLEAN[::2, ::2])


def test_denoising_is_scored_against_the_clean_picture():
    samples = samples_of(CLEAN, "denoising", 3)
    assert samples.scored.all() and (samples.trained ^ samples.held_out).all()
    noisy = reference(samples, "denoising")
    assert np.std(noisy - CLEAN) == pytest.approx(NOISE, rel=0.1)
    assert psnr(noisy, samples) == pytest.approx(-20 * np.log10(NOISE), abs=0.5)
    assert not np.array_equal(samples.values, samples_of(CLEAN, "denoising", 4).values)


def test_quality_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    samples = samples_of(CLEAN, "fit", 0)
    other = CLEAN + 0.05 * np.random.default_rng(1).standard_normal(CLEAN.shape)
    assert psnr(other, samples) == pytest.approx(metrics.peak_signal_noise_ratio(CLEAN, other, data_range=1))
    assert ssim(other, samples) == pytest.approx(metrics.structural_similarity(CLEAN, other, data_range=1))
    assert ssim(CLEAN, samples) == pytest.approx(1)
    assert decibels(0.0) == np.inf and decibels(0.01) == pytest.approx(20)


def test_only_scored_pixels_count():
    samples = samples_of(CLEAN, "super-resolution", 0)
    wrong = CLEAN.copy()
    wrong[::2, ::2] = 5
    assert psnr(wrong, samples) == np.inf


def test_a_picture_comes_back_in_256_shades():
    back = unpacked(packed(CLEAN))
    assert back.shape == CLEAN.shape and np.abs(back - CLEAN).max() <= 0.5 / 255 + 1e-12
    assert unpacked(packed(np.array([[-1.0, 2.0], [0.2, 1.0]]))).tolist() == [[0, 1], [0.2, 1]]


def test_the_pictures_fill_their_range():
    for field in FIELDS.values():
        picture = field()
        assert picture.shape == (128, 128) and 0 <= picture.min() < 0.1 < 0.9 < picture.max() <= 1
