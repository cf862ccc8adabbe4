"""The choice of a kernel: automatic with a fallback, or the one that is asked for with a reason."""

import pytest
import torch
from tests.ops.spline_cases import EVEN, make_knots
from torch.func import vmap

from edgewise.errors import InputError
from edgewise.ops import backend
from edgewise.ops.backend import choose, use_kernel
from edgewise.ops.contract import spline_sum
from edgewise.ops.kernels import cpu, reference

needs_cpu = pytest.mark.skipif(not cpu.variants(), reason="the CPU kernel is not built")


def tensors(dtype=torch.float64):
    return (
        torch.zeros(4, 2, dtype=dtype),
        torch.ones(2, 6, 3, dtype=dtype),
        make_knots(EVEN, 3, 3, inputs=2, dtype=dtype),
    )


@needs_cpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_kernel_is_chosen_where_it_is_there(dtype):
    assert choose(3, None, *tensors(dtype)) is cpu


def test_the_reference_when_asked_for_and_only_within_the_block():
    outside = choose(3, *tensors())
    with use_kernel("reference"):
        assert choose(3, *tensors()) is reference
        with use_kernel(None):
            assert choose(3, *tensors()) is outside
        assert choose(3, *tensors()) is reference
    assert choose(3, *tensors()) is outside


def test_an_error_within_the_block_restores_the_choice():
    outside = choose(3, *tensors())
    with pytest.raises(RuntimeError), use_kernel("reference"):
        raise RuntimeError
    assert choose(3, *tensors()) is outside


@needs_cpu
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: x.half(), "the CPU kernel takes float32 and float64, got torch.float16"),
        (lambda x: x.to("meta"), "the CPU kernel takes tensors on the CPU, got one on meta"),
        (lambda x: x.to_sparse(), "the CPU kernel takes plain dense tensors, got Tensor"),
        (lambda x: x.float(), "the CPU kernel takes tensors of one dtype, got torch.float32 and torch.float64"),
        (lambda x: torch._efficientzerotensor(x.shape, dtype=x.dtype), "with memory of their own"),
    ],
)
def test_what_the_compiled_kernel_refuses_falls_back_or_raises_the_reason(change, reason):
    x, coef, knots = tensors()
    assert choose(3, change(x), coef, knots) is reference
    with use_kernel("cpu"), pytest.raises(InputError, match=reason):
        choose(3, change(x), coef, knots)


@needs_cpu
def test_batched_tensors_of_vmap_go_to_the_reference():
    x, coef, knots = tensors()
    x = torch.linspace(-0.5, 1, 8, dtype=torch.float64).reshape(4, 2)
    chosen = []
    vmap(lambda row: chosen.append(choose(3, row[None], coef, knots)) or row)(x)
    assert chosen == [reference]
    assert torch.allclose(vmap(lambda row: spline_sum(row[None], coef, knots, 3)[0])(x), spline_sum(x, coef, knots, 3))


def test_without_the_library_the_reason_is_a_sentence(monkeypatch):
    monkeypatch.setattr(cpu, "_LIBRARY", None)
    monkeypatch.setattr(cpu, "_MISSING", "it was not built")
    assert choose(3, *tensors()) is reference
    with use_kernel("cpu"), pytest.raises(InputError, match=r'^kernel "cpu" was requested, but it was not built$'):
        choose(3, *tensors())
    assert cpu.variants() == []


def test_unknown_kernels_are_refused():
    with pytest.raises(InputError, match='kernel must be "cpu", "reference" or None, got \'gpu\''), use_kernel("gpu"):
        pass
    assert set(backend.KERNELS) == {"cpu", "reference"}
