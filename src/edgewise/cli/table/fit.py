"""`edgewise fit`: the job, told step by step on the screen."""

from __future__ import annotations

from edgewise.cli.shared.console import Screen, comparison, strongest
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.job import FitJob, Prepared, Trained, compare, prepare, train
from edgewise.cli.table.formula import Equations, find_equations
from edgewise.cli.table.results import INTERRUPTED, TITLES, Results, split_sentence
from edgewise.compare.baselines import BaselineResult
from edgewise.errors import InputError
from edgewise.outcomes import Progress
from edgewise.report.comparison import comparison_sentences


def fit(job: FitJob, folder: ResultFolder | None, screen: Screen) -> Results:
    """Runs the job, shows it, and writes the folder if there is one.

    Ctrl-C during training or comparison keeps what there is by then, and the folder is still written.
    """
    if folder is not None:
        folder.check()
    ready = prepare(job)
    table = ready.source.table
    screen.say(f"Read {job.data}: {table.n_rows:,} rows, {len(table.names)} columns.", style="bold")
    screen.notes(ready.notes)
    screen.say(f"Split: {split_sentence(ready)}.", style="bold")
    trained = _train(ready, screen)
    baselines = [] if trained.interrupted or not job.baselines else _compare(ready, screen)
    equations = None if trained.interrupted else _equations(ready, trained, screen)
    results = Results.of(ready, trained, baselines, equations)
    _show(results, screen)
    if folder is not None:
        results.write(folder)
        screen.always(f"Wrote {folder.path}: model.safetensors, metrics.json, predictions.csv, report.html.")
    else:
        screen.say("Nothing was written; add --out FOLDER to keep model, metrics, predictions and report.")
    return results


def _train(ready: Prepared, screen: Screen) -> Trained:
    with screen.progress("Training") as bar:
        trained = train(ready, None if bar is None else bar.update)
    model = trained.estimator.model_
    grids = "/".join(str(size) for size in sorted(set(model.config.grid_size)))
    screen.say(
        f"KAN {list(model.config.width)}, {grids} knot intervals, trained in {trained.seconds:.1f} seconds.",
        style="bold",
    )
    screen.notes([*trained.estimator.search_.sentences, *trained.notes])
    if trained.interrupted:
        screen.always(INTERRUPTED, style="yellow")
    return trained


def _compare(ready: Prepared, screen: Screen) -> list[BaselineResult]:
    found: list[BaselineResult] = []
    try:
        with screen.progress("Comparing") as bar:

            def show(progress: Progress) -> None:
                order = ("linear", "MLP", "boosting")
                share = (order.index(progress.stage) + progress.share) / len(order)
                bar.update(Progress(f"Comparing: {TITLES[progress.stage][ready.task]}", share))

            for one in compare(ready, None if bar is None else show):
                found.append(one)
    except KeyboardInterrupt:
        screen.always("The comparison was interrupted; the models compared by then are kept.", style="yellow")
    screen.notes([note for one in found for note in one.notes])
    return found


def _equations(ready: Prepared, trained: Trained, screen: Screen) -> Equations | None:
    try:
        with screen.waiting(f"Looking for formulas, up to {ready.job.formulas:g} seconds"):
            return find_equations(ready, trained)
    except InputError as error:
        screen.notes([f"There is no formula: {error}."])
    except KeyboardInterrupt:
        screen.always("The search for formulas was interrupted.", style="yellow")
    return None


def _show(results: Results, screen: Screen) -> None:
    content = results.content()
    screen.say()
    screen.table(comparison(content))
    screen.say()
    sentences = comparison_sentences(content)
    if screen.quiet and sentences:
        screen.always(sentences[0])
    screen.say(" ".join(sentences))
    screen.say()
    screen.say("Strongest inputs", style="bold")
    screen.table(strongest(results.inputs))
    if results.equations is not None:
        first = results.equations.sentences()[0]
        screen.say()
        screen.say("As a formula", style="bold")
        screen.say(f"{first}   (R² {results.equations.score:.4g} on the test rows)")
    screen.say()
