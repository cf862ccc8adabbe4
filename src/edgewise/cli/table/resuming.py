"""The stages of `edgewise fit` in a journal: what was finished before a run was cut short is not computed again."""

from __future__ import annotations

import hashlib

from edgewise.cli.shared.folder import NAMES, ResultFolder
from edgewise.cli.shared.preparation import PreparedTable
from edgewise.cli.table.training import TrainedModel, scored
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.storage import load_estimator
from edgewise.files import Journal, Part, read_bytes

MODEL = NAMES[0]


def keep_training(journal: Journal, trained: TrainedModel, folder: ResultFolder) -> None:
    """Keep a training whose model has been written into the folder."""
    facts = {"seconds": trained.seconds, "notes": trained.notes, "model": _digest(folder)}
    journal.keep("training", Part(facts))


def recalled_training(journal: Journal, prepared: PreparedTable, folder: ResultFolder) -> TrainedModel | None:
    """Return the model in the folder, with its predictions; None if the earlier run had not written it."""
    part = journal.recall("training")
    if part is None or not (folder.path / MODEL).is_file() or _digest(folder) != part.facts["model"]:
        return None
    estimator = load_estimator(folder.path / MODEL)[0]
    if not isinstance(estimator, KANRegressor | KANClassifier):
        return None
    return scored(prepared, estimator, part.facts["seconds"], tuple(part.facts["notes"]))


def _digest(folder: ResultFolder) -> str:
    return hashlib.sha256(read_bytes(folder.path / MODEL)).hexdigest()
