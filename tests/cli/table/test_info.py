"""`edgewise info`: facts about a model; a hostile file can neither stop it nor move the cursor."""

from edgewise import checkpoint
from edgewise.nn.mlp import MLP


def test_a_fitted_model(edgewise, models):
    done = edgewise("info", models / "kinds")
    assert done.code == 0
    for text in ("KAN, nodes 2-4", "degree 3, ", "'kind', 4 classes", "high, low, middle, odd", "--effort low"):
        assert text in done.out
    assert "accuracy" in done.out and "on 12 test rows, trained on 49 rows" in done.out
    assert "a: a number" in done.out


def test_categories_and_the_formula(edgewise, models):
    printed = edgewise("info", models / "numbers").out
    assert "colour: one of blue, red" in printed and "\nformula " in printed and "y = " in printed


def test_a_bare_network(edgewise, tmp_path):
    checkpoint.write(MLP([2, 3, 1]), tmp_path / "m")
    done = edgewise("info", tmp_path / "m")
    assert done.code == 0 and "MLP, nodes 2-3-1" in done.out and "parameters  13" in done.out
