"""Every public name of the library and of its rooms has an example, and every example in the library runs."""

import doctest
import importlib
import inspect
import pydoc
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import edgewise

# Rooms whose public names are checked; the others are parts that users seldom import.
PARTS = ("nn.layers", "train.jacobian", "train.methods", "train.problems")
ROOMS = [f"edgewise.{room}" for room in (*edgewise._ROOMS, *PARTS)]
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
    "edgewise.FormulaOptions",
    "edgewise.KANClassifier",
    "edgewise.KANRegressor",
    "edgewise.model_selection.SearchPolicy",
    "edgewise.model_selection.SearchSettings",
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


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_name_has_an_example(name):
    assert re.search(r"^ *Examples\n *-+\n(.*\n)*? *>>> ", DOCUMENTED[name].__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_signatures_are_short(name):
    try:
        signature = str(inspect.signature(DOCUMENTED[name]))
    except ValueError:  # an enumeration
        return
    assert len(signature) < 400 or name in LONG_SIGNATURES


@pytest.mark.parametrize("network", [edgewise.KAN, edgewise.MLP])
def test_the_help_of_a_network_begins_with_one_screen_of_its_own(network):
    """Signature and docstring come first; what torch's modules add follows."""
    lines = pydoc.plain(pydoc.render_doc(network)).splitlines()
    own = next(number for number, line in enumerate(lines) if "Method resolution order" in line)
    assert own <= 50
