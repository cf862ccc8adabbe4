"""`edgewise advise`: the tree on the screen."""

import pytest


@pytest.mark.slow
def test_the_tree(edgewise, numbers):
    done = edgewise("advise", numbers, "--target", "y", "--need", "efficiency", "--drop", "group,colour", "-q")
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert lines[0].split(":")[0] in ("KAN", "MLP", "either", "neither")
    assert "Efficiency" in lines and "Accuracy" not in lines
    assert any(line.startswith("├─ Small model wanted?") for line in lines)


def test_bad_arguments(refused, numbers):
    assert "--need must name some of accuracy, interpretability, efficiency, got 'beauty'" in refused(
        "advise", numbers, "--target", "y", "--need", "beauty"
    )
    assert "--target must name" in refused("advise", numbers)
