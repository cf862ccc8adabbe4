"""`edgewise advise`: the tree on the screen."""

import pytest

from edgewise import KANRegressor

SHORT = ("--time-limit", "2")  # seconds, of which these tests need fewer


@pytest.mark.slow
def test_the_tree(edgewise, numbers):
    done = edgewise("advise", numbers, "--target", "y", "--need", "efficiency", "--drop", "group,colour", "-q", *SHORT)
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
    assert "--time-limit must be a positive number, got -1" in refused(
        "advise", numbers, "--target", "y", "--time-limit", "-1"
    )


@pytest.mark.slow
def test_the_time_limit_reaches_the_models(edgewise, numbers, monkeypatch):
    limits = []
    fit = KANRegressor.fit

    def noted(self, *arguments, **options):
        limits.append(self.time_limit)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(KANRegressor, "fit", noted)
    assert edgewise("advise", numbers, "--target", "y", "--drop", "group,colour", *SHORT).code == 0
    assert len(limits) == 3 and all(0 < limit <= 0.6 * 2 for limit in limits)  # the last KAN ends at 60 %
