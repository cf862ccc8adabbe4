"""The errors and warnings a user of Edgewise can meet; each carries one sentence: what, expected, came."""


class EdgewiseError(Exception):
    """Base of every error that Edgewise raises on purpose."""


class InputError(EdgewiseError, ValueError):
    """An argument is wrong: the message names it, what was expected and what came."""


class FileError(EdgewiseError, OSError):
    """A file cannot be read or written: missing, a directory, empty, damaged, no permission, disk full."""


class CheckpointError(FileError):
    """A model file is damaged, hostile, or of a format this version does not know."""


class MissingExtraError(EdgewiseError, ImportError):
    """An optional dependency is absent; the message ends with the pip line that brings it."""


class EdgewiseWarning(UserWarning):
    """Something worth knowing that does not stop the work."""


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for an optional `package` that is not installed.

    Example: `raise missing_extra("matplotlib", "plot", "Drawing a network") from error`.
    """
    return MissingExtraError(f"{purpose} needs {package}, which is not installed: pip install 'edgewise[{extra}]'")
