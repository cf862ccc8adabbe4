"""A film of a network in training (`TrainingFilm`): its diagram after every few steps, as a GIF."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch import Tensor

from edgewise.checks import check_count, check_number
from edgewise.errors import InputError
from edgewise.files import write_bytes
from edgewise.plot import network_diagram
from edgewise.plot.style import GREY, SIZES
from edgewise.train import StepEvent

_DPI = 110  # pixels per inch: about 400 pixels for a small network
_HOLD = 1.5  # seconds that the last picture stays


class TrainingFilm:
    """A callback of `fit` that draws the network after every few steps, and writes a GIF at the end of a `with` block.

    `x` are rows of which the diagram's curves are drawn, `rate` is the number of pictures a second.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        x: Tensor,
        *,
        every: int = 1,
        rate: float = 10.0,
        names: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> None:
        if Path(path).suffix.lower() != ".gif":
            raise InputError(f"path must end in .gif, got {os.fspath(path)!r}")
        check_number(rate, "rate", positive=True)
        self._path = path
        self._x = x
        self._every = check_count(every, "every")
        self._rate = float(rate)
        self._names = names
        self._outputs = outputs
        self._frames: list[Image.Image] = []

    @property
    def pictures(self) -> int:
        """Number of pictures so far."""
        return len(self._frames)

    def __call__(self, event: StepEvent) -> None:
        """Draw the network if it is its turn; `fit` calls this after every step."""
        if event.step % self._every and event.step != event.steps:
            return
        trace = getattr(event.model, "trace", None)
        if trace is None:
            raise InputError(f"model must have a trace, as KAN and MLP have, got {type(event.model).__name__}")
        figure = network_diagram(event.model, trace(self._x), names=self._names, outputs=self._outputs)
        text = f"step {event.step}, loss {event.loss:.2g}"
        figure.text(0.02, 0.99, text, ha="left", va="top", size=SIZES.small, color=GREY)
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(_DPI)
        figure.set_facecolor("white")
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        self._frames.append(picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=64))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the film, unless no picture was made."""
        if not self._frames:
            return
        pause = 1000 / self._rate
        pauses = [pause] * (len(self._frames) - 1) + [1000 * _HOLD]
        buffer = io.BytesIO()
        first, *others = self._frames
        first.save(buffer, "GIF", save_all=True, append_images=others, duration=pauses, loop=0, disposal=1)
        write_bytes(self._path, buffer.getvalue())
