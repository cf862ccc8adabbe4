"""The Triton kernel without a GPU: its numbers in Triton's interpreter, and its code compiled for devices."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

# Triton decides when it is imported whether it interprets, so both tests have processes of their own.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None, reason="triton is not installed: pip install 'edgewise[triton]'"
    ),
]


def run(*arguments, interpret, folder):
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment |= {"TRITON_INTERPRET": "1"} if interpret else {"TRITON_CACHE_DIR": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_its_numbers_are_those_of_the_reference(tmp_path):
    tests = HERE / "interpreted_triton.py"
    shown = run("-m", "pytest", "-p", "no:cacheprovider", "-m", "", str(tests), interpret=True, folder=tmp_path)
    assert "skipped" not in shown


def test_it_compiles_to_tensor_cores_without_atomic_additions(tmp_path):
    lines = run(str(HERE / "compiled_triton.py"), interpret=False, folder=tmp_path).splitlines()
    assert lines == [
        "_to_output 90 fp32 cores 0",
        "_to_input 90 fp32 cores 0",
        "_to_coef 90 fp32 cores 0",
        "_to_output 80 bf16 cores 0",
        "_to_coef 80 fp64 cores 0",
    ]
