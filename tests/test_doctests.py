"""Every public name of the library and of its rooms is documented and has an example, and every example in src runs."""

import doctest
import enum
import importlib
import inspect
import pydoc
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import edgewise
from tests.test_import import ROOMS as PUBLIC_ROOMS

# Rooms whose public names are checked; the others are parts that users seldom import.
PARTS = ("nn.layers", "train.jacobian", "train.methods", "train.problems")
ROOMS = [f"edgewise.{room}" for room in (*PUBLIC_ROOMS, *PARTS)]
# Packages that some examples need; without them the examples of the room are left out.
NEEDS = {
    "edgewise.estimator": "sklearn",
    "edgewise.explore": "sklearn",
    "edgewise.compare": "sklearn",
    "edgewise.plot": "matplotlib",
    "edgewise.report": "matplotlib",
}
# Public names with a longer signature; the list only ever gets shorter.
LONG_SIGNATURES = {
    "edgewise.discovery.FormulaOptions",
    "edgewise.KANClassifier",
    "edgewise.KANRegressor",
    "edgewise.train.ErrorBars",  # its annotations are the checks of its files; nobody builds one by hand
}
# Public names whose docstrings still lack Parameters or Returns; the list only ever gets shorter.
UNDOCUMENTED = {
    "edgewise.compare.paired_error",
    "edgewise.compare.standard_error",
    "edgewise.tables.is_frame",
    "edgewise.nn.layers.LayerList",
}


def documented_objects():
    """Each public class and function once, by the shortest name under which it is public."""
    found = {}
    for place in ("edgewise", *ROOMS):
        if find_spec(NEEDS.get(place, "edgewise")) is None:
            continue
        module = importlib.import_module(place)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith("edgewise"):
                found.setdefault(thing, f"{place}.{name}")
    return {name: thing for thing, name in found.items()}


DOCUMENTED = documented_objects()


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_run(name):
    thing = DOCUMENTED[name]
    module = importlib.import_module(thing.__module__)
    # Examples of the names at the top import all that they use, so that they run in a fresh shell.
    names = {} if name.removeprefix("edgewise.") in edgewise.__all__ else {**vars(module)}
    run_examples(doctest.DocTestFinder(exclude_empty=True).find(thing, name, module=module, globs=names))


def run_examples(tests):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    reports: list[str] = []
    for test in tests:
        runner.run(test, out=reports.append)
    assert not runner.summarize(verbose=False).failed, "".join(reports)


def modules_with_examples():
    root = Path(edgewise.__file__).parent
    for path in sorted(root.rglob("*.py")):
        module = ".".join(("edgewise", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        needed = NEEDS.get(".".join(module.split(".")[:2]), "edgewise")
        if find_spec(needed) is not None and ">>> " in path.read_text(encoding="utf-8"):
            yield module


@pytest.mark.slow
@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_examples_of_other_names_run(name):
    public = {f"{thing.__module__}.{thing.__qualname__}" for thing in DOCUMENTED.values()}
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name)
    run_examples(test for test in tests if not public & {test.name, test.name.rpartition(".")[0]})


VARIABLE = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
RETURNS_NOTHING = {None, "None", "Iterator[None]", inspect.Signature.empty}


def signature_of(thing):
    """Signature of a public class or function; an empty one where there is none, as of errors and enumerations."""
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        return inspect.Signature()
    try:
        return inspect.signature(thing)
    except ValueError:
        return inspect.Signature()


def sections_missing(thing):
    """The sections of numpydoc that the docstring of a public class or function lacks; "Summary" where it is empty."""
    text = inspect.cleandoc(thing.__doc__ or "")
    headings = re.findall(r"^([A-Z][A-Za-z ]+)\n-{3,}$", text, re.MULTILINE)
    missing = [] if text else ["Summary"]
    if not re.search(r"^Examples\n-{3,}\n(.*\n)*?>>> ", text, re.MULTILINE):
        missing.append("Examples")
    signature = signature_of(thing)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if kinds - VARIABLE and not {"Parameters", "Attributes"} & set(headings):
        missing.append("Parameters")
    returns_something = inspect.isfunction(thing) and signature.return_annotation not in RETURNS_NOTHING
    if returns_something and not {"Returns", "Yields"} & set(headings):
        missing.append("Returns")
    return missing


def test_every_public_name_has_numpydoc_and_an_example():
    """Summary, Parameters and Returns where it takes or returns something, and an example."""
    missing = {name: sections_missing(thing) for name, thing in DOCUMENTED.items() if name not in UNDOCUMENTED}
    assert {name: sections for name, sections in missing.items() if sections} == {}


def test_each_missing_section_is_found():
    def area(width: float) -> float:
        """Square."""

    def nothing():
        pass

    assert sections_missing(area) == ["Examples", "Parameters", "Returns"]
    assert sections_missing(nothing) == ["Summary", "Examples"]


def test_signatures_are_short():
    assert {name for name, thing in DOCUMENTED.items() if len(str(signature_of(thing))) >= 400} <= LONG_SIGNATURES


@pytest.mark.parametrize("network", [edgewise.KAN, edgewise.nn.MLP])
def test_the_help_of_a_network_begins_with_one_screen_of_its_own(network):
    """Signature and docstring come first; what torch's modules add follows."""
    lines = pydoc.plain(pydoc.render_doc(network)).splitlines()
    own = next(number for number, line in enumerate(lines) if "Method resolution order" in line)
    assert own <= 50
