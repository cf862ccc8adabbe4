"""The drawn guide: texts, marks and refusals."""

import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.guide import GuideLeaf, guide_tree

MARKS = {"holds": "+", "partly": "~", "contradicted": "x"}


def test_the_tree():
    leaves = [
        GuideLeaf("Accuracy", "Smooth?", "KANs", "holds", "lower for 3 of 3"),
        GuideLeaf("Accuracy", "Continual?", "KANs", "contradicted", "it forgets " * 30),
        GuideLeaf("Efficiency", "Fast?", "MLPs", "partly", "slower"),
    ]
    (axes,) = guide_tree("KANs or MLPs?", leaves, MARKS).axes
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == "KANs or\nMLPs?" and texts.count("Accuracy") == texts.count("Efficiency") == 1
    assert [text for text in texts if text in "+~x"] == ["+", "x", "~"]
    assert "holds: lower for 3 of 3" in texts and "Smooth?  KANs" in texts
    assert max(text.count("\n") for text in texts) == 1  # two lines at most
    assert len(axes.lines) == 5  # two needs, three leaves
    signs = {text.get_text(): text.get_color() for text in axes.texts if text.get_text() in "+~x"}
    assert len(set(signs.values())) == 3


def test_what_is_refused():
    with pytest.raises(InputError, match="got none"):
        guide_tree("?", [], MARKS)
    with pytest.raises(InputError, match=r"got \['maybe'\]"):
        guide_tree("?", [GuideLeaf("a", "b", "c", "maybe", "d")], MARKS)
