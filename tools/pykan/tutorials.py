"""Do pykan's tutorials with Edgewise and store the rows of results/pykan-tutorials.json, a table of docs/from-pykan.md.

    python -m tools.pykan.tutorials                 # all of them, in about three minutes of CPU time
    python -m tools.pykan.tutorials hellokan        # one of them, which is printed and not stored
    python tools/readme_tables.py                   # writes the table of the page

The data are those of the tutorials: 1,000 points unless a function says otherwise, uniform on [-1, 1]. "pykan" in the
table is what its notebooks (version 0.2.8) show, on a machine that they don't name.
"""

import argparse
import time

from edgewise_experiments.runner.store import RESULTS, Store

from . import examples, interpretation, physics
from .common import Tutorial

TUTORIALS = (*examples.TUTORIALS, *interpretation.TUTORIALS, *physics.TUTORIALS)


def row_of(tutorial: Tutorial) -> dict:
    began = time.process_time()
    result = tutorial.work()
    seconds = time.process_time() - began
    texts = {"tutorial": tutorial.name, "task": tutorial.task, "pykan": tutorial.pykan, "Edgewise": result}
    return {**texts, "CPU s": round(seconds, 1), "by": tutorial.by}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="names of tutorials; all by default")
    names = parser.parse_args().names
    store = Store.open(None if names else RESULTS, "pykan-tutorials", anew=True)
    for tutorial in TUTORIALS:
        if not names or tutorial.name in names:
            row = store.add(row_of(tutorial))
            print(f"{row['tutorial']}: {row['Edgewise']} in {row['CPU s']} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
