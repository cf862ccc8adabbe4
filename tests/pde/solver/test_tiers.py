"""A tier is a folder, or a file, that can be deleted alone: nothing but its class in `cascade` imports it."""

import subprocess
import sys

import pytest
from tests.night import at_night

WITHOUT = """
import importlib, pkgutil, sys
import edgewise.pde
from edgewise.pde.solver import solving

deleted, tier = sys.argv[1:]
names = [each.name for each in pkgutil.walk_packages(edgewise.pde.__path__, "edgewise.pde.")]
modules = [each for each in names if not (each + ".").startswith(deleted + ".")]
for name in [each for each in sys.modules if each.startswith(deleted)]:
    del sys.modules[name]
assert len(modules) < len(names)
sys.modules[deleted] = None
for name in modules:
    importlib.import_module(name)
kept = tuple(each for each in solving.TIERS if each.name != tier)
assert len(kept) == len(solving.TIERS) - 1
solving.TIERS = kept
problem = edgewise.pde.PDE(lambda u: u.t + u, edgewise.pde.Time(0, 1), [edgewise.pde.Initial(1.0)])
print(edgewise.pde.solve(problem, tolerance=1e-4).tier)
"""


@pytest.mark.parametrize(
    ("folder", "tier"),
    [
        *at_night(("tensor_train", "tensor train"), ("unknown_fields", "penalised least squares")),
        ("least_squares", "least squares"),
        *at_night(("galerkin.cut_stationary", "cut cells")),
    ],
)
def test_without_a_tier_all_else_is_imported_and_solves(folder, tier):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, f"edgewise.pde.tiers.{folder}", tier], capture_output=True, text=True
    )
    assert run.stdout.strip() == "time elements", run.stderr
