"""The environment limits the CPU kernel to an instruction set, so that one machine can test what others compute."""

import os
import subprocess
import sys

import pytest
from tests.night import at_night

from edgewise.ops.kernels import cpu

pytestmark = pytest.mark.skipif(not cpu.variants(), reason="the CPU kernel is not built")

PROGRAM = """
import torch
from edgewise.ops.kernels import cpu
from edgewise.ops.kernels.cpu import LayerCall

draw = torch.Generator().manual_seed(0)
x = torch.rand(200, 3, generator=draw)
coef = torch.randn(3, 8, 5, generator=draw)
knots = torch.linspace(-0.6, 1.6, 12).repeat(3, 1)
call = LayerCall(x, coef, knots, 3)
print([bool(torch.equal(cpu.layer(call), cpu.layer(call, variant=name))) for name in cpu.variants()])
"""


def run(instructions):
    """What the program prints, and its warnings, with the kernel limited to an instruction set."""
    environment = {**os.environ, "EDGEWISE_INSTRUCTIONS": instructions}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", [*cpu.variants()[:1], *at_night(*cpu.variants()[1:])])
def test_calls_run_on_the_named_instructions(name):
    assert eval(run(name).stdout)[cpu.variants().index(name)] is True


def test_unknown_instructions_are_named_and_the_best_run():
    run_ = run("sse9")
    assert "EDGEWISE_INSTRUCTIONS must be one of" in run_.stderr
    assert eval(run_.stdout)[0] is True
