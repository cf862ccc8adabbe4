"""`edgewise reproduce`: hands over to the experiments, a package of its own that only a clone has."""

from __future__ import annotations

from types import ModuleType

from edgewise.errors import InputError


def experiments_command() -> ModuleType:
    """The module that runs, lists and shows experiments.

    Raises
    ------
    InputError
        The package `edgewise_experiments` is not installed.
    """
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
