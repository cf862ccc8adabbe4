"""The choice of a kernel: automatic with a fallback, or the one that is asked for with a reason."""

import importlib.util
import threading

import pytest
import torch
from tests.ops.spline_cases import EVEN, make_knots
from torch.func import vmap

from edgewise.errors import InputError
from edgewise.ops.backend import choose, use_kernel
from edgewise.ops.contract import spline_sum
from edgewise.ops.kernels import cpu, dense, reference

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


@needs_cpu
@pytest.mark.parametrize(
    ("change", "instead", "reason"),
    [
        (lambda x: x.half(), dense, "the CPU kernel takes float32 and float64, got torch.float16"),
        (lambda x: x.to("meta"), dense, "the CPU kernel takes tensors on the CPU, got one on meta"),
        (lambda x: x.to_sparse(), reference, "the CPU kernel takes plain dense tensors, got Tensor"),
        (lambda x: torch._efficientzerotensor(x.shape, dtype=x.dtype), reference, "with memory of their own"),
    ],
)
def test_what_the_compiled_kernel_refuses_falls_back_or_raises_the_reason(change, instead, reason):
    x, coef, knots = map(change, tensors())
    assert choose(3, x, coef, knots) is instead
    with use_kernel("cpu"), pytest.raises(InputError, match=reason):
        choose(3, x, coef, knots)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("cpu", lambda x: x.float(), "takes tensors of one dtype, got torch.float32 and torch.float64"),
        ("dense", lambda x: x.float(), "takes tensors of one dtype, got torch.float32 and torch.float64"),
        ("dense", lambda x: x.to("meta"), "takes tensors on one device, got meta and cpu"),
        ("dense", lambda x: x.to_sparse(), "takes plain dense tensors, got Tensor"),
        ("dense", lambda x: x.long(), "takes float16, bfloat16, float32 and float64, got torch.int64"),
    ],
)
def test_a_requested_kernel_gives_the_reason_for_tensors_that_do_not_fit(name, change, reason):
    x, coef, knots = tensors()
    if name == "cpu" and not cpu.variants():
        pytest.skip("the CPU kernel is not built")
    assert choose(3, change(x), coef, knots) is reference
    with (
        use_kernel(name),
        pytest.raises(InputError, match=f'^kernel "{name}" was requested, but the .* kernel {reason}'),
    ):
        choose(3, change(x), coef, knots)


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="triton is installed")
def test_without_triton_its_kernel_is_refused_with_the_command_to_install_it():
    with pytest.raises(InputError, match=r"pip install 'edgewise\[triton\]'"), use_kernel("triton"):
        pass


@needs_cpu
def test_batched_tensors_of_vmap_go_to_the_reference():
    x, coef, knots = tensors()
    x = torch.linspace(-0.5, 1, 8, dtype=torch.float64).reshape(4, 2)
    chosen = []
    vmap(lambda row: chosen.append(choose(3, row[None], coef, knots)) or row)(x)
    assert chosen == [reference]
    assert torch.allclose(vmap(lambda row: spline_sum(row[None], coef, knots, 3)[0])(x), spline_sum(x, coef, knots, 3))


def test_a_backward_pass_in_another_thread_runs_on_the_kernel_of_its_forward_pass(monkeypatch):
    # As torch does it on a GPU; a new thread sees no context variables.
    x, coef, knots = (tensor.requires_grad_(number < 2) for number, tensor in enumerate(tensors()))
    used = []
    for contraction in ("to_input", "to_coef"):
        original = getattr(dense, contraction)
        monkeypatch.setattr(dense, contraction, lambda *given, original=original: used.append(1) or original(*given))
    with use_kernel("dense"):
        y = spline_sum(x, coef, knots, 3).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert len(used) == 2
    assert coef.grad.abs().sum() > 0
