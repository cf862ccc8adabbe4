"""No network, no other process, and no file outside the folder that the user names, through every door."""

import os
import subprocess
import sys

import pytest

# The hook sees every file that is opened for writing, every socket and every process, in Python and in libraries that
# use Python's functions. It cannot be removed again, so it runs in a process of its own.
PROGRAM = """
import os, sys, warnings
folder = os.path.realpath(sys.argv[1])
seen = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ALLOWED = (folder, os.devnull, "/dev/")

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class")):
        seen.append((event, str(arguments)[:200]))
    path = None
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        flags, mode = arguments[2] or 0, arguments[1] or "r"
        path = arguments[0] if flags & WRITING or set(str(mode)) & set("wax+") else None
    elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"):
        path = arguments[0]
    elif event in ("os.rename", "os.link", "os.symlink"):
        path = arguments[1]
    if path is not None and not os.path.realpath(os.fsdecode(path)).startswith(ALLOWED):
        seen.append((event, os.fsdecode(path)))

import numpy as np
import edgewise, sklearn.ensemble, matplotlib.figure, torch, scipy.stats  # caches of fonts may be written by an import
import edgewise.plot, edgewise.pde, edgewise.export, edgewise.report
drawn = edgewise.plot.network_diagram(edgewise.KAN([2, 1]), torch.zeros(3, 2))
edgewise.plot.save(drawn, os.path.join(folder, "warm.svg"))
sys.addaudithook(hook)
x = np.random.default_rng(0).normal(size=(60, 2))
y = x[:, 0] + np.sin(x[:, 1])
model = edgewise.KANRegressor().fit(x, y)
edgewise.KANClassifier().fit(x, y > 0).predict_proba(x)
at = lambda name: os.path.join(folder, name)
edgewise.save(model, at("m.safetensors"))
edgewise.load(at("m.safetensors")).predict(x)
edgewise.plot.save(edgewise.plot.network_diagram(model), at("n.svg"))
model.export(at("m.py"))
model.export(at("m.c"))
model.report(at("r.html"))
edgewise.find_formula(x, x[:, 0] * 2, time_limit=5)
from edgewise.pde import PDE, Dirichlet, Interval, solve
solution = solve(PDE(lambda u, x: u.xx + 1, Interval(0, 1), [Dirichlet(0)]), tolerance=1e-3)
edgewise.save(solution, at("s.safetensors"))
open(at("done"), "w").close()
print("\\n".join(f"{event}: {what}" for event, what in seen))
"""


@pytest.mark.nightly
def test_nothing_is_sent_started_or_written_elsewhere(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]
