"""Times layers on a GPU beside nn.Linear, and a step of Levenberg-Marquardt: medians of interleaved runs.

python benchmarks/gpu.py [--quick] [--out results]. Without a GPU it says so and measures nothing; `--device
cpu` runs the same program on the CPU, to try it out, and writes no file. Times are those between two events on the
device, forward + backward; memory is the largest allocation of a call beyond what the layer and its input hold. inkan
and FlashKAT are peers where they can be imported; FlashKAT is no package: PYTHONPATH must name a clone of
github.com/OSU-STARLAB/FlashKAT.
"""

import argparse
import importlib.util
import itertools
import json
import statistics
import time
from pathlib import Path

import torch
from torch.nn.functional import linear, silu

from edgewise import KAN, KANLayer, Regression, fit
from edgewise.ops import use_kernel
from edgewise.train import LevenbergMarquardt
from edgewise_experiments.runner.store import RESULTS, Store

BATCHES, WIDTHS, GRIDS = (256, 1024, 4096, 16384, 65536), (64, 256, 768), (5, 64)
DTYPES = (torch.float32, torch.bfloat16)
REPEATS, WARM = 21, 3
MOST_BYTES = 20e9  # of a basis that a peer holds at once, some times over
LM_ROWS, LM_WIDTH, LM_GRID = 1_000_000, [10, 20, 1], 19  # 5,060 parameters


class AllFunctions(torch.nn.Module):
    """The layer of efficient-kan: every basis function by the recursion of Cox and de Boor, then one dense product."""

    def __init__(self, inputs, outputs, grid_size, degree=3):
        super().__init__()
        step = 2 / grid_size
        knots = torch.arange(-degree, grid_size + degree + 1) * step - 1
        self.degree, self.base = degree, torch.nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.register_buffer("knots", knots)
        self.coef = torch.nn.Parameter(0.1 * torch.randn(outputs, inputs * (grid_size + degree)))

    def forward(self, x):
        t, at = self.knots, x[..., None]
        values = ((at >= t[:-1]) & (at < t[1:])).to(x.dtype)
        for level in range(1, self.degree + 1):
            rise = (at - t[: -level - 1]) / (t[level:-1] - t[: -level - 1]) * values[..., :-1]
            values = rise + (t[level + 1 :] - at) / (t[level + 1 :] - t[1:-level]) * values[..., 1:]
        return linear(silu(x), self.base) + linear(values.flatten(1), self.coef)


class RationalThenLinear(torch.nn.Module):
    """The layer of FlashKAT: rational functions with one numerator and 8 denominators, then nn.Linear.

    It is no spline layer: its edges differ by a factor alone, and it has no grid.
    """

    def __init__(self, width):
        super().__init__()
        rational = importlib.import_module("rational_kat").FlashKAT_Group
        self.rational, self.linear = rational(width, 1, 8, 6, 4, "swish"), torch.nn.Linear(width, width)

    def forward(self, x):
        return self.linear(self.rational(x[None])[0])


def peers(width, grid_size):
    """Each layer by its name, and the kernel on which it runs."""
    layers = {
        "nn.Linear": (torch.nn.Linear(width, width), None),
        "Edgewise, dense": (KANLayer(width, width, grid_size=grid_size), "dense"),
        "all functions, as efficient-kan": (AllFunctions(width, width, grid_size), None),
    }
    if importlib.util.find_spec("triton"):
        layers["Edgewise, triton"] = (KANLayer(width, width, grid_size=grid_size), "triton")
    if importlib.util.find_spec("inkan"):
        layers["inkan"] = (importlib.import_module("inkan").KANLayer(width, width, grid_size=grid_size), None)
    if importlib.util.find_spec("rational_kat"):
        layers["FlashKAT, no splines"] = (RationalThenLinear(width), None)
    return layers


def milliseconds(call, device):
    """Time of one call, on the device's own clock."""
    if device.type != "cuda":
        start = time.process_time()
        call()
        return 1e3 * (time.process_time() - start)
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    events[0].record()
    call()
    events[1].record()
    torch.cuda.synchronize(device)
    return events[0].elapsed_time(events[1])


def side_by_side(batch, width, grid_size, dtype, settings):
    x = (1.98 * torch.rand(batch, width, device=settings.device) - 0.99).to(dtype).requires_grad_()
    cotangent = torch.randn(batch, width, device=settings.device).to(dtype)
    calls, rows = {}, {}
    for name, (layer, kernel) in peers(width, grid_size).items():
        row = {"layer": name, "batch": batch, "width": width, "grid_size": grid_size, "dtype": str(dtype)[6:]}
        rows[name] = row
        if name != "Edgewise, triton" and batch * width * (grid_size + 3) * 8 * dtype.itemsize > MOST_BYTES:
            row["missing"] = "left out: too much memory"
            continue
        layer = layer.to(settings.device, dtype)
        parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]

        def call(layer=layer, parameters=parameters, kernel=kernel):
            with use_kernel(kernel):
                torch.autograd.grad(layer(x), [x, *parameters], cotangent, allow_unused=True)

        try:
            for _ in range(WARM):
                call()
        except Exception as error:  # a layer that fails is a result
            row["missing"] = f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
            continue
        if settings.device.type == "cuda":
            torch.cuda.synchronize(settings.device)
            torch.cuda.reset_peak_memory_stats(settings.device)
            before = torch.cuda.memory_allocated(settings.device)
            call()
            row["megabytes"] = (torch.cuda.max_memory_allocated(settings.device) - before) / 1e6
        calls[name] = call
    times = {name: [] for name in calls}
    for _ in range(settings.repeats):
        for name, call in calls.items():
            times[name].append(milliseconds(call, settings.device))
    for name, values in times.items():
        rows[name]["milliseconds"] = statistics.median(values)
    return list(rows.values())


def levenberg_marquardt(rows, device):
    """Seconds of a step in float64: the median of three, after one that starts it."""
    generator = torch.Generator(device).manual_seed(0)
    x = 2 * torch.rand(rows, LM_WIDTH[0], generator=generator, dtype=torch.float64, device=device) - 1
    y = torch.sin(3 * x[:, :1]) * x[:, 1:2] + x[:, 2:3] ** 2
    model = KAN(LM_WIDTH, grid_size=LM_GRID, seed=0, dtype=torch.float64, device=device)
    moments = [time.perf_counter()]
    moment = lambda *_: moments.append(time.perf_counter())  # noqa: E731
    fit(model, Regression(x, y), LevenbergMarquardt(), steps=4, callbacks=[moment])
    seconds = [after - before for before, after in itertools.pairwise(moments)]
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"layer": "LevenbergMarquardt", "rows": rows, "parameters": count, "seconds": statistics.median(seconds[1:])}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one batch and width, 10,000 rows for the step")
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args(arguments)
    if settings.device.type == "cuda" and not torch.cuda.is_available():
        print("Nothing was measured: torch sees no GPU on this machine.")
        return
    for module, name in (("inkan", "inkan"), ("rational_kat", "FlashKAT")):
        if not importlib.util.find_spec(module):
            print(f"{name} is left out: the module {module} is not installed.")
    settings.repeats = 3 if settings.quick else REPEATS
    torch.manual_seed(0)
    cells = [(256, 64, 5, torch.float32)] if settings.quick else itertools.product(BATCHES, WIDTHS, GRIDS, DTYPES)
    # Rows of a trial on the CPU are shown and not kept.
    on_gpu = settings.device.type == "cuda"
    store = Store.open(settings.out if on_gpu else None, "gpu", anew=True)
    place = {"device": torch.cuda.get_device_name(settings.device), "cuda": torch.version.cuda} if on_gpu else {}
    for cell in cells:
        for row in side_by_side(*cell, settings):
            print(json.dumps(store.add({**row, **place})), flush=True)
    row = levenberg_marquardt(10_000 if settings.quick else LM_ROWS, settings.device)
    print(json.dumps(store.add({**row, **place})), flush=True)


if __name__ == "__main__":
    main()
