"""Outcome of an experiment from its stored rows alone."""

from __future__ import annotations

from pathlib import Path

from edgewise.errors import FileError
from edgewise_experiments import load_experiment
from edgewise_experiments.runner import Outcome, Store


def stored_outcome(folder: Path, name: str) -> Outcome:
    """Summarise the rows of `folder`/`name`.json and those of the files with which the experiment compares them."""
    module, store = load_experiment(name), Store(folder / f"{name}.json")
    if not store.path.exists():
        raise FileError(f"the results of an experiment must be in {store.path}, which does not exist")
    return module.summary(store.beside(name, *getattr(module, "ALSO", ())))
