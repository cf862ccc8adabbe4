"""Every public name of the library and of its rooms has an example, and the examples run."""

import doctest
import importlib
import inspect
import pydoc
import re
from importlib.util import find_spec

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
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    reports: list[str] = []
    # Examples of the names at the top import all that they use, so that they run in a fresh shell.
    names = {} if name.removeprefix("edgewise.") in edgewise.__all__ else {**vars(module)}
    for test in doctest.DocTestFinder(exclude_empty=True).find(thing, name, module=module, globs=names):
        runner.run(test, out=reports.append)
    assert not runner.summarize(verbose=False).failed, "".join(reports)


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
