"""Counts what a reader of the library must hold in the head; tests/ratchet.json has the values that counts may reach.

`python tests/ratchet.py` prints counts, stored values and goals; `--write` stores the counts that have become better.
The length of code is never counted: a function that is cut short to please a count is harder to read.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "edgewise"
TABLE = Path(__file__).with_name("ratchet.json")
# A count may be worse than its stored value by this share: lines that are deleted change rates for 1,000 lines of code.
ROOM = 0.02

SECTION = re.compile(r"^\s*(Parameters|Returns|Raises|Attributes)\n\s*-{3,}", re.MULTILINE)
IMPORT = """
import sys, edgewise
edgewise.KANRegressor
print(*[name for name in sys.modules if name.partition(".")[0] == "edgewise"])
"""


class Source:
    """A module of the library: its lines, its syntax tree, and which lines are code, comments and docstrings."""

    def __init__(self, text: str):
        tree = ast.parse(text)
        self.body = tree.body
        self.nodes: dict[type, list] = defaultdict(list)
        for node in ast.walk(tree):
            self.nodes[type(node)].append(node)
        self.functions = self.nodes[ast.FunctionDef] + self.nodes[ast.AsyncFunctionDef]
        lines = text.splitlines()
        self.comments = {number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
        blank = {number for number, line in enumerate(lines, 1) if not line.strip()}
        documented: set[int] = set()
        for node in self.nodes[ast.Expr]:
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                documented |= _lines(node)
        self.code_lines = len(set(range(1, len(lines) + 1)) - self.comments - blank - documented)

    def assigned(self) -> Iterator[tuple[str, ast.expr | None]]:
        """Names that are assigned at the top of the module, and the right-hand side."""
        for node in self.body:
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign):
                targets = [node.target]
            else:
                continue
            for target in targets:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name):
                        yield name.id, node.value

    def public_names(self) -> set[str]:
        names = set()
        for name, value in self.assigned():
            if name == "__all__" and value is not None:
                texts = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
                names |= {text for text in texts if isinstance(text, str)}
        return names

    def comments_in_functions(self) -> int:
        inside: set[int] = set()
        for function in self.functions:
            inside |= _lines(function)
        return len(self.comments & inside)

    def tuple_assignments(self) -> int:
        pairs = [node for node in self.nodes[ast.Assign] if isinstance(node.value, ast.Tuple)]
        return sum(any(isinstance(target, ast.Tuple) for target in node.targets) for node in pairs)

    def questions_about_types(self) -> int:
        called = [node.func for node in self.nodes[ast.Call] if isinstance(node.func, ast.Name)]
        return sum(function.id in ("isinstance", "hasattr") for function in called)

    def bases(self) -> dict[str, set[str]]:
        """Names of the base classes of each class."""
        return {
            node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
            for node in self.nodes[ast.ClassDef]
        }

    def internal_numpydoc(self, public: set[str], inherited: set[str]) -> int:
        """Lines of docstrings with sections, without public names and the public methods that public classes have."""
        exempt: set[ast.AST] = set()
        for node in self.nodes[ast.ClassDef]:
            if node.name in public | inherited:
                exempt |= {member for member in node.body if not getattr(member, "name", "_").startswith("_")}
        count = 0
        for node in self.functions + self.nodes[ast.ClassDef]:
            is_internal = node.name not in public and node not in exempt
            if is_internal and SECTION.search(ast.get_docstring(node, clean=False) or ""):
                count += len(_lines(node.body[0]))
        return count


def _lines(node: ast.AST) -> set[int]:
    return set(range(node.lineno, node.end_lineno + 1))


def _inherited_by(public: set[str], sources: list[Source]) -> set[str]:
    """Names of the classes from which public classes inherit methods."""
    bases: dict[str, set[str]] = {}
    for source in sources:
        for name, names in source.bases().items():
            bases[name] = bases.get(name, set()) | names
    found = set(public)
    while more := set().union(*[bases.get(name, set()) for name in found]) - found:
        found |= more
    return found - public


def source_counts(texts: list[str]) -> dict[str, float]:
    """Return what is counted in the text of the modules of the library, by the names in tests/ratchet.json."""
    sources = [Source(text) for text in texts]
    thousands = sum(source.code_lines for source in sources) / 1000
    conditional = sum(len(source.nodes[ast.IfExp]) for source in sources)
    tuples = sum(source.tuple_assignments() for source in sources)
    comments = sum(source.comments_in_functions() for source in sources)
    public: set[str] = set().union(*[source.public_names() for source in sources])
    inherited = _inherited_by(public, sources)
    return {
        "conditional expressions per 1,000 lines of code": round(conditional / thousands, 1),
        "assignments of a tuple to a tuple per 1,000 lines of code": round(tuples / thousands, 1),
        "comment lines inside functions per 1,000 lines of code": round(comments / thousands, 1),
        "constants at the top of modules": sum(name.isupper() for source in sources for name, _ in source.assigned()),
        "isinstance and hasattr": sum(source.questions_about_types() for source in sources),
        "names in lists of public names": len(public),
        "lines of numpydoc of internal names": sum(source.internal_numpydoc(public, inherited) for source in sources),
    }


@cache
def modules_of_the_regressor() -> list[str]:
    """Return the modules of the library that `from edgewise import KANRegressor` loads in a new process."""
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, timeout=300)
    return run.stdout.split()


def import_counts() -> dict[str, float]:
    """Return how many modules `from edgewise import KANRegressor` loads."""
    names = modules_of_the_regressor()
    return {
        "modules that KANRegressor loads": len(names),
        "modules of pde among them": sum(name.startswith("edgewise.pde") for name in names),
    }


def library() -> list[str]:
    """Return the text of each module of the library."""
    return [path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))]


def faults(counts: dict[str, float], table: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence for each count that is worse than its stored value, and than its goal."""
    sentences = []
    for name, count in counts.items():
        stored, goal = table[name]["stored"], table[name]["goal"]
        if table[name]["may_only"] == "fall":
            limit = max(stored * (1 + ROOM), goal)
            is_worse = count > limit
        else:
            limit = min(stored * (1 - ROOM), goal)
            is_worse = count < limit
        if is_worse:
            sentences.append(f"{name}: {count:,}, but {stored:,} are stored (goal {goal:,}); see tests/ratchet.py")
    return sentences


def improved(counts: dict[str, float], table: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the table with the counts that have become better."""
    rows = {}
    for name, row in table.items():
        best = min if row["may_only"] == "fall" else max
        rows[name] = {**row, "stored": best(row["stored"], counts[name])}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the counts that have become better")
    write = parser.parse_args().write
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    counts = source_counts(library()) | import_counts()
    for name, count in counts.items():
        print(f"{count:8,}  {name} (stored {table[name]['stored']:,}, goal {table[name]['goal']:,})")
    if write:
        TABLE.write_text(json.dumps(improved(counts, table), indent=2) + "\n", encoding="utf-8")
    elif improved(counts, table) != table:
        print("Some counts are better than stored: python tests/ratchet.py --write")
    print(*faults(counts, table), sep="\n")


if __name__ == "__main__":
    main()
