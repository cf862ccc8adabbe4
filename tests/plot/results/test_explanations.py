"""Figures of shares: their dots and bars are the shares."""

import numpy as np
import pytest

from edgewise.interpret.attribution.explanations import explain_local
from edgewise.plot.results.explanations import share_bars, share_dots
from edgewise.plot.style import render


def explanation(outputs=1):
    X = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    return explain_local(
        lambda X: np.stack([2 * X[:, 0] + X[:, 1], -X[:, 0]][:outputs], 1), X, names=["a$", "b", "c", "d"]
    )


@pytest.mark.slow
def test_dots_are_the_shares_strongest_first():
    local = explanation()
    axes = share_dots(local).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 0], local.shares[:, 0, 0])
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == [r"a\$", "b"]
    offsets = axes.collections[0].get_offsets()[:, 1]
    assert np.abs(offsets).max() < 0.5  # dots of one input stay in its lane
    assert axes.get_xlabel() == "added to y"
    assert render(share_dots(local), ".svg") == render(share_dots(local), ".svg")


def test_bars_lead_from_the_mean_to_the_prediction():
    local = explanation(2)
    axes = share_bars(local, 3, output=0, max_inputs=2).axes[0]
    bars = axes.patches
    assert bars[0].get_x() == pytest.approx(local.base[0])
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(local.prediction[3, 0])
    assert axes.get_yticklabels()[-1].get_text() == "2 others"
    assert axes.get_xlabel() == "y1"
