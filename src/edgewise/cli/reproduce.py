"""`edgewise reproduce`: runs an experiment and shows its table."""

from __future__ import annotations

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.console import Screen
from edgewise.experiments import experiments, load_experiment
from edgewise.experiments.store import Store


def show_names(screen: Screen) -> None:
    """The experiments and what they are."""
    grid = Grid.grid(padding=(0, 2))
    for name, sentence in experiments().items():
        grid.add_row(Text(name, style="bold"), Text(sentence))
    screen.table(grid)


def reproduce(name: str, screen: Screen, *, quick: bool, out: str | None, seed: int) -> None:
    """Runs the experiment; with `out`, goes on from the rows that are there."""
    module = load_experiment(name)
    store = Store.open(out, f"{name}-quick" if quick else name)
    if store.rows:
        commits = sorted({str(row.get("commit"))[:10] for row in store.rows})
        screen.say(f"{len(store.rows)} results were there, from commit {', '.join(commits)}; they are kept.")
    try:
        with screen.progress(name) as bar:

            def tell(what: str, done: float, row: dict | None) -> None:
                if bar is not None:
                    bar.update(what, done)
                if row is not None:
                    screen.say(_line(row))

            outcome = module.run(quick=quick, store=store, seed=seed, progress=tell)
    except KeyboardInterrupt:
        if store.path is not None:
            screen.always(
                f"Interrupted; {len(store.rows)} results are in {store.path}. The same command goes on there."
            )
        raise
    grid = Grid(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for i, column in enumerate(outcome.columns):
        grid.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in outcome.rows:
        grid.add_row(*(Text(cell) for cell in row))
    screen.say()
    screen.table(grid)
    screen.say()
    screen.notes(outcome.sentences)
    if store.path is not None:
        screen.say(f"Wrote {store.path}: every fit with seed, commit, machine and seconds.")


def _line(row: dict) -> str:
    score = "no score" if row["score"] is None else f"{100 * row['score']:.1f} %"
    return f"{row['table']}, fold {row['fold'] + 1} of {row['folds']}: {row['model']} {score}, {row['seconds']:.1f} s"
