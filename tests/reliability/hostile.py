"""Small files of each kind that a command reads, to be mutated, with the reader of each."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from edgewise import KANRegressor, load, save
from edgewise.checkpoint import codec, strict_json
from edgewise.cli.app import app
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.errors import EdgewiseError
from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.pde import PDE, Dirichlet, Interval, solve
from edgewise.tables import read_table

LIBRARY_SHARE = 4  # mutations of a kind that the library reads, for each one that a command reads: those cost more


class CommandFailed(Exception):
    """A command ended with anything but success or one sentence."""


def run_command(*words: object) -> None:
    """Run `edgewise` in this process. Raises CommandFailed unless it succeeds or is refused in one sentence."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise CommandFailed(f"{type(done.exception).__name__}: {done.exception}")
    if done.exit_code not in (0, 1) or "Traceback" in done.output or "bug in Edgewise" in done.output:
        raise CommandFailed(f"exit code {done.exit_code}: {done.stderr[-200:]}")
    if done.exit_code == 1:
        if done.stderr.count("\n") != 1:
            raise CommandFailed(f"not one sentence: {done.stderr[-200:]}")
        raise EdgewiseError(done.stderr.strip())


def formula_file() -> bytes:
    """Return a file as `edgewise formula --out FILE.json` writes it, with one formula and no table."""
    node = parse_expression("2.5*a + exp(b)", ["a", "b"])
    front = Front((FrontEntry(Formula(node, ("a", "b")), 0.1),), 10, 1.0)
    content = {"target": "y", "inputs": ["a", "b"], "formula": "2.5*a + exp(b)", "latex": "", "fidelity": []}
    content |= {
        "domain": [],
        "notes": [],
        "front": [],
        "edgewise": "0.2.0",
        "stored": strict_json.encode(codec.plain(front), "formulas", None),
        "table": None,
    }
    return json.dumps(content).encode()


def parquet_table(*, category: bool) -> bytes:
    """Return a small table of two numbers, and a category if wanted, as Parquet."""
    import pyarrow
    from pyarrow import parquet

    draw, buffer = np.random.default_rng(0), io.BytesIO()
    columns = {"a": draw.normal(size=40), "b": draw.normal(size=40)} | ({"kind": ["u", "v"] * 20} if category else {})
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def hostile_kinds(folder: Path) -> dict[str, tuple[bytes, Path, Callable[[Path], object]]]:
    """Return, by name, an original, a path for its mutated copies in the folder, and the reader."""
    poisson = PDE(lambda u, x: u.xx + 1, Interval(0, 1), [Dirichlet(0)])
    solution, model, table = folder / "solution.safetensors", folder / "model.safetensors", folder / "table.csv"
    save(solve(poisson), solution)
    x = np.random.default_rng(1).normal(size=(40, 2))
    save(KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(x, x[:, 0] + x[:, 1] ** 2), model)
    table.write_text("a,b\n" + "".join(f"{i / 7:.3f},{1 - i / 9:.3f}\n" for i in range(20)))
    formulas, rows = formula_file(), np.random.default_rng(0).normal(size=(5, 2))
    return {
        "model files": (model.read_bytes(), folder / "h.safetensors", lambda path: load(path).predict(rows)),
        "CSV tables": (table.read_bytes(), folder / "h.csv", read_table),
        "gzipped tables": (gzip.compress(table.read_bytes()), folder / "h.csv.gz", read_table),
        "solution files": (solution.read_bytes(), folder / "s.safetensors", lambda path: load(path, problem=poisson)),
        "formula files": (formulas, folder / "f.json", FormulaFile.read),
        "Parquet tables": (parquet_table(category=True), folder / "t.parquet", read_table),
        "formula files given to `edgewise info`": (formulas, folder / "i.json", lambda path: run_command("info", path)),
        "formula files given to `edgewise predict`": (
            formulas,
            folder / "p.json",
            lambda path: run_command("predict", path, table),
        ),
        "model files given to `edgewise info`": (
            model.read_bytes(),
            folder / "m.safetensors",
            lambda path: run_command("info", path),
        ),
        "Parquet tables given to `edgewise predict`": (
            parquet_table(category=False),
            folder / "r.parquet",
            lambda path: run_command("predict", model, path),
        ),
    }
