"""Samples in chunks and in other dtypes."""

import pytest
import torch

from edgewise.train.blocks import Data


def test_chunks_keep_the_order_and_share_the_whole():
    data = Data(torch.arange(10.0)[:, None], torch.arange(10.0)[:, None] + 1, torch.ones(10))
    parts = list(data.chunks(1, 4))
    assert [len(part) for part, _ in parts] == [4, 4, 2]
    assert sum(share for _, share in parts) == pytest.approx(1)
    for name in ("x", "y", "weight"):
        assert torch.equal(torch.cat([getattr(part, name) for part, _ in parts]), getattr(data, name))


def test_auxiliary_values_stay_with_their_samples():
    data = Data(
        torch.zeros(5, 1), torch.zeros(5, 0), None, {"normal": torch.arange(5.0)[:, None], "id": torch.arange(5)}
    )
    picked = data.select(torch.tensor([3, 1])).to(torch.float64)
    assert picked.auxiliary["normal"].tolist() == [[3.0], [1.0]] and picked.auxiliary["normal"].dtype == torch.float64
    assert picked.auxiliary["id"].tolist() == [3, 1]
    assert [part.auxiliary["id"].tolist() for part, _ in data.chunks(1, 3)] == [[0, 1, 2], [3, 4]]
