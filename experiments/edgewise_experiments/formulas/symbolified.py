"""Cost of turning an unpruned [2,5,1] into formulas: seconds and memory of a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from edgewise import KAN, Regression, fit, symbolify
from edgewise.errors import EdgewiseError
from edgewise.formulas.constants import relative_error
from edgewise.train import LevenbergMarquardt
from edgewise_experiments.data.functions import TOY_FUNCTIONS

TARGET, SAMPLES, WIDTH = "toy 2", 1000, (2, 5, 1)
SECONDS = 27.0  # time limit of `symbolify`
IN_A_PROCESS = (
    "import json, sys; from edgewise_experiments.formulas.symbolified import symbolified; "
    "sys.stdout.write(json.dumps(symbolified(int(sys.argv[1]), float(sys.argv[2]))))"
)


def measured(seed: int, limit: float = SECONDS) -> dict:
    """Run `symbolified` in a fresh process, so that the memory is its own."""
    words = [sys.executable, "-c", IN_A_PROCESS, str(seed), str(limit)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise EdgewiseError(f"the process that turns a network into a formula ended with {done.stderr[-300:]!r}")
    return json.loads(done.stdout)


def _peak_bytes() -> int:
    """Return the largest memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage counts the memory of the process that started this one, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def symbolified(seed: int, limit: float) -> dict:
    """Measure the seconds of `symbolify` alone and the peak memory of this process, with the best formula."""
    target = TOY_FUNCTIONS[TARGET]
    x, y = target.sample(SAMPLES, seed)
    data = Regression(torch.from_numpy(x), torch.from_numpy(y))
    model = KAN(list(WIDTH), grid_size=5, seed=seed, dtype=torch.float64)
    fit(model, data, LevenbergMarquardt(), steps=50)
    wall, cpu = time.perf_counter(), time.process_time()
    front = symbolify(model, data, names=target.names, time_limit=limit)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    fresh_x, fresh_y = target.sample(SAMPLES, seed=1_000_000 + seed)
    return {
        "seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "peak_bytes": _peak_bytes(),
        "formula": front.best.formula.text(12),
        "complexity": front.best.complexity,
        "relative": relative_error(front.best.formula.expression, fresh_x, fresh_y),
        "said": list(front.messages),
    }
