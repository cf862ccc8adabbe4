"""Films: the requested number of frames, written whole or not at all."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from PIL import Image
from tests.plot.solutions import heat, heat_on_a_disk, heat_solution, untrained

from edgewise.errors import InputError
from edgewise.plot import animate


def frames(path):
    with Image.open(path) as movie:
        for number in range(movie.n_frames):
            movie.seek(number)
            yield np.asarray(movie.convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("problem", [lambda: heat(heat_solution), heat_on_a_disk], ids=["curves", "maps"])
def test_every_moment_is_a_frame(problem, tmp_path):
    animate(untrained(problem()), tmp_path / "film.gif", frames=4, rate=10)
    shown = list(frames(tmp_path / "film.gif"))
    assert len(shown) == 4 and len({frame.shape for frame in shown}) == 1
    assert all((one != other).any() for one, other in pairwise(shown))
    with Image.open(tmp_path / "film.gif") as movie:
        assert movie.info["duration"] == 100
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_mp4_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(InputError, match=r"^path must end in .gif where ffmpeg is not installed, got an .mp4$"):
        animate(untrained(heat()), tmp_path / "film.mp4", frames=2)


@pytest.mark.skipif(not FFMpegWriter.isAvailable(), reason="ffmpeg is not installed")
def test_mp4(tmp_path):
    animate(untrained(heat()), tmp_path / "film.mp4", frames=4)
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
