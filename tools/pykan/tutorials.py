"""Do pykan's tutorials with Edgewise and write the table of docs/from-pykan.md.

    python -m tools.pykan.tutorials                 # all of them, in about three minutes of CPU time
    python -m tools.pykan.tutorials hellokan        # one of them; only its row is written

The data are those of the tutorials: 1,000 points unless a function says otherwise, uniform on [-1, 1]. "pykan" in the
table is what its notebooks (version 0.2.8) show, on a machine that they don't name.
"""

import argparse
import time
from pathlib import Path

from . import examples, interpretation, physics
from .common import Tutorial

PAGE = Path(__file__).parents[2] / "docs" / "from-pykan.md"
BEGIN, END = "<!-- tutorials: tools/pykan/tutorials.py writes this table -->", "<!-- end of the table -->"
TUTORIALS = (*examples.TUTORIALS, *interpretation.TUTORIALS, *physics.TUTORIALS)


def row_of(tutorial: Tutorial) -> str:
    began = time.process_time()
    result = tutorial.work()
    seconds = time.process_time() - began
    cells = (tutorial.name, tutorial.task, tutorial.pykan, result, f"{seconds:.1f}", tutorial.by)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="names of tutorials; all by default")
    parser.add_argument("--dry", action="store_true", help="print the rows and leave the page alone")
    arguments = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.partition(BEGIN)[2].splitlines()}
    for tutorial in TUTORIALS:
        if not arguments.names or tutorial.name in arguments.names:
            rows[tutorial.name] = row_of(tutorial)
            print(rows[tutorial.name], flush=True)
    if arguments.dry:
        return
    table = ["| tutorial | task | pykan | Edgewise | CPU s | by |", "|---|---|---|---|--:|---|"]
    table += [rows[tutorial.name] for tutorial in TUTORIALS if tutorial.name in rows]
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + "\n".join([BEGIN, "", *table, "", END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
