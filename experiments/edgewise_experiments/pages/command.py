"""The command `python -m edgewise_experiments`: runs an experiment, shows tables and notes, and writes figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.terminal.console import Screen
from edgewise.errors import EdgewiseError
from edgewise.escaping import terminal_line
from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.runner import RowProgress, Store

FAILED, INTERRUPTED = 1, 130  # exit codes, as those of the command `edgewise`


def main(words: Sequence[str] | None = None) -> int:
    """Run the command with these words, by default those of the command line, and return its exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.name is None and not options.list:
        parser.error("give the name of an experiment, or --list")
    screen, seeds = Screen(), {"seeds": options.seeds, "seed": options.seed}
    try:
        if options.list:
            show_names(screen)
        else:
            reproduce(options.name, screen, quick=options.quick, out=options.out, **seeds)
    except EdgewiseError as error:
        print(f"edgewise_experiments: {terminal_line(str(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as error:
        print(f"edgewise_experiments: {error or 'interrupted; nothing was kept'}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m edgewise_experiments",
        description="Repeat an experiment whose results the documentation shows.",
        epilog="With --out every finished row is stored at once, and the same command continues where it stopped.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of an experiment (see --list)")
    parser.add_argument("--list", action="store_true", help="list the experiments and exit")
    parser.add_argument("--quick", action="store_true", help="run a small version that takes seconds")
    parser.add_argument("--out", "-o", metavar="DIR", help="folder for the results: JSON, and figures as SVG and PDF")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds; by default what the experiment needs")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="first seed")
    return parser


def show_names(screen: Screen) -> None:
    """Print the names of the experiments with their first sentences."""
    grid = Grid.grid(padding=(0, 2))
    for name, sentence in experiments().items():
        grid.add_row(Text(name, style="bold"), Text(sentence))
    screen.table(grid)


def reproduce(name: str, screen: Screen, *, quick: bool, out: str | None, seeds: int | None, seed: int) -> None:
    """Run one experiment and show its tables and notes."""
    module = load_experiment(name)
    store = Store.open(out, f"{name}-quick" if quick else name)
    if store.rows:
        commits = sorted({str(row.get("commit"))[:10] for row in store.rows})
        screen.say(f"{len(store.rows)} results were there, from commit {', '.join(commits)}; they are kept.")
    chosen = None if seeds is None and seed == 0 else tuple(range(seed, seed + (seeds or 1)))
    try:
        with screen.progress(name) as bar:

            def show_progress(at: RowProgress) -> None:
                if bar is not None:
                    bar.update(at)
                if at.line is not None:
                    screen.say(at.line)

            outcome = module.run(quick=quick, store=store, seeds=chosen, progress=show_progress)
    except KeyboardInterrupt:
        if store.path is None:
            raise
        kept = f"{len(store.rows)} results are in {store.path}"
        raise KeyboardInterrupt(f"interrupted; {kept}, where the same command goes on") from None
    for table in outcome.tables:
        grid = Grid(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
        for column, is_number in zip(table.columns, table.number_columns(), strict=True):
            grid.add_column(column, justify="right" if is_number else "left", no_wrap=True)
        for row in table.rows:
            grid.add_row(*(Text(cell) for cell in row))
        screen.say()
        if table.title:
            screen.say(table.title, style="bold")
        screen.table(grid)
    screen.say()
    screen.notes(outcome.notes)
    if store.path is not None:
        screen.say(f"Wrote {store.path}: every row with seed, commit, machine and seconds.")
        for figure, draw in outcome.figures.items():
            from edgewise.plot import save

            drawn, path = draw(), store.path.with_name(f"{store.path.stem}-{figure}.svg")
            save(drawn, path, theme="auto")  # its colours follow the page it stands on
            save(drawn, path.with_suffix(".pdf"))
            screen.say(f"Wrote {path} and .pdf.")
