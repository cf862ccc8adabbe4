"""`edgewise reproduce`: hand over to the experiments, a separate package that only a clone of the repository has."""

from __future__ import annotations

from types import ModuleType

from edgewise.errors import InputError


def load_experiments_command() -> ModuleType:
    """Import the module that lists and runs the experiments."""
    try:
        from edgewise_experiments.pages import command
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "edgewise_experiments":
            raise
        raise InputError(
            "the experiments are not part of the installed package: clone the repository of Edgewise and run "
            "'make install' there, or 'pip install --editable ./experiments' from the clone"
        ) from error
    return command
