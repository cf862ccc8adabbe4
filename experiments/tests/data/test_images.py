"""Pictures: the photograph by means of blocks, the field's spectrum, coordinates of pixels."""

import numpy as np
import pytest

from edgewise_experiments.data.images import camera, pixel_centres, turbulence


def ring_energy(field, radius):
    """The energy of all modes whose wavenumber rounds to `radius`."""
    size = len(field)
    waves = np.fft.fftfreq(size, 1 / size)
    length = np.rint(np.hypot(waves[:, None], waves[None, :]))
    return np.square(np.abs(np.fft.fft2(field)))[length == radius].sum()


@pytest.mark.slow
def test_the_spectrum_has_kolmogorovs_exponent():
    radii = np.arange(6, 40)
    energy = np.mean([[ring_energy(turbulence(128, seed=seed), k) for k in radii] for seed in range(8)], 0)
    slope = np.polyfit(np.log(radii), np.log(energy), 1)[0]
    assert slope == pytest.approx(-5 / 3, abs=0.1)


def test_nothing_lies_outside_the_band():
    field = turbulence(64, band=(3, 20), seed=1)
    inside = sum(ring_energy(field, k) for k in range(3, 21))
    outside = [ring_energy(field, k) for k in (1, 2, 21, 22, 30)]
    assert max(outside) < 1e-20 * inside
    assert field.min() == 0 and field.max() == 1
    assert np.array_equal(field, turbulence(64, band=(3, 20), seed=1))
    assert not np.array_equal(field, turbulence(64, band=(3, 20), seed=2))


def test_the_photograph_is_that_of_later_versions():
    data = pytest.importorskip("skimage.data")
    whole = data.camera() / 255
    assert np.allclose(camera(512), whole)
    small = camera(128)
    assert small.shape == (128, 128) and small[3, 70] == pytest.approx(whole[12:16, 280:284].mean())
    # The coat is dark and the sky is bright; the earlier cameraman has grass where this one's coat is.
    assert small[70, 20] < 0.1 < 0.7 < small[10, 10]


def test_pixels_lie_in_the_middle_of_their_squares():
    x = pixel_centres(4)
    assert x[:5].tolist() == [[-0.75, -0.75], [-0.75, -0.25], [-0.75, 0.25], [-0.75, 0.75], [-0.25, -0.75]]
