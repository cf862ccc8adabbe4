"""The option --resume: the finished parts of a run that was cut short, kept beside its results until it ends well."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgewise
from edgewise.cli.terminal.console import Screen
from edgewise.compare.baselines import BaselineResult
from edgewise.errors import FileError, InputError
from edgewise.files.journal import FOLDER, Journal, Part
from edgewise.files.whole import read_bytes
from edgewise.presentation import counted


def run_facts(command: str, job: Any, **files: str | None) -> dict[str, Any]:
    """Return what determines the results of a command: its options, the contents of its files, versions and threads.

    Files are given by the names of their options; what is no file, such as the name of a data set, counts by its name.
    """
    facts = asdict(job) | {"command": command, "threads": torch.get_num_threads()}
    for name, path in files.items():
        facts[name] = path
        if path is not None and Path(path).is_file():
            facts[name] = hashlib.sha256(read_bytes(path)).hexdigest()
    versions = {"edgewise": edgewise.__version__, "torch": torch.__version__, "numpy": np.__version__}
    return facts | {f"version of {name}": str(version) for name, version in versions.items()}


@contextmanager
def unfinished_run(
    out: str | None, facts: Mapping[str, Any], screen: Screen, *, resume: bool, is_file: bool = False
) -> Iterator[Journal | None]:
    """Yield the journal of a run; None for a run without --out, of which nothing is kept."""
    # The body calls `Journal.remove` when the run has ended well. Otherwise the journal stays, unless the run was so
    # short that nothing has been written into it. It is in the folder of --out, or beside a file.
    if out is None:
        if resume:
            raise InputError("--resume needs --out, where the unfinished run is")
        yield None
        return
    # The journal of the earlier run goes on, or makes room for a new one.
    place = Path(out) / FOLDER
    if is_file:
        place = Path(out).with_name(f".{Path(out).name}{FOLDER}")
    journal = Journal(place, facts, out)
    if resume:
        parts = journal.resume()
        screen.say(
            f"Going on with the unfinished run in {out}, of which {counted(parts, 'part')} and "
            f"{journal.seconds:.0f} seconds are done."
        )
    elif journal.exists:
        screen.notes([f"This run replaces an unfinished one in {out}, with which --resume would have gone on."])
        journal.remove()
    kept = f"The finished parts are kept in {out}, and the same command with --resume goes on there."
    # The run; parts that are finished when it ends early are kept.
    try:
        yield journal
    except KeyboardInterrupt:
        if not journal.exists:
            raise
        with suppress(FileError):  # what ended the run, such as a full disk, is the message
            journal.write()
        raise KeyboardInterrupt(f"interrupted. {kept}") from None
    except BaseException:
        if journal.exists:
            with suppress(FileError):
                journal.write()
            screen.always(kept)
        raise
    if journal.exists:  # interrupted, but with a result
        journal.write()
        screen.always(kept)


def each_once(journal: Journal | None, name: str, results: Iterator[BaselineResult]) -> Iterator[BaselineResult]:
    """Yield the results of a model, from the journal if they are there; keep them otherwise."""
    if journal is None:
        yield from results
        return
    # Results of the journal, as they were.
    known = journal.recall(f"model {name}")
    if known is not None:
        for number, facts in enumerate(known.facts["results"]):
            given = facts | {"notes": tuple(facts["notes"]), "losses": known.arrays.get(f"losses {number}")}
            # Numbers are in the arrays, labels in the facts.
            prediction = known.arrays.get(str(number), facts["prediction"])
            if prediction is not None:
                given["prediction"] = np.array(prediction)
            yield BaselineResult(**given)
        return
    # Else each result as it comes; all are kept when the last one is there.
    made = []
    for result in results:
        made.append(result)
        yield result
    stored = []
    arrays = {}
    for number, result in enumerate(made):
        facts = asdict(result) | {"losses": None, "prediction": None}
        if result.losses is not None:
            arrays[f"losses {number}"] = result.losses
        prediction = result.prediction
        if prediction is not None and prediction.dtype.kind in "biuf":
            arrays[str(number)] = prediction
        elif prediction is not None:
            facts["prediction"] = prediction.tolist()
        stored.append(facts)
    journal.keep(f"model {name}", Part({"results": stored}, arrays))
