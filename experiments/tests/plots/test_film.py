"""The film of a training."""

import pytest
import torch
from PIL import Image

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.problems import Regression
from edgewise_experiments.plots.film import TrainingFilm

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
