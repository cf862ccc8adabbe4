"""Breaks lines of the core at random, one at a time, and counts how many of them the fast tests of its room notice.

    python -m tests.mutation --count 40 --seed 0

A broken line has another comparison, sign, number or condition. Each is tried in a process of its own that has torch
and scipy already: by the tests that import the module, those of its folder, and those of its room. Some changes make
no difference to results, so nine of ten are a good share.
"""

import argparse
import ast
import importlib
import importlib.util
import multiprocessing
import os
import random
import resource
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "edgewise"
CORE = ("ops", "nn", "train", "gam", "search", "interpret", "tables", "checkpoint", "export", "formulas", "pde")
# Arguments that change no results, and the kernel that only graphics processors run.
NO_RESULT = {"strict", "check_finite", "overwrite_a", "overwrite_b"}
NOT_RUN = SOURCE / "ops" / "kernels" / "triton.py"
UNTOLD = 9  # pytest itself ended with an error
SECONDS = 300  # of CPU; a line that makes tests go on for longer is noticed
# What the rooms import from other packages: loaded once, before the processes of the broken lines begin.
LOADED = ("torch", "scipy.optimize", "scipy.interpolate", "scipy.sparse.linalg", "scipy.stats", "sklearn.base")

OPERATORS = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def broken(node: ast.expr) -> ast.expr | None:
    """The expression with another operator, number or truth; None where there is nothing to break."""
    match node:
        case ast.Compare(left, [operator], comparators) if type(operator) in OPERATORS:
            return ast.Compare(left, [OPERATORS[type(operator)]()], comparators)
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            return ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            return ast.BoolOp(OPERATORS[type(operator)](), values)
        case ast.UnaryOp(ast.Not(), operand):
            return operand
        case ast.Constant(bool() as value):
            return ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            return ast.Constant(value + 1)
    return None


def changes(text: str) -> Iterator[tuple[int, str]]:
    """Each line inside a function that can be broken, with the text of the module after it."""
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    spared = {node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in NO_RESULT}
    for function in ast.walk(tree):
        for statement in getattr(function, "body", []) if isinstance(function, ast.FunctionDef) else []:
            for node in ast.walk(statement):
                if not isinstance(node, ast.expr) or node.lineno != node.end_lineno or node in spared:
                    continue
                changed = broken(node)
                if changed is None:
                    continue
                line = lines[node.lineno - 1].encode()
                expression = f"({ast.unparse(changed)})".encode()
                replaced = (line[: node.col_offset] + expression + line[node.end_col_offset :]).decode()
                yield node.lineno, "".join([*lines[: node.lineno - 1], replaced, *lines[node.lineno :]])


class BrokenModule(SourceFileLoader):
    """Finds one module, with another text than that of its file."""

    def __init__(self, path: Path, text: str) -> None:
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self.text = text

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str):
        return compile(self.text, self.path, "exec")


def tests_of(module: BrokenModule) -> list[str]:
    """The files of tests that import a module, the folder of those beside it, and all of its room."""
    package, _, name = module.name.rpartition(".")
    imports = (f"from {module.name} import", f"import {module.name}", f"from {package} import {name}")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    importing = [path for path in files if any(line in path.read_text(encoding="utf-8") for line in imports)]
    place = Path(module.path).relative_to(SOURCE)
    folder = ROOT / "tests" / place.parent
    while not folder.is_dir():
        folder = folder.parent
    return [str(path) for path in (*importing, folder, ROOT / "tests" / place.parts[0])]


def end_as_tests_do(module: BrokenModule, tests: list[str]) -> None:
    """Run tests with a broken module in this process, which ends with the code of pytest."""
    sys.meta_path.insert(0, module)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    code = UNTOLD
    try:
        code = pytest.main(["-x", "-m", "not slow", "-p", "no:cacheprovider", *tests])
    finally:
        os._exit(code)


def is_noticed(module: BrokenModule) -> bool:
    """Whether a test fails, does not end, or ends the process."""
    tried = multiprocessing.get_context("fork").Process(target=end_as_tests_do, args=(module, tests_of(module)))
    tried.start()
    tried.join(4 * SECONDS)
    tried.kill()
    tried.join()
    if tried.exitcode > 2:
        raise RuntimeError(f"pytest ended with {tried.exitcode} on {module.name}: it found no tests")
    return tried.exitcode != 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="+", default=CORE, help="rooms of src/edgewise")
    parser.add_argument("--only", nargs="+", type=int, help="numbers of the drawn lines to try again, from 1")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in LOADED:
        importlib.import_module(name)
    os.chdir(ROOT)
    modules = [path for room in options.rooms for path in sorted((SOURCE / room).rglob("*.py")) if path != NOT_RUN]
    places = [(module, line, text) for module in modules for line, text in changes(module.read_text(encoding="utf-8"))]
    drawn = list(enumerate(random.Random(options.seed).sample(places, options.count), start=1))
    if options.only:
        drawn = [drawn[number - 1] for number in options.only]
    noticed = 0
    for number, (path, line, text) in drawn:
        is_seen = is_noticed(BrokenModule(path, text))
        noticed += is_seen
        before = path.read_text(encoding="utf-8").splitlines()[line - 1].strip()
        after = text.splitlines()[line - 1].strip()
        verdict = "noticed" if is_seen else "NOT NOTICED"
        print(f"{number}. {path.relative_to(SOURCE)}:{line}: {verdict}\n    {before}\n    {after}", flush=True)
    print(f"{noticed} of {len(drawn)} broken lines are noticed")


if __name__ == "__main__":
    main()
