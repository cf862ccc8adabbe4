"""Makes, stores and compares golden rows: `python -m tests.golden.runner`."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path

from tests.golden.comparison import Row, file_differences

KINDS = ("tables", "equations", "laws", "edits", "networks")
FOLDER, ROOT = Path(__file__).parent, Path(__file__).parents[2]
QUICK_SECONDS = 3.0  # CPU seconds up to which a row belongs to the quick form
WITHOUT_INSTALLED = """import sys
sys.meta_path[:] = [each for each in sys.meta_path if "editable" not in type(each).__module__]
"""
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "statsmodels")


def bits(*arrays: object) -> str:
    """A short hash of the bits of arrays and numbers, all as float64."""
    import numpy as np

    digest = hashlib.sha256()
    for array in arrays:
        values = array.detach().numpy() if hasattr(array, "detach") else array
        digest.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return digest.hexdigest()[:16]


def ordered(formula: str, names: Sequence[str]) -> str:
    """A formula with its terms and factors in an order that no processor changes."""
    import sympy

    return str(sympy.sympify(formula, {name: sympy.Symbol(name) for name in names}))


def made_row(kind: str, name: str) -> Row:
    """Make one row in this process; what an exception says is a row, too."""
    import edgewise

    assert Path(edgewise.__file__).is_relative_to(ROOT), f"edgewise is that of {edgewise.__file__}"
    rows = importlib.import_module(f"tests.golden.{kind}").ROWS
    begin = time.process_time()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            row = dict(rows[name]())
        except Exception as error:
            row = {"raised": f"{type(error).__name__}: {error!s:.200}"}
    return {**row, "seconds": round(time.process_time() - begin, 2)}


def made_rows(names: list[tuple[str, str]], *, shown: bool) -> dict[str, dict[str, Row]]:
    """Make rows, by kind and name, in two processes of one thread, those of a kind in their order."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    rows: dict[str, dict[str, Row]] = {}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for (kind, name), row in zip(names, pool.map(made_row, *zip(*names, strict=True)), strict=True):
            rows.setdefault(kind, {})[name] = row
            if shown:
                print(f"{kind}, {name}: {row['seconds']:.2f} CPU s", flush=True)
    return rows


def all_names(kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Kinds and names of all rows."""
    return [(kind, name) for kind in kinds for name in importlib.import_module(f"tests.golden.{kind}").ROWS]


def write(folder: Path, kind: str, rows: dict[str, Row]) -> None:
    """Write the rows of a kind, one a line, with the commit and the machine."""
    head = {
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip(),
        "machine": {"processor": processor(), "python": platform.python_version()},
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "seconds": round(sum(row["seconds"] for row in rows.values()), 1),
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items())
    (folder / f"{kind}.json").write_text(f'{{\n{text},\n"rows": {{\n{lines}\n}}}}\n', encoding="utf-8")


def processor() -> str:
    """Name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def read(folder: Path, kind: str) -> dict[str, Row]:
    """Stored rows of a kind; none where there is no file."""
    path = folder / f"{kind}.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else {}


def quick_rows(rows: dict[str, Row]) -> dict[str, Row]:
    """The rows that took little time."""
    return {name: row for name, row in rows.items() if row["seconds"] <= QUICK_SECONDS}


def rows_of_base(commit: str, kinds: tuple[str, ...], *, quick: bool) -> dict[str, dict[str, Row]]:
    """Rows that an earlier commit makes on this machine, with its own sources and this one's compiled kernel."""
    if subprocess.run(["git", "diff", "--quiet", commit, "--", "src/edgewise/csrc"], cwd=ROOT).returncode:
        sys.exit(f"BASE must have the C++ sources of the compiled kernel, got {commit}, whose sources are others")
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        # An editable install puts a finder before all paths, in each process; `site` imports this file after it.
        (tree / "sitecustomize.py").write_text(WITHOUT_INSTALLED, encoding="utf-8")
        paths = [str(tree / part) for part in ("src", "experiments", ".")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        libraries = [path for entry in sys.path for path in Path(entry).glob("edgewise/**/libedgewise_cpu.*")]
        if libraries:
            environment["EDGEWISE_CPU_LIBRARY"] = str(libraries[0])
        command = [sys.executable, "-m", "tests.golden.runner", "--folder", folder, "--kinds", *kinds]
        command += ["--quick"] if quick else []
        subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL)  # rows that raise are stored, too
        rows = {kind: read(Path(folder), kind) for kind in kinds}
    if not all(rows.values()):
        sys.exit(f"BASE must be a commit that makes golden rows, got {commit}, which made none")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the stored rows instead of storing")
    parser.add_argument("--quick", action="store_true", help="only rows that took little time when they were stored")
    parser.add_argument("--base", default="", help="a commit: compare with the rows that it makes on this machine")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="only these kinds")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where rows are stored")
    options = parser.parse_args()
    kinds, begin = tuple(options.kinds), time.perf_counter()
    if options.base:
        stored = rows_of_base(options.base, kinds, quick=options.quick)
    else:
        stored = {kind: read(FOLDER, kind) for kind in kinds}
        stored = {kind: quick_rows(rows) for kind, rows in stored.items()} if options.quick else stored
    names = all_names(kinds)
    if options.quick:
        names = [(kind, name) for kind, name in names if name in stored[kind]]
    is_check = options.check or bool(options.base)
    made = made_rows(names, shown=not is_check)
    if not is_check:
        for kind, rows in made.items():
            write(options.folder, kind, rows)
        raised = [f"{kind}, {name}" for kind, rows in made.items() for name in rows if "raised" in rows[name]]
        if raised:
            print(f"rows that raised an error: {', '.join(raised)}")
        return int(bool(raised))
    lines = [
        f"{kind}, {line}"
        for kind in kinds
        for line in file_differences(stored[kind], made.get(kind, {}), by_bits=bool(options.base))
    ]
    spent = sum(row["seconds"] for rows in made.values() for row in rows.values())
    seconds = time.perf_counter() - begin
    lines.append(f"golden rows: {len(names)} made, {len(lines)} differ, {spent:.0f} CPU s, {seconds:.0f} s")
    print("\n".join(lines))
    return int(len(lines) > 1)


if __name__ == "__main__":
    sys.exit(main())
