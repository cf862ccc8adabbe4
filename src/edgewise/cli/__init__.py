"""The command line `edgewise`: fit, predict, info, plot, reproduce."""

import sys
from importlib.util import find_spec


def main() -> None:
    """What the command `edgewise` runs; ends the process with the exit code."""
    for package in ("typer", "rich"):
        if find_spec(package) is None:
            sys.exit(f"edgewise: The command line needs {package}, which is not installed: pip install 'edgewise[cli]'")
    from edgewise.cli.app import app

    app()
