"""`edgewise fit`: train a KAN, write its results, then search for a formula, compare other models, and update them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.preparation import FitJob, PreparedTable
from edgewise.cli.table.results import INTERRUPTED, FitResults, compared_models, judged_rows, metrics
from edgewise.cli.table.training import (
    COMPARED,
    FORMULA_SECONDS,
    compare_models,
    find_formulas,
    keep_training,
    recalled_training,
    train_model,
)
from edgewise.cli.terminal.console import Screen, input_table
from edgewise.cli.terminal.interrupts import finish
from edgewise.compare.baselines import TITLES, BaselineResult
from edgewise.errors import InputError
from edgewise.estimator.reporting import class_results, held_out_verdict
from edgewise.files.journal import Journal
from edgewise.outcomes import Progress, ProgressCallback
from edgewise.presentation import counted, enumeration, number_text, percent_text, r2_text, seconds_text
from edgewise.processes.team import Team
from edgewise.report.comparison import Comparison


def run_fit(
    job: FitJob, prepared: PreparedTable, folder: ResultFolder | None, screen: Screen, journal: Journal | None
) -> FitResults:
    """Run the job, show it step by step, and write the folder if there is one.

    The results of the KAN are shown and written first; formulas and the comparison with other models are added to the
    files afterwards. Ctrl-C ends the work at any stage within seconds: what there is gets written, but for a report
    that is not drawn yet, and nothing else is begun.
    """
    # The training, or that of the run which --resume continues; its results are shown and written at once.
    stages = Stages(job, prepared, screen)
    screen.say(stages.plan)
    trained = None
    if journal is not None and folder is not None:
        trained = recalled_training(journal, prepared, folder)
    is_recalled = trained is not None
    if trained is None:
        with stages.progress("Training") as report:
            trained = train_model(job, prepared, report, journal)
    elif prepared.large is not None:  # other processes wait for the sums of a training; there is none
        with Team(tuple).leading(dict):
            pass
    stages.is_interrupted = trained.interrupted or trained.ended
    results = FitResults(job, prepared, trained, [])
    with stages.keeping(nothing=folder is None):
        _show_training(results, screen)
    if folder is not None and not is_recalled:
        _write_report(results, folder, stages)
        if journal is not None and not (trained.interrupted or trained.ended):
            keep_training(journal, trained, folder)
    # The search for formulas and the comparison, which are added to the files.
    if not stages.is_interrupted:
        results = _compare(_search_formulas(results, stages, journal), stages, journal)
        if results.formulas is not None:
            screen.say("Formula", style="bold")
            screen.say(results.formulas.headline)
            if results.formulas.is_part:
                screen.always(
                    "The KAN has this formula as a part of its network now: R² "
                    f"{r2_text(results.trained.score)} on the test rows, {r2_text(trained.score)} without it."
                )
                if not COMPARED[job.compare]:
                    screen.say(held_out_verdict(results.trained.estimator))
            screen.say()
        if results.baselines:
            comparison = compared_models(results)
            screen.table(comparison_table(comparison))
            screen.say()
            screen.say(comparison.verdict)
            screen.say()
    # The files again, now with the formulas and the comparison; the journal of a run that has ended well is not needed.
    if folder is None:
        screen.say("No files were written; --out FOLDER writes the model, its metrics, predictions and a report.")
    elif results.baselines or results.formulas is not None:
        _write_again(results, folder, stages)
    if journal is not None and not stages.is_interrupted:
        journal.remove()
    screen.result(metrics(results) | {"wrote": folder and folder.path})
    return results


class Stages:
    """The stages of a fit, counted for the progress bar; Ctrl-C ends one, and the later ones do not begin."""

    def __init__(self, job: FitJob, prepared: PreparedTable, screen: Screen):
        self.screen = screen
        self.is_interrupted = False
        self.planned = ["Training"]
        if job.formulas != 0 and not prepared.labels:
            self.planned.append("Formulas")
        if COMPARED[job.compare]:
            self.planned.append("Comparison")
        self.formula_limit = f"work of about {number_text(FORMULA_SECONDS)} seconds"
        if job.formulas is not None:
            self.formula_limit = f"at most {number_text(job.formulas)} seconds"

    @property
    def plan(self) -> str:
        """A sentence about what is done, before the first stage begins."""
        words = {
            "Training": "training",
            "Formulas": (
                "a search for a formula, which may become a part of the KAN "
                f"({self.formula_limit}; --formulas 0 skips it)"
            ),
            "Comparison": "a comparison with other models (--compare none skips it)",
        }
        parts = [words[stage] for stage in self.planned]
        return f"Stages: {enumeration(parts)}. Ctrl-C ends the work within seconds and keeps what there is."

    @contextmanager
    def keeping(self, sentence: str = "", *, nothing: bool = False) -> Iterator[None]:
        """Let Ctrl-C end a stage, with a sentence on what is kept; it is raised again where that is nothing."""
        try:
            yield
        except KeyboardInterrupt:
            if nothing:
                raise
            self.is_interrupted = True
            if sentence:
                self.screen.always(sentence, style="yellow")

    @contextmanager
    def progress(self, stage: str) -> Iterator[ProgressCallback | None]:
        """Show the bar of a stage on a terminal; yield its callback, or None in a pipe."""
        # The bar counts the stages, where there is more than one.
        title = stage
        if len(self.planned) > 1:
            title = f"{self.planned.index(stage) + 1} of {len(self.planned)}, {stage}"
        with self.screen.progress(title) as report:
            yield report


def _write_report(results: FitResults, folder: ResultFolder, stages: Stages) -> None:
    """Write the results; after Ctrl-C all but the report, whose figures take longer than a reader would wait."""
    screen = stages.screen
    if not stages.is_interrupted:
        with stages.keeping("Interrupted while the report was drawn; the other files are written."):
            with screen.drawing():
                written = results.write(folder)
            screen.always(f"Wrote {folder.path}: {', '.join(written)}.")
            return
    written, _ = finish(partial(results.write, folder, report="none"))
    page = str(folder.path / "report.html")
    missing = shlex.join(["edgewise", "explain", str(folder.path), "--data", results.job.data, "--out", page])
    screen.always(f"Wrote {folder.path}: {', '.join(written)}, and no report, which `{missing}` makes.")


def _write_again(results: FitResults, folder: ResultFolder, stages: Stages) -> None:
    """Add the formulas and the comparison to the files; to the report only if nothing was interrupted."""
    parts = []
    if results.formulas is not None:
        parts.append("formula")
    if results.baselines:
        parts.append("comparison")
    added = " and the ".join(parts)
    with stages.keeping(f"Interrupted; the files in the folder are those without the {added}."):
        if stages.is_interrupted:
            results.write(folder, report="keep")
            place = f"{folder.path} but the report, which was written before them"
        else:
            results.write(folder, report="draw")
            place = str(folder.path)
        stages.screen.say(f"Added the {added} to the files in {place}.")


def _search_formulas(results: FitResults, stages: Stages, journal: Journal | None) -> FitResults:
    """Add formulas to the results, where they are asked for and can be searched for."""
    if "Formulas" not in stages.planned:
        return results
    prepared = results.prepared
    with stages.keeping("The search for a formula was interrupted."), stages.progress("Formulas") as report:
        try:
            formulas, trained = find_formulas(results.job, prepared, results.trained, report, journal)
            if formulas is None:
                return results
            if formulas.is_interrupted:
                stages.is_interrupted = True
                stages.screen.always(
                    "The search for a formula was interrupted; the best so far is kept.", style="yellow"
                )
            if formulas.is_part:  # nothing that was drawn of the network before
                return FitResults(results.job, prepared, trained, results.baselines, formulas)
            return replace(results, trained=trained, formulas=formulas)
        except InputError as error:
            stages.screen.notes([f"No formula was searched for: {error}."])
    return results


def _compare(results: FitResults, stages: Stages, journal: Journal | None) -> FitResults:
    """Add other models to the results, as many as are fitted before Ctrl-C."""
    job = results.job
    prepared = results.prepared
    models = COMPARED[job.compare]
    if not models or stages.is_interrupted:
        return results
    baselines: list[BaselineResult] = []
    words = "The comparison was interrupted; the models compared up to then are kept."
    with stages.keeping(words), stages.progress("Comparison") as report:
        start = time.perf_counter()

        def show(progress: Progress) -> None:
            if report is None:
                return
            share = (models.index(progress.stage) + progress.share) / len(models)
            stage = TITLES[progress.stage, prepared.task]
            seconds = time.perf_counter() - start
            report(replace(progress, stage=stage, share=share, seconds=seconds))

        # One model after another, so that Ctrl-C keeps those that are fitted.
        for one in compare_models(job, prepared, results.trained, show, journal):
            baselines.append(one)
    stages.screen.notes([note for one in baselines for note in one.notes])
    return replace(results, baselines=baselines)


def _show_training(results: FitResults, screen: Screen) -> None:
    """Show the shape, score and strongest inputs of the KAN, before anything else is computed."""
    trained = results.trained
    judged = judged_rows(results)
    config = trained.estimator.model_.config
    grids = "/".join(str(size) for size in sorted(set(config.grid_size)))
    screen.say(
        f"Trained a KAN in {seconds_text(trained.seconds)}: {trained.estimator._shape_text()}; nodes "
        f"{'-'.join(map(str, config.width))}, {grids} intervals in each spline.",
        style="bold",
    )
    search = trained.estimator.search_
    # One line on all candidates: the report has the reason for which each was taken or not.
    reasons = " ".join(trial.reason for trial in search.trials)
    others = [one for one in search.sentences if one not in reasons and not one.startswith("Chosen of ")]
    screen.notes(
        [*filter(None, [search.line]), *others, *trained.notes, *filter(None, [trained.estimator._task.no_intervals])]
    )
    if trained.interrupted:
        screen.always(INTERRUPTED, style="yellow")
    screen.say()
    # The score on the test rows beside that of a constant, and what the held-out rows of the search say.
    for sentence in replace(compared_models(results), models=compared_models(results).models[:1]).sentences:
        screen.always(sentence, "bold")
    if not COMPARED[results.job.compare]:
        screen.say(held_out_verdict(trained.estimator))
    # The recall of each of up to six classes; all are in the report.
    if 0 < len(judged.classes) <= 6:
        classes = class_results(judged.classes, judged.observed, judged.predicted)
        known = [one for one in classes if one.recall is not None]
        found = [f"{percent_text(one.recall or 0.0)} of {counted(one.rows, 'row')} of {one.name}" for one in known]
        screen.say(f"Of each class it found {', '.join(found)}.")
    screen.say()
    # The inputs by mean absolute contribution; a constant model has none.
    constant = results.constant_sentence()
    if constant:
        screen.always(constant)
    else:
        screen.say("Strongest inputs, and by how much each moves a prediction on average", style="bold")
        screen.table(input_table(results.ranked_inputs()))
    screen.say()


def comparison_table(comparison: Comparison) -> Grid:
    """Return the table of models, the best first, with the KAN in bold."""
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    for place, title in enumerate(comparison.head):
        grid.add_column(title, justify="right" if place else "left", no_wrap=place > 0)
    # A row for each model, with a remark such as "interrupted" behind its name.
    for model, (name, *cells) in zip(comparison.order, comparison.table(), strict=True):
        style = "bold" if model is comparison.models[0] else ""
        if model.remark:
            name = f"{name} ({model.remark})"
        grid.add_row(*(Text(cell, style=style) for cell in (name, *cells)))
    return grid
