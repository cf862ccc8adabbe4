"""Builds the CPU kernel for 64-bit ARM (NEON) and compares it with the reference: python tools/check_neon.py

On another processor it needs cmake, a cross compiler and qemu's user mode (Debian: g++-aarch64-linux-gnu, qemu-user).
"""

import itertools
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from edgewise import KANLayer
from edgewise.ops.backend import use_kernel

ROOT = Path(__file__).resolve().parents[1]
COMPILER, RUNNER = "aarch64-linux-gnu-g++", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
SHAPES = [(1, 1, 1), (300, 3, 1), (700, 2, 5), (90, 5, 16), (300, 2, 33), (40, 2, 130)]
GRIDS, DEGREES = (1, 7, 60), range(6)
BOUNDS = {torch.float64: 1e-12, torch.float32: 1e-4}  # relative to the largest number of a result


def build(folder: Path) -> Path:
    options = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={COMPILER}"]
    subprocess.run(["cmake", "-S", str(ROOT), "-B", str(folder), *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder), "--parallel", "2"], check=True, stdout=subprocess.DEVNULL)
    program, source = folder / "driver", ROOT / "tools" / "neon_driver.cpp"
    include = f"-I{ROOT / 'src' / 'edgewise' / 'csrc'}"
    search = [f"-L{folder}", f"-Wl,-rpath,{folder}"]
    command = [COMPILER, "-O1", "-std=gnu++17", include, str(source), "-o", str(program), *search, "-ledgewise_cpu"]
    subprocess.run(command, check=True)
    return program


def worst(program: Path, shape: tuple[int, int, int], grid_size: int, degree: int, dtype: torch.dtype) -> float:
    """The largest relative difference among value and gradients of one layer."""
    batch, inputs, outputs = shape
    generator = torch.Generator().manual_seed(5)
    layer = KANLayer(inputs, outputs, grid_size=grid_size, degree=degree, generator=generator, dtype=dtype)
    layer.mask[0, 0] = 0.5
    x = (2.6 * torch.rand(batch, inputs, generator=generator, dtype=torch.float64) - 1.3).to(dtype)  # some outside
    u = torch.randn(batch, outputs, generator=generator, dtype=torch.float64).to(dtype)
    sizes = np.array([dtype == torch.float64, batch, inputs, grid_size + degree, outputs, degree, 0], dtype=np.int64)
    tensors = (x, layer.coef, layer.base, layer.mask, layer.knots, u)
    numbers = b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)
    done = subprocess.run([*RUNNER, str(program)], input=sizes.tobytes() + numbers, capture_output=True, check=True)
    got = torch.from_numpy(np.frombuffer(done.stdout, dtype=x.numpy().dtype).copy()).double()
    exact = layer.double()
    leaves = [x.double().requires_grad_(), exact.coef, exact.base]
    with use_kernel("reference"):
        y = exact(leaves[0])
        expected = [y, *torch.autograd.grad(y, leaves, u.double())]
    parts = got.split([part.numel() for part in expected])
    return max(
        float((part - right.flatten()).abs().max() / right.abs().max().clamp(min=1e-30))
        for part, right in zip(parts, [tensor.detach() for tensor in expected], strict=True)
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for dtype, bound in BOUNDS.items():
            cases = itertools.product(SHAPES, GRIDS, DEGREES)
            errors = {case: worst(program, *case, dtype) for case in cases}
            case = max(errors, key=errors.get)
            print(f"{dtype}: {len(errors)} layers, largest relative difference {errors[case]:.1e} at {case}")
            if not errors[case] <= bound:
                raise SystemExit(f"NEON check failed: the bound is {bound}")


if __name__ == "__main__":
    main()
