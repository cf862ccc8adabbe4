"""The film of a training, the tree of a function's parts, and the order of nodes in which modules show."""

import numpy as np
import pytest
import torch
from PIL import Image

from edgewise.errors import InputError
from edgewise.interpret.dependence.tree import StructureTree
from edgewise.nn.model import KAN
from edgewise.plot import TrainingFilm, network_diagram, structure_figure
from edgewise.plot.network.layout import Shown, in_modules
from edgewise.train.loop.fitting import fit
from edgewise.train.problems.regression import Regression

X = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]


@pytest.mark.slow
def test_a_film_has_a_picture_of_every_few_steps(tmp_path):
    with pytest.raises(ZeroDivisionError), TrainingFilm(tmp_path / "a.gif", X, every=2) as film:
        fit(KAN([1, 1], dtype=torch.float64), Regression(X, X**2), steps=5, callbacks=[film])
        assert film.pictures == 3  # after steps 2, 4 and the last
        raise ZeroDivisionError
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 3
    with TrainingFilm(tmp_path / "none.gif", X):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]


def test_bad_arguments(tmp_path):
    for arguments, message in (
        ({"path": "a.png"}, "path must end in .gif"),
        ({"path": "a.gif", "rate": 0}, "rate must be"),
        ({"path": "a.gif", "every": 0}, "every must be"),
    ):
        with pytest.raises(InputError, match=message):
            TrainingFilm(arguments.pop("path"), X, **arguments)
    with pytest.raises(InputError, match="tree must be a StructureTree"):
        structure_figure("+")
    model = KAN([1, 1])
    with pytest.raises(InputError, match="order must be"):
        network_diagram(model, model.trace(X.float()), order="auto")


def test_the_tree_shows_every_part_once():
    leaf = [StructureTree("input", name) for name in "abc"]
    combination = StructureTree("combination", "2 b + c", tuple(leaf[1:]))
    figure = structure_figure(StructureTree("product", "*", (leaf[0], combination)))
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(texts) == {r"$\times$", "a", "b", "c", "2 b + c"}
    assert texts["a"][1] == texts["b"][1] < texts["2 b + c"][1] < texts[r"$\times$"][1]
    assert texts["a"][0] < texts["b"][0] < texts["c"][0]


def test_modules_stand_together():
    first = ((0, 1), (1, 3), (2, 0), (3, 2))  # nodes 1, 3 belong to the left half and 0, 2 to the right one
    second = ((1, 1), (3, 1), (0, 0), (2, 0))
    strengths = (np.ones((4, 4)), np.ones((4, 2)), np.ones((2, 1)))
    nodes = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1), (0,))
    shown = Shown(nodes, (first, second, ((0, 0), (1, 0))), (), strengths)
    ordered = in_modules(shown)
    assert ordered.nodes == ((0, 1, 2, 3), (1, 3, 0, 2), (1, 0), (0,))
    assert [set(layer) for layer in ordered.edges] == [set(layer) for layer in shown.edges]
