"""Shapes as data: what is accepted, what it becomes, and one sentence for everything else."""

import re

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.config import KANConfig, MLPConfig


def test_lists_and_numpy_integers_become_plain_ints():
    config = KANConfig([np.int64(2), 3, 1], np.int32(4), np.int64(2))
    assert config == KANConfig((2, 3, 1), (4, 4), 2, "silu")
    assert all(type(n) is int for n in (*config.width, *config.grid_size, config.degree))
    assert KANConfig([2, 1], [7]).grid_size == (7,)
    assert MLPConfig([2, 1]) == MLPConfig((2, 1), "silu")


@pytest.mark.parametrize(
    "width", [[2], [], [2, 0], [2, -1], [2, 1.0], [2, True], "21", 2, None, np.array([2, 1]), {2, 1}]
)
def test_bad_width(width):
    message = f"width must list at least two positive integers, inputs first, got {width!r}"
    for config in (KANConfig, MLPConfig):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            config(width)


def test_sizes_beyond_any_memory():
    for make in (lambda: KANConfig([2, 2**70]), lambda: MLPConfig([2**31, 2**31])):
        with pytest.raises(InputError, match=r"^width must have fewer than 2\*\*60 edges between two layers"):
            make()
    with pytest.raises(InputError, match=r"^grid_size must be small enough for 2\*\*60 weights"):
        KANConfig([2, 1], 2**70)


@pytest.mark.parametrize("grid_size", [0, -1, 2.0, True, "5", None, (), (3,), (3, 4, 5), (3, 0)])
def test_bad_grid_size(grid_size):
    message = f"grid_size must be a positive integer, or one for each of the 2 layers, got {grid_size!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        KANConfig((2, 3, 1), grid_size)


@pytest.mark.parametrize("degree", [-1, 11, 3.0, True, None, [3, 3], "3"])
def test_bad_degree(degree):
    several = ", or one for each of the 1 layers" if isinstance(degree, list) else ""
    message = f"degree must be an integer from 0 to 10{several}, got {degree!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        KANConfig((2, 1), degree=degree)


@pytest.mark.parametrize("name", ["softmax", "", None, ["silu"], torch.nn.Softmax(1)])
def test_bad_names(name):
    bases = "silu, identity, zero, tanh, relu, gelu, softplus, sin, or a function of torch such as torch.erf"
    message = f"base must be one of {bases}, got {name!r}"
    if callable(name):
        message = f"base must apply to each number of a tensor, got {name!r}: a value depends on the other points, or "
        message += "on chance"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        KANConfig((2, 1), base=name)
    message = f"activation must be one of silu, tanh, relu, got {name!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        MLPConfig((2, 1), name)
