"""Output of the commands: sentences, tables of facts and inputs, and the progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.terminal.exit_codes import standard_output
from edgewise.cli.terminal.plain_values import plain
from edgewise.escaping import terminal_line
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.presentation import clock_text, column_texts

BAR_WIDTH = 24  # characters


class Screen:
    """The terminal, pipe or file to which a command writes."""

    def __init__(self, *, quiet: bool = False, stderr: bool = False, json: bool = False):
        self.json = json
        # Texts come from files, so nothing in them is markup. In a pipe, lines are not wrapped.
        self.console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
        if not self.console.is_terminal:
            self.console.width = 120  # characters of a table: a pipe or file has no width of its own
        self.quiet = quiet or json

    def say(self, text: str = "", style: str = "") -> None:
        """Print a sentence or heading."""
        if not self.quiet:
            self.always(text, style)

    def always(self, text: str, style: str = "") -> None:
        """Print a sentence even with --quiet."""
        if self.json:
            return
        self.console.print(Text(terminal_line(text), style=style), soft_wrap=not self.console.is_terminal)

    def result(self, facts: Mapping[str, object]) -> None:
        """Print the result of the command as JSON, if `--json` was given."""
        if self.json:
            text = json.dumps(plain(facts), indent=2, ensure_ascii=False, allow_nan=False)
            output = standard_output()
            output.write(f"{text}\n")
            output.flush()

    def predictions(self, items: Iterable[Mapping[str, object]], facts: Callable[[], Mapping[str, object]]) -> None:
        """Print predictions of any number as JSON, one by one; the other facts are known after them."""
        output = standard_output()
        opening = '{\n  "predictions": [\n    '
        # Element by element, so that the list is never in memory as a whole.
        for item in items:
            output.write(opening + json.dumps(plain(item), ensure_ascii=False, allow_nan=False))
            opening = ",\n    "
        rest = json.dumps(plain(facts()), indent=2, ensure_ascii=False, allow_nan=False)
        output.write(f"\n  ],{rest[1:]}\n")
        output.flush()

    def notes(self, sentences: Sequence[str], most: int = 12) -> None:
        """Print the first `most` sentences as a list, and the number of the others."""
        hidden = len(sentences) - most
        if self.quiet:
            return
        shown = [*sentences[:most]]
        if hidden > 0:
            shown.append(f"... and {hidden} more.")
        for sentence in shown:
            if self.console.is_terminal:
                indented = Grid.grid(padding=(0, 1))
                indented.add_row(Text(" -"), Text(terminal_line(sentence)))
                self.console.print(indented, style="dim")
            else:
                self.always(f"  - {sentence}")

    def table(self, grid: Grid) -> None:
        """Print a table, unless --quiet."""
        if not self.quiet:
            self.console.print(grid)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Print names and values as a table of two columns."""
        grid = Grid.grid(padding=(0, 2))
        for name, value in facts.items():
            grid.add_row(Text(terminal_line(name), style="bold"), Text(terminal_line(value)))
        self.table(grid)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Show on a terminal that the figures of a report are drawn; show nothing in a pipe."""
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with self.console.status(Text("Drawing the figures of the report")):
            yield

    @contextmanager
    def progress(self, activity: str) -> Iterator[ProgressCallback | None]:
        """Show a progress bar on a terminal and yield what moves it; yield None in a pipe."""
        if self.quiet or not self.console.is_terminal:
            yield None
            return
        with RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[clock]}", style="cyan"),
            console=self.console,
            transient=True,
        ) as bars:
            yield Bar(bars, activity).update


class Bar:
    """A progress bar of a `Progress`: its stage and share, the seconds passed, and an upper bound of the rest."""

    def __init__(self, bars: RichProgress, activity: str):
        self._bars = bars
        self._activity = activity
        self._task = bars.add_task(activity, total=1.0, clock="")

    def update(self, progress: Progress) -> None:
        """Show the latest state of the work."""
        # The stage has 34 to 60 characters, so that the bar does not jump. A narrow terminal shortens it to 17 at the
        # least, and not the clock: per cent, "12:34, at most 123 min more" and the gaps between columns take 39.
        longest = min(max(self._bars.console.width - BAR_WIDTH - 39, 17), 60)
        shortest = min(34, longest)
        share = min(max(progress.share, 0.0), 1.0)
        if not progress.seconds:  # some work does not measure its time
            progress = replace(progress, seconds=self._bars.tasks[0].elapsed or 0.0)
        self._bars.update(
            self._task,
            completed=share,
            description=terminal_line(f"{self._activity}: {progress.stage}")[:longest].ljust(shortest),
            clock=clock_text(progress),
        )


def input_table(inputs: Sequence[tuple[str, float]], most: int = 8) -> Grid:
    """Return a table of the first inputs, by how much each moves a prediction, and a bar; they are sorted by it."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False, show_header=False)
    largest = max((score for _, score in inputs), default=0.0) or 1.0
    texts = column_texts([score for _, score in inputs[:most]])
    # A bar for each input, relative to the largest.
    for (name, score), text in zip(inputs, texts, strict=False):
        bar = ProgressBar(1.0, max(score / largest, 0.0), BAR_WIDTH, complete_style="cyan", finished_style="cyan")
        grid.add_row(Text(terminal_line(name)), Text(text), bar)
    return grid
