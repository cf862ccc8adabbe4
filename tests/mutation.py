"""Breaks lines of the core at random, one at a time, and counts how many of them the fast tests notice.

    python -m pytest -m "not slow" --cov --cov-context=test
    python -m tests.mutation --count 40 --seed 0

A broken line has another comparison, sign, number or condition. The tests that run it are known from the contexts of
`.coverage`; those of its room come first. Some changes make no difference to results, so nine of ten are a good share.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "edgewise"
CORE = ("ops", "nn", "train", "gam", "search", "interpret", "tables", "checkpoint", "export", "formulas", "pde")
MOST_TESTS = 150  # of those that run one line
SECONDS = 300.0  # a line that makes tests go on for longer is noticed

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
    for function in ast.walk(ast.parse(text)):
        for statement in getattr(function, "body", []) if isinstance(function, ast.FunctionDef) else []:
            for node in ast.walk(statement):
                changed = broken(node) if isinstance(node, ast.expr) and node.lineno == node.end_lineno else None
                if changed is None:
                    continue
                line = lines[node.lineno - 1].encode()
                expression = f"({ast.unparse(changed)})".encode()
                replaced = (line[: node.col_offset] + expression + line[node.end_col_offset :]).decode()
                yield node.lineno, "".join([*lines[: node.lineno - 1], replaced, *lines[node.lineno :]])


def tests_of(data: coverage.CoverageData, module: Path, line: int) -> list[str]:
    """The tests that run a line, those of the same room first."""
    contexts = data.contexts_by_lineno(str(module)).get(line, [])
    tests = sorted({context.partition("|")[0] for context in contexts if context})
    room = f"tests/{module.relative_to(SOURCE).parts[0]}/"
    return sorted(tests, key=lambda test: not test.startswith(room))[:MOST_TESTS]


def is_noticed(copy: Path, tests: list[str]) -> bool:
    """Whether one of the tests fails on the copy of the library."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=SECONDS, text=True)
    except subprocess.TimeoutExpired:
        return True
    if ended.returncode > 2:  # neither passed, failed nor broken off: a test of the contexts is no longer there
        raise RuntimeError(ended.stdout[-2000:] + ended.stderr[-2000:])
    return ended.returncode != 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="+", default=CORE, help="rooms of src/edgewise")
    parser.add_argument("--coverage", default=str(ROOT / ".coverage"), help="file with the contexts of the tests")
    options = parser.parse_args()
    data = coverage.CoverageData(options.coverage)
    data.read()
    modules = [path for room in options.rooms for path in sorted((SOURCE / room).rglob("*.py"))]
    places = [(module, line, text) for module in modules for line, text in changes(module.read_text(encoding="utf-8"))]
    drawn = random.Random(options.seed).sample(places, options.count)
    noticed = 0
    for module, line, text in drawn:
        tests = tests_of(data, module, line)
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copytree(SOURCE, Path(folder) / "edgewise")
            (copy / module.relative_to(SOURCE)).write_text(text, encoding="utf-8")
            is_seen = bool(tests) and is_noticed(Path(folder), tests)
        noticed += is_seen
        before = module.read_text(encoding="utf-8").splitlines()[line - 1].strip()
        after = text.splitlines()[line - 1].strip()
        verdict = "noticed" if is_seen else f"NOT NOTICED by {len(tests)} tests"
        print(f"{module.relative_to(SOURCE)}:{line}: {verdict}\n    {before}\n    {after}", flush=True)
    print(f"{noticed} of {options.count} broken lines are noticed")


if __name__ == "__main__":
    main()
