"""The command line `edgewise`.

`main` is the door. `app` declares the commands with their options; each command has a file of its own in `table`
(fit, predict, info, plot, explain, formula, dynamics, export), in `pde` (solve) or in `explorer` (explore). `terminal`
is what the user meets, and `shared` holds what several commands use.
"""

import errno
import gc
import os
import sys
from functools import partial
from importlib.resources import files
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command `edgewise` and end the process with its exit code."""
    try:
        _run()
    except OSError as error:  # of a page of help: commands have sentences of their own
        from edgewise.cli.terminal.exit_codes import STREAM_ERRORS

        if error.filename is not None or error.errno not in (errno.EPIPE, *STREAM_ERRORS):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again at exit
        if error.errno == errno.EPIPE:  # the reader of a pipe (head, less) has ended
            sys.exit(0)
        from edgewise.files.whole import reason

        sys.exit(f"edgewise: cannot write to standard output: {reason(error)}")


def _run() -> None:
    encoding = "" if sys.stdout is None else sys.stdout.encoding or ""
    is_unicode = encoding.lower() in ("utf-8", "utf8")  # else typer draws the page with other signs
    if is_unicode and sys.argv[1:] in (["--help"], ["-h"]):  # at once: typer and rich take six times as long to import
        sys.stdout.write((files("edgewise.cli") / "help.txt").read_text(encoding="utf-8"))
        sys.stdout.flush()
        return
    for package in ("typer", "rich"):
        if find_spec(package) is None:
            sys.exit(f"edgewise: The command line needs {package}, which is not installed: pip install 'edgewise[cli]'")
    # Before torch is loaded: threads that wait for others must not keep a core busy that other programs need.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edgewise.cli.terminal.interrupts import InterruptWatch, finish, importing

    with importing():
        from edgewise.cli.app import app
        from edgewise.native import native_call_goes_on
    watch = InterruptWatch()
    watch.start()
    try:
        app(prog_name="edgewise")
    except SystemExit as ending:
        gc.freeze()  # the last collection would visit every object of torch: 0.2 instead of 1.0 CPU seconds to end
        code, _ = finish(partial(watch.end, ending.code))
        if isinstance(code, int) and native_call_goes_on():  # Python would wait for it, though all is written
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:  # closed when the process began
                    stream.flush()
            os._exit(code)
        sys.exit(code)
