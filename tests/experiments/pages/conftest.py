"""The fixtures of the command line, for `edgewise reproduce`."""

from tests.cli.conftest import edgewise, refused

__all__ = ["edgewise", "refused"]
