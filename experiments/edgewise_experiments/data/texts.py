"""The text of the experiment on language: Milton's Paradise Lost, in the public domain."""

from __future__ import annotations

import gzip
from importlib.resources import as_file, files


def paradise_lost() -> str:
    """Return John Milton's Paradise Lost, the ten books of the first edition.

    454,471 characters of 65 kinds, all ASCII; PROVENANCE.md in the same folder states the source.
    """
    with as_file(files("edgewise_experiments.data") / "paradise_lost.txt.gz") as path:
        return gzip.decompress(path.read_bytes()).decode("ascii")
