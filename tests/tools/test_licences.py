"""The page of licences names every package that users install with Edgewise."""

import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "licences.py"


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(str(TOOL))


def test_every_direct_dependency_is_listed_with_a_licence(tool):
    known = tool["listed"]()
    assert tool["direct"]() <= set(known)
    assert "not stated" not in known.values()


def test_no_licence_asks_more_than_a_mention(tool):
    """A licence that would extend to Edgewise or to its users must not come in unnoticed."""
    for name, stated in tool["listed"]().items():
        assert not any(word in stated for word in ("GPL", "GNU", "Commons Clause", "Proprietary")), f"{name}: {stated}"


def test_the_closure_follows_requirements(tool):
    found = tool["required"](["scikit-learn"])
    assert {"scikit-learn", "numpy", "scipy", "joblib"} <= found
    assert tool["required"](["no-such-package"]) == set()
