"""`edgewise fit`: read a table, train a KAN, compare it with other models, find a formula, and write the results."""

from __future__ import annotations

import time
from dataclasses import replace

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.shared.console import Screen, input_table
from edgewise.cli.shared.folder import NAMES, ResultFolder
from edgewise.cli.shared.preparation import FitJob, PreparedTable, prepare_table
from edgewise.cli.table.results import INTERRUPTED, TITLES, FitResults, report_content, split_sentence
from edgewise.cli.table.training import FitFormulas, compare_models, find_formulas, train_model
from edgewise.compare.baselines import BaselineResult
from edgewise.errors import InputError
from edgewise.outcomes import Progress
from edgewise.report import ReportContent
from edgewise.report.comparison import comparison_sentences, score_text

BASELINE_ORDER = ("linear", "MLP", "boosting")  # the stages of `iterate_baselines`


def run_fit(job: FitJob, folder: ResultFolder | None, screen: Screen) -> FitResults:
    """Run the job, show it step by step, and write the folder if there is one.

    Ctrl-C during the training or the comparison keeps everything up to then, and the folder is still written.
    """
    if folder is not None:
        folder.check()
    prepared = prepare_table(job)
    table = prepared.source.table
    screen.say(f"Read {job.data}: {table.n_rows:,} rows, {len(table.names)} columns.", style="bold")
    screen.notes(prepared.notes)
    screen.say(f"Split: {split_sentence(job, prepared)}.", style="bold")

    with screen.progress("Training") as bar:
        trained = train_model(job, prepared, None if bar is None else bar.update)
    config = trained.estimator.model_.config
    grids = "/".join(str(size) for size in sorted(set(config.grid_size)))
    screen.say(
        f"Trained a KAN of shape {list(config.width)} with {grids} knot intervals in {trained.seconds:.1f} seconds.",
        style="bold",
    )
    screen.notes([*trained.estimator.search_.sentences, *trained.notes])

    baselines: list[BaselineResult] = []
    formulas: FitFormulas | None = None
    if trained.interrupted:
        screen.always(INTERRUPTED, style="yellow")
    else:
        if not job.no_baselines:
            baselines = _compare(job, prepared, screen)
        try:
            with screen.waiting(f"Searching for a formula, up to {job.formulas:g} seconds"):
                formulas = find_formulas(job, prepared, trained)
        except InputError as error:
            screen.notes([f"No formula was searched for: {error}."])
        except KeyboardInterrupt:
            screen.always("The search for a formula was interrupted.", style="yellow")

    results = FitResults(job, prepared, trained, baselines, formulas)
    _show(results, screen)
    if folder is None:
        screen.say("No files were written; --out FOLDER writes the model, its metrics, predictions and a report.")
    else:
        results.write(folder)
        screen.always(f"Wrote {folder.path}: {', '.join(NAMES)}.")
    return results


def _compare(job: FitJob, prepared: PreparedTable, screen: Screen) -> list[BaselineResult]:
    baselines: list[BaselineResult] = []
    try:
        with screen.progress("Comparing") as bar:
            start = time.perf_counter()

            def show(progress: Progress) -> None:
                share = (BASELINE_ORDER.index(progress.stage) + progress.share) / len(BASELINE_ORDER)
                stage, seconds = f"Comparing: {TITLES[progress.stage][prepared.task]}", time.perf_counter() - start
                if bar is not None:
                    bar.update(replace(progress, stage=stage, share=share, seconds=seconds))

            for one in compare_models(job, prepared, None if bar is None else show):
                baselines.append(one)
    except KeyboardInterrupt:
        screen.always("The comparison was interrupted; the models compared up to then are kept.", style="yellow")
    screen.notes([note for one in baselines for note in one.notes])
    return baselines


def _show(results: FitResults, screen: Screen) -> None:
    content = report_content(results)
    screen.say()
    screen.table(comparison_table(content))
    screen.say()
    sentences = comparison_sentences(content)
    if screen.quiet and sentences:
        screen.always(sentences[0])
    screen.say(" ".join(sentences))
    screen.say()
    screen.say("Strongest inputs, by attribution score", style="bold")
    screen.table(input_table(results.ranked_inputs()))
    if results.formulas is not None:
        screen.say()
        screen.say("Formula", style="bold")
        screen.say(f"{results.formulas.equation}   (R² {results.formulas.score:.4g} on the test rows)")
    screen.say()


def comparison_table(content: ReportContent) -> Grid:
    """Return the table of models, the KAN first, with the best score in bold."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    grid.add_column("")
    for name in (f"{content.score_name} (test) ± standard error", "parameters", "seconds"):
        grid.add_column(name, justify="right", no_wrap=True)
    best = max((model.score for model in content.models if model.score is not None), default=None)
    for model in content.models:
        style = "bold" if best is not None and model.score == best else ""
        score = score_text(content, model.score)
        if model.score is None:
            score = model.remark or "-"
        elif model.error is not None:
            score += f" ± {100 * model.error:.1f}" if content.score_percent else f" ± {model.error:.2g}"
        seconds = "" if model.seconds is None else f"{model.seconds:,.{0 if model.seconds >= 100 else 1}f}"
        grid.add_row(
            Text(model.name, style=style),
            Text(score, style=style),
            Text("" if model.parameters is None else f"{model.parameters:,}"),
            Text(seconds),
        )
    return grid
