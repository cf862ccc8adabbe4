"""The CPU kernel where compiled code goes wrong: odd numbers, odd memory, threads, processes, huge strides."""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
import torch
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots

from edgewise.ops.kernels import cpu, reference
from edgewise.ops.kernels.cpu import LayerCall

pytestmark = pytest.mark.skipif(not cpu.variants(), reason="the CPU kernel is not built")
each_variant = pytest.mark.parametrize("variant", cpu.variants())


def make_case(batch, inputs, outputs, grid_size, *, degree=3, kind=EVEN, dtype=torch.float64):
    """u, x, coef, knots; the points reach beyond the domain on both sides."""
    generator = torch.Generator().manual_seed(2)
    knots = make_knots(kind, grid_size, degree, inputs=inputs)
    low, high = knots[:, degree], knots[:, -degree - 1]
    x = low + (high - low) * (1.4 * torch.rand(batch, inputs, generator=generator, dtype=torch.float64) - 0.2)
    u = torch.randn(batch, outputs, generator=generator, dtype=torch.float64)
    coef = torch.randn(inputs, grid_size + degree, outputs, generator=generator, dtype=torch.float64)
    return tuple(tensor.to(dtype) for tensor in (u, x, coef, knots))


def all_results(u, x, coef, knots, degree=3, variant=None):
    """Value and gradients of a whole layer and of the plain sum."""
    base, mask = torch.ones_like(coef[:, 0]), torch.ones_like(coef[:, 0])
    whole = LayerCall(x, coef, knots, degree, base, mask, "silu")
    return (
        cpu.layer(whole, variant=variant),
        *cpu.layer_gradients(u, whole, variant=variant),
        cpu.layer(LayerCall(x, coef, knots, degree, order=1), variant=variant),
    )


def relative(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.slow
@each_variant
@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
def test_equals_the_reference_in_blocks_and_tiles(variant, kind):
    for shape, grid_size in itertools.product([(1, 1, 1), (700, 3, 5), (5000, 2, 130), (3, 40, 18)], [1, 6, 200]):
        u, x, coef, knots = make_case(*shape, grid_size, kind=kind)
        y = cpu.layer(LayerCall(x, coef, knots, 3), variant=variant)
        grad_x, grad_coef, _ = cpu.layer_gradients(u, LayerCall(x, coef, knots, 3), variant=variant)
        assert relative(y, reference.to_output(None, x, coef, knots, 3, 0)) < 1e-12
        assert relative(grad_x, reference.to_input(u, x, coef, knots, 3, 1)) < 1e-12
        assert relative(grad_coef, reference.to_coef(u, None, x, knots, 3, 0)) < 1e-12


@pytest.mark.slow
@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "grid_size"), [(EVEN, 5), (UNEVEN, 20), (STEEP, 700)])
def test_one_output(variant, dtype, kind, grid_size):
    """By polynomials and moments; 700 intervals are more than the samples of a block."""
    for degree, order in itertools.product(range(6), [0, 1, 2]):
        u, x, coef, knots = make_case(601, 3, 1, grid_size, degree=degree, kind=kind, dtype=dtype)
        v = torch.rand_like(x)
        case = [t.double() for t in (u, v, x, coef, knots)]
        whole, weighted = LayerCall(x, coef, knots, degree), LayerCall(x, None, knots, degree, v=v, order=order)
        got = (
            cpu.layer(LayerCall(x, coef, knots, degree, v=v, order=order), variant=variant),
            cpu.layer_gradients(u, whole, x_order=order, wanted=(True, False, False), variant=variant)[0],
            cpu.layer_gradients(u, weighted, wanted=(False, True, False), variant=variant)[1],
        )
        expected = (
            reference.to_output(*case[1:], degree, order),
            reference.to_input(case[0], *case[2:], degree, order),
            reference.to_coef(*case[:3], case[4], degree, order),
        )
        bound = 1e-11 if dtype == torch.float64 else 1e-3
        for one, other in zip(got, expected, strict=True):
            assert (one - other).abs().max() <= bound * max(other.abs().max().item(), 1e-30)


@each_variant
@pytest.mark.parametrize("degree", [1, 3, 5])
def test_float32_is_as_good_on_200_intervals_as_on_5(variant, degree):
    """Against float64 on the very same numbers. Measured: 2e-7 to 7e-7 for values, at both sizes."""
    errors = []
    for grid_size in (5, 200):
        _, x, coef, knots = make_case(2000, 4, 16, grid_size, degree=degree, dtype=torch.float32)
        expected = reference.to_output(None, x.double(), coef.double(), knots.double(), degree, 0)
        errors.append(relative(cpu.layer(LayerCall(x, coef, knots, degree), variant=variant).double(), expected))
    assert max(errors) < 2e-6
    assert errors[1] < 3 * errors[0]


@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_infinities_leave_other_samples_alone(variant, dtype):
    _, x, coef, knots = make_case(6, 2, 3, 4, dtype=dtype)
    spoilt = x.clone()
    spoilt[1, 0], spoilt[4, 1] = torch.inf, -torch.inf
    others = [0, 2, 3, 5]
    for order in range(4):
        got = cpu.layer(LayerCall(spoilt, coef, knots, 3, order=order), variant=variant)
        clean = cpu.layer(LayerCall(x, coef, knots, 3, order=order), variant=variant)
        assert torch.equal(got[others], clean[others])
        expected = reference.to_output(None, spoilt, coef, knots, 3, order)
        assert torch.equal(got[[1, 4]].isfinite(), expected[[1, 4]].isfinite())


@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_denormal_numbers_are_numbers(variant, dtype):
    _, x, coef, knots = make_case(50, 2, 7, 4, dtype=dtype)
    tiny = torch.finfo(dtype).tiny / 64
    y = cpu.layer(LayerCall(x, coef * tiny, knots, 3), variant=variant)
    assert y.count_nonzero() == y.numel()
    assert relative(y / tiny, cpu.layer(LayerCall(x, coef, knots, 3), variant=variant)) < 2e-4
    at_zero = torch.full_like(x, torch.finfo(dtype).smallest_normal / 4)
    expected = cpu.layer(LayerCall(torch.zeros_like(x), coef, knots, 3), variant=variant)
    assert relative(cpu.layer(LayerCall(at_zero, coef, knots, 3), variant=variant), expected) < 1e-6


@each_variant
def test_broken_knots_never_lead_out_of_the_arrays(variant):
    for bad, where in itertools.product([torch.nan, torch.inf, -torch.inf], [0, 3, 6, -1]):
        u, x, coef, knots = make_case(300, 2, 5, 9)
        knots[:, where] = bad
        for results in (
            all_results(u, x, coef, knots, variant=variant),
            all_results(u, x, coef, knots.flip(1).contiguous()),
        ):
            assert [result.shape for result in results] == [u.shape, x.shape, coef.shape, (2, 5), u.shape]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_need_not_be_contiguous(dtype):
    u, x, coef, knots = make_case(40, 3, 5, 4, dtype=dtype)
    v = torch.rand_like(x)
    spread = [torch.stack([t, t + 1], -1)[..., 0] for t in (u, v, x, coef, knots)]
    turned = [t.mT.contiguous().mT for t in (u, v, x, coef, knots)]
    for other_u, other_v, other_x, other_coef, other_knots in (spread, turned):
        assert not other_coef.is_contiguous()
        for got, expected in (
            (cpu.to_output(other_v, other_x, other_coef, other_knots, 3, 0), cpu.to_output(v, x, coef, knots, 3, 0)),
            (cpu.to_input(other_u, other_x, other_coef, other_knots, 3, 1), cpu.to_input(u, x, coef, knots, 3, 1)),
            (cpu.to_coef(other_u, other_v, other_x, other_knots, 3, 0), cpu.to_coef(u, v, x, knots, 3, 0)),
        ):
            assert torch.equal(got, expected)
    expanded = torch.ones(1, 1, dtype=dtype).expand(40, 5)  # what `sum().backward()` sends
    assert torch.equal(cpu.to_coef(expanded, None, x, knots, 3, 0), cpu.to_coef(expanded.clone(), None, x, knots, 3, 0))


def test_strides_beyond_32_bits(tmp_path):
    """A sparse file of 17 GB of addresses, of which a few pages are touched."""
    far = 2**31 + 7
    numbers = np.memmap(tmp_path / "sparse", dtype=np.float32, mode="w+", shape=2 * far + 100)
    memory = torch.from_numpy(numbers)
    u, x, coef, knots = make_case(3, 2, 4, 2, dtype=torch.float32)
    wide_x = torch.as_strided(memory, (3, 2), (far, 1), 0)
    wide_u = torch.as_strided(memory, (3, 4), (far, 1), 10)
    wide_coef = torch.as_strided(memory, (2, 5, 4), (far, 4, 1), 20)
    for wide, plain in ((wide_x, x), (wide_u, u), (wide_coef, coef)):
        wide.copy_(plain)
    wide_results = all_results(wide_u, wide_x, wide_coef, knots)
    for got, expected in zip(wide_results, all_results(u, x, coef, knots), strict=True):
        assert torch.equal(got, expected)
    assert os.stat(tmp_path / "sparse").st_blocks * 512 < 2**20


@pytest.fixture
def threads():
    """Sets torch's threads; one again afterwards."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(9000, 8, 16), (9000, 2, 40), (300, 64, 64), (70000, 1, 3)])
def test_any_number_of_threads_gives_the_same_bits(threads, shape):
    case = make_case(*shape, 20, dtype=torch.float32)
    alone = all_results(*case)
    for count in (2, 3, 8):
        threads(count)
        for _ in range(2):
            for got, expected in zip(all_results(*case), alone, strict=True):
                assert torch.equal(got, expected)


def test_many_threads_may_call_at_once():
    case = make_case(2000, 4, 9, 7)
    expected, results = all_results(*case), {}

    def work(name):
        results[name] = [all_results(*case) for _ in range(20)]

    workers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 8
    assert all(
        torch.equal(a, b) for runs in results.values() for run in runs for a, b in zip(run, expected, strict=True)
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_computes_with_threads_of_its_own(threads):
    threads(2)
    case = make_case(9000, 8, 16, 5)
    expected = all_results(*case)  # threads have run here before the fork
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(60)  # an end for a process that hangs
        try:
            # By numpy: torch's own threads (OpenMP) hang in a fork that comes after they have run.
            same = [np.array_equal(a.numpy(), b.numpy()) for a, b in zip(all_results(*case), expected, strict=True)]
            status = int(not all(same))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
