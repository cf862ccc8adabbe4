"""Reads a module's source and says, one sentence each, what breaks the rules that ARCHITECTURE.md states."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

# Imports point down, and rooms of one rank don't import each other.
RANKS = (
    {"errors", "escaping", "lazy"},
    {"files", "checks", "settings", "metrics"},
    {"outcomes", "scaling"},
    {"presentation", "native"},
    {"listeners"},
    {"processes"},
    {"ops"},
    {"nn"},
    {"formulas"},
    {"train"},
    {"gam"},
    {"search", "checkpoint"},
    {"discovery"},
    {"interpret"},
    {"pde", "datasets"},
    {"export", "plot", "pykan", "tables"},
    {"report"},
    {"dynamics"},
    {"estimator"},
    {"compare", "storage"},
    {"explore"},
    {"cli"},
    {"__main__"},
)
# Within these rooms the parts have ranks too. The room's own `__init__` may import all of its parts.
INNER_RANKS = {
    "train": (
        {"penalties", "blocks"},
        {"problems"},
        {"parameters"},
        {"jacobian"},
        {"objective"},
        {"shared"},
        {"methods", "grids", "cost", "noise_curves"},
        {"loop"},
        {"conformal"},
        {"smoothing", "uncertainty", "remembering"},
    ),
    "interpret": ({"black_box"}, {"dependence"}, {"attribution"}, {"transform"}, {"edits"}, {"pruning", "symbolic"}),
    "pde": (
        {"layers"},
        {"domains"},
        {"problem"},
        {"spaces"},
        {"algebra"},
        {"tiers"},
        {"solver"},
        {"spectrum", "storage"},
    ),
    "plot": ({"themes"}, {"style"}, {"network", "results", "pde"}),
    "cli": ({"terminal"}, {"shared"}, {"pde"}, {"table"}, {"explorer"}, {"app"}),
    "explore": (
        {"editing"},
        {"canonical", "division"},
        {"subject", "opening", "record"},
        {"history"},
        {"session"},
        {"page"},
    ),
}
GUESTS = {"cli"}  # it may use the public names of `edgewise` itself

# Third-party packages, and the modules that may import them; () for nowhere. What is not listed is refused too.
EVERYWHERE = {"torch", "numpy"}
HEAVY = {
    "click": ("cli",),
    "dask": ("processes.dask_team",),
    "joblib": ("search.jobs",),
    "threadpoolctl": ("search.jobs",),
    "matplotlib": ("plot", "report", "cli.table.plot"),  # the last one for a type
    "meshio": ("pde.domains.triangulation",),
    "onnx": ("export",),
    "onnxscript": ("export",),
    "pandas": ("tables",),
    "polars": ("tables",),
    "pyarrow": ("tables",),
    "pyoperon": ("discovery.operon",),
    "rich": ("cli",),
    "safetensors": ("checkpoint", "files.journal"),
    "scipy": (
        "export",
        "formulas",
        "discovery",
        "dynamics",
        "gam",
        "interpret",
        "search",
        "pde.spaces",
        "pde.algebra",
        "pde.tiers",
        "processes.memory",
    ),
    "sklearn": ("estimator", "compare"),
    "sympy": ("formulas", "export"),
    "anywidget": ("explore.page.widget",),
    "starlette": ("explore.page.server",),
    "traitlets": ("explore.page.widget",),
    "triton": ("ops.kernels.triton",),
    "typer": ("cli",),
    "xarray": ("pde.solver.gridded",),
    "uvicorn": ("explore.page.server",),
}
# Standard modules, and parts of allowed packages, that have no place here.
FORBIDDEN = {
    "pickle": "pickle runs code from files",
    "shelve": "pickle runs code from files",
    "matplotlib.pyplot": "pyplot is global state",
}
FORBIDDEN_CALLS = {
    "torch.manual_seed": "moves the global generator",
    "torch.random.manual_seed": "moves the global generator",
    "torch.cuda.manual_seed": "moves the global generator",
    "torch.cuda.manual_seed_all": "moves the global generator",
    "np.random.seed": "moves the global generator",
    "numpy.random.seed": "moves the global generator",
    "random.seed": "moves the global generator",
    "torch.set_default_dtype": "changes a global setting",
    "torch.set_default_device": "changes a global setting",
    "torch.load": "may run code from a file without weights_only=True",
    "print": "a library does not print",
    "eval": "runs text as code",
    "exec": "runs text as code",
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
FILE_LINES = 1000
ARGUMENTS = 8
# A command of typer is a list of options, one parameter each; nothing calls it with positions.
MANY_ARGUMENTS = (
    "cli.app",
    "dynamics.finder",  # one door: each argument is a fact about the trajectories
    # scikit-learn reads the parameters of an estimator from an explicit signature.
    "estimator.base",
    "estimator.classifier",
    "estimator.regressor",
    "estimator.survival",
    "ops.kernels.triton",  # the device code gets every pointer, size and stride as an argument of its own
)
# An `except` of these hides mistakes of the programmer, unless it raises another error.
PROGRAMMING_ERRORS = {"AttributeError", "TypeError", "AssertionError"}
# Modules that still catch them and go on; the list only ever gets shorter.
CATCHES_PROGRAMMING_ERRORS = {
    "cli/shared/opening.py",  # a damaged header of a file
    "ops/kernels/cpu.py",  # a function that a compiled library lacks
    "pde/domains/domain.py",  # a value that is no number
    "processes/memory.py",  # a system without os.sysconf
    "train/loop/batches.py",  # a DataLoader without length
}

# Modules and rooms that write numbers by formats of their own; `presentation` owns those of sentences and tables.
WRITES_NUMBERS = {
    "presentation",
    "checks",  # below it
    "outcomes",  # below it
    "nn.elementary",  # domains as conditions of a program
    "formulas.printing",  # programs and formulas
    "gam.inference.summaries",  # columns of one width, as in mgcv
    "report.page",  # widths of bars
    "report.comparison",  # percentage points with one decimal
    "report.vector",  # sizes of drawings
    "report.wording",  # whole percents
    "cli.shared.model",  # columns of a file
    "cli.shared.resume",  # whole seconds
    "cli.table.explain",  # columns of a file
    "cli.terminal.options",  # a command line
    "interpret.dependence.additive_relations",  # whole standard deviations
    "interpret.symbolic.steering",  # R² beside each other
    "plot.network.edge_formulas",  # a test of digits
    "plot.results.predictions",  # cells of a matrix
    "search.fixed_shape",  # strengths that are powers of ten
    "search.stages.given",  # strengths that are powers of ten
    "discovery",  # rounded constants
}
NUMBER_FORMAT = re.compile(r"[+0-9]*,?(\.\d+)?[gfe%]")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def problems(path: str, source: str) -> list[str]:
    """List what is wrong with the module at `path` (below src/edgewise, as "ops/knots.py")."""
    tree = ast.parse(source)
    found = [
        *_file_problems(path, source, tree),
        *_import_problems(path, tree),
        *_argument_problems(path, tree),
        *_habit_problems(tree),
        *_except_problems(path, tree),
        *_format_problems(path, tree),
    ]
    return [f"{path}: {problem}" for problem in found]


def _file_problems(path: str, source: str, tree: ast.Module) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        yield f"{lines} lines, at most {FILE_LINES}"
    if not (ast.get_docstring(tree) or "").strip():
        yield "opens without a docstring"
    for part in PurePosixPath(path).with_suffix("").parts:
        if part.strip("_") in FORBIDDEN_NAMES:
            yield f"is called {part}, which says nothing"


def _import_problems(path: str, tree: ast.Module) -> Iterator[str]:
    module = ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")
    for line, target in _imports(tree):
        top, *rest = target.split(".")
        for name, why in FORBIDDEN.items():
            if _is_within(target, name):
                yield f"line {line} imports {name}: {why}"
        if target.startswith("."):
            yield f"line {line} imports relatively ({target})"
        elif top == "edgewise":
            yield from _rank_problems(module, line, rest)
        elif top in HEAVY:
            if not any(_is_within(module, place) for place in HEAVY[top]):
                yield f"line {line} imports {top}, allowed in {', '.join(HEAVY[top]) or 'no module'}"
        elif top not in EVERYWHERE and top not in sys.stdlib_module_names:
            yield f"line {line} imports {top}, which no rule allows"


def _rank_problems(module: str, line: int, rest: list[str]) -> Iterator[str]:
    room, *inner = module.split(".")
    if room == "__init__":
        return
    rank = _rank(RANKS, room)
    if rank is None:
        yield f"{room} has no rank"
    elif not rest or _rank(RANKS, rest[0]) is None:
        if room not in GUESTS:
            yield f"line {line} imports from edgewise itself: {'.'.join(rest) or 'the package'}"
    elif rest[0] != room:
        if _rank(RANKS, rest[0]) >= rank:
            yield f"line {line} imports {rest[0]}, which does not rank below {room}"
    elif room in INNER_RANKS and inner:
        ranks = INNER_RANKS[room]
        own, other = _rank(ranks, inner[0]), _rank(ranks, rest[1] if len(rest) > 1 else "")
        if own is None:
            yield f"{room}.{inner[0]} has no rank within {room}"
        elif other is None or (rest[1] != inner[0] and other >= own):
            yield f"line {line} imports {'.'.join(rest[:2])}, which does not rank below {room}.{inner[0]}"


def _rank(ranks: tuple[set[str], ...], name: str) -> int | None:
    return next((number for number, names in enumerate(ranks) if name in names), None)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted target of every import, those inside functions and by import_module(text) too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] in ("import_module", "__import__"):
            text = node.args[0] if node.args else None
            text = text.values[0] if isinstance(text, ast.JoinedStr) else text
            if isinstance(text, ast.Constant):
                yield node.lineno, str(text.value).rstrip(".")


def _argument_problems(path: str, tree: ast.Module) -> Iterator[str]:
    module = ".".join(PurePosixPath(path).with_suffix("").parts)
    if any(_is_within(module, place) for place in MANY_ARGUMENTS):
        return
    for node in ast.walk(tree):
        if isinstance(node, Function):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            if count > ARGUMENTS:
                yield f"{node.name} has {count} arguments, at most {ARGUMENTS}"


def _habit_problems(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type):
            if node.type is None or not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                yield f"line {node.lineno} catches every error and raises none"
        elif isinstance(node, ast.Call) and _dotted(node.func) in FORBIDDEN_CALLS and not _loads_weights_only(node):
            name = _dotted(node.func)
            yield f"line {node.lineno} calls {name}: {FORBIDDEN_CALLS[name]}"
        elif isinstance(node, ast.Attribute | ast.Name) and _dotted(node).split(".")[-1].startswith("nan_to_num"):
            yield f"line {node.lineno} hides numbers that are none (nan_to_num)"


def _format_problems(path: str, tree: ast.Module) -> Iterator[str]:
    module = ".".join(PurePosixPath(path).with_suffix("").parts)
    if any(_is_within(module, place) for place in WRITES_NUMBERS):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            spec = ast.unparse(node.format_spec)[2:-1]
            if NUMBER_FORMAT.fullmatch(spec):
                yield f"line {node.lineno} writes a number by {spec!r}, which `presentation` does"


def _except_problems(path: str, tree: ast.Module) -> Iterator[str]:
    if path in CATCHES_PROGRAMMING_ERRORS:
        return
    for line, error in caught_programming_errors(tree):
        yield f"line {line} catches {error} and goes on: a mistake of ours stays hidden"


def caught_programming_errors(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and error of each `except` or `suppress` that passes over a programming error."""
    tuples = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    caught = []
    for node in ast.walk(tree):
        kinds: list[ast.expr | None] = []
        if isinstance(node, ast.ExceptHandler) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            kinds = [node.type]
        elif isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] == "suppress":
            kinds = list(node.args)
        for kind in kinds:
            kind = tuples.get(kind.id, kind) if isinstance(kind, ast.Name) else kind
            names = [_dotted(each) for each in (kind.elts if isinstance(kind, ast.Tuple) else [kind])]
            caught += [(node.lineno, name) for name in names if name in PROGRAMMING_ERRORS]
    return caught


def _loads_weights_only(node: ast.Call) -> bool:
    """Whether a call of torch.load says weights_only=True, with which it builds tensors and runs nothing."""
    return _dotted(node.func) == "torch.load" and any(
        word.arg == "weights_only" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in node.keywords
    )


def _catches_all(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or _dotted(one) in ("Exception", "BaseException") for one in kinds)


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes; of anything longer only what follows the last call or index."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")
