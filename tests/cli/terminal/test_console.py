"""Sentences in a pipe and on a terminal, the progress bar."""

import io

import pytest
from rich.console import Console

from edgewise.cli.terminal.console import Screen, input_table
from edgewise.outcomes import Progress


def screen(terminal, **options):
    made = Screen(**options)
    made.console = Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False, markup=False)
    return made, made.console.file.getvalue


def test_a_pipe_has_whole_sentences_and_no_codes():
    shown, text = screen(False)
    long = "word " * 40 + "end [bold]not markup[/bold] \x1b[2J :smile:"
    shown.say(long, style="bold")
    shown.notes([long])
    first, second = text().splitlines()
    assert first.endswith("end [bold]not markup[/bold] \\x1b[2J :smile:") and "\x1b" not in text()
    assert second.startswith("  - word")


def test_progress_is_shown_on_a_terminal_only():
    shown, text = screen(True)
    with shown.progress("Training") as bar:
        bar(Progress("stage one [x]", 0.25, 0.125, seconds=30.0))
    assert "Training: stage one [x]" in text() and "25 %" in text() and "0:30, at most 90 s more" in text()
    for terminal, quiet in ((False, False), (True, True)):
        shown, text = screen(terminal, quiet=quiet)
        with shown.progress("Training") as bar:
            assert bar is None
        assert text() == ""


@pytest.mark.parametrize("inputs", [[], [("a", 0.0)], [("a", 2.0), ("b\x1b", 1.0)], [("a", 1e308), ("b", 5e307)]])
def test_strongest_inputs(inputs):
    shown, text = screen(False)
    shown.table(input_table(inputs))
    bars = [line.count("━") for line in text().splitlines()]
    assert bars == {0: [0], 1: [0], 2: [24, 12]}[len(inputs)]
    assert "\x1b" not in text()
