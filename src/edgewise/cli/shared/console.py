"""What the command line shows: sentences, a progress bar, the comparison table, the strongest inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.shared.guard import printable
from edgewise.outcomes import Progress
from edgewise.report import ModelResult, ReportContent
from edgewise.report.comparison import score_text

_BAR = 24  # characters
_PIPE = 120  # width of tables in a pipe or file, which has none of its own; sentences stay on one line there


def console(*, stderr: bool = False) -> Console:
    """Plain text in, no markup and no colouring of numbers; long lines are left to the reader of a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE
    return made


class Screen:
    """Where a command talks to the user. quiet: only what `always` prints."""

    def __init__(self, *, quiet: bool = False, stderr: bool = False):
        self.console = console(stderr=stderr)
        self.quiet = quiet

    def say(self, text: str = "", style: str = "") -> None:
        """A sentence or heading."""
        if not self.quiet:
            self.always(text, style)

    def always(self, text: str, style: str = "") -> None:
        """A sentence that --quiet does not silence."""
        self.console.print(Text(printable(text), style=style), soft_wrap=not self.console.is_terminal)

    def notes(self, sentences: Sequence[str], most: int = 12) -> None:
        """Sentences as a list; of very many only the first, and how many more there are."""
        for sentence in sentences[:most]:
            self._note(sentence)
        if len(sentences) > most:
            self._note(f"... and {len(sentences) - most} more, in metrics.json.")

    def _note(self, sentence: str) -> None:
        if self.quiet:
            return
        if not self.console.is_terminal:
            self.always(f"  - {sentence}")
            return
        hanging = Grid.grid(padding=(0, 1))
        hanging.add_row(Text(" -"), Text(printable(sentence)))
        self.console.print(hanging, style="dim")

    def table(self, grid: Grid) -> None:
        """A table, unless --quiet."""
        if not self.quiet:
            self.console.print(grid)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A sign of life on a terminal, nothing in a pipe."""
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with self.console.status(Text(printable(what))):
            yield

    @contextmanager
    def progress(self, what: str) -> Iterator[Bar | None]:
        """A bar on a terminal, nothing in a pipe."""
        if self.quiet or not self.console.is_terminal:
            yield None
            return
        with RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(_BAR),
            TextColumn("{task.percentage:>3.0f} %"),
            _TimeLeft(),
            TextColumn("{task.fields[loss]}", markup=False),
            console=self.console,
            transient=True,
        ) as bars:
            yield Bar(bars, what)


class Bar:
    """A progress bar with stage, loss and time left."""

    def __init__(self, bars: RichProgress, what: str):
        self._bars = bars
        self._task = bars.add_task(what, total=1.0, loss="")

    def update(self, progress: Progress) -> None:
        """Shows the stage, the share of the work that is done, and the loss."""
        known = progress.loss is not None and math.isfinite(progress.loss)
        self._bars.update(
            self._task,
            completed=min(max(progress.share, 0.0), 1.0),
            description=printable(progress.stage)[:44].ljust(30),
            loss=f"loss {progress.loss:.4g}" if known else "",
        )


class _TimeLeft(ProgressColumn):
    """Time left at the pace so far: the stages differ too much in pace for one that looks at the last seconds only."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None or task.elapsed < 2:
            return Text("      left", style="dim")
        left = round(task.elapsed * (1 - task.completed) / task.completed)
        return Text(f"{left // 60:2d}:{left % 60:02d} left", style="cyan")


def comparison(content: ReportContent) -> Grid:
    """The table of models, best score in bold, the KAN first."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    grid.add_column("")
    score = content.score_name + (" (test)")
    for name in (score, "parameters", "seconds"):
        grid.add_column(name, justify="right", no_wrap=True)
    known = [model.score for model in content.models if model.score is not None]
    best = max(known) if known else None
    for model in content.models:
        style = "bold" if best is not None and model.score == best else ""
        grid.add_row(
            Text(model.name, style=style),
            Text(_score(content, model), style=style),
            Text("" if model.parameters is None else f"{model.parameters:,}"),
            Text("" if model.seconds is None else _seconds(model.seconds)),
        )
    return grid


def _score(content: ReportContent, model: ModelResult) -> str:
    if model.score is None:
        return model.remark or "-"
    text = score_text(content, model.score)
    if model.error is None:
        return text
    error = 100 * model.error if content.score_percent else model.error
    return f"{text} ± {error:.1f}" if content.score_percent else f"{text} ± {error:.2g}"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def strongest(inputs: Sequence[tuple[str, float]], most: int = 8) -> Grid:
    """The inputs with the highest scores, each with a bar."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False, show_header=False)
    top = max((score for _, score in inputs), default=0.0) or 1.0
    for name, score in inputs[:most]:
        bar = "━" * max(1, round(_BAR * score / top)) if score > 0 else ""
        grid.add_row(Text(printable(name)), Text(f"{score:.2f}"), Text(bar, style="cyan"))
    return grid
