"""The tree of a function's parts as a figure."""

import pytest

from edgewise.errors import InputError
from edgewise_experiments.formulas.structure_tree import StructureTree
from edgewise_experiments.plots.structures import structure_figure


def test_a_tree_is_needed():
    with pytest.raises(InputError, match="tree must be a StructureTree"):
        structure_figure("+")


def test_the_tree_shows_every_part_once():
    leaf = [StructureTree("input", name) for name in "abc"]
    combination = StructureTree("combination", "2 b + c", tuple(leaf[1:]))
    figure = structure_figure(StructureTree("product", "*", (leaf[0], combination)))
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(texts) == {r"$\times$", "a", "b", "c", "2 b + c"}
    assert texts["a"][1] == texts["b"][1] < texts["2 b + c"][1] < texts[r"$\times$"][1]
    assert texts["a"][0] < texts["b"][0] < texts["c"][0]
