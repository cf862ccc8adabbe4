"""Compares two folders of stored rows: python tools/compare_rows.py BEFORE AFTER [--tolerance 1e-6]

A restructuring must change no result. Run `python -m edgewise_experiments --all --quick --out BEFORE` on the old
commit and the same with another folder on the new one, on one machine with the same number of threads. This script
lists every row that is missing and every number that differs by more than the tolerance, relative to the larger of
the two. Seconds, commit and machine are left out, and so are losses that are rounding error themselves (below 1e-20).
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

# Entries of a row that depend on the machine and the moment, not on the computation.
UNCOMPARED = {"seconds", "cpu_seconds", "commit", "machine", "megabytes", "gigabytes", "speed", "steps_per_second"}
ROUNDING = 1e-20  # squared errors below this are rounding error in float64


def differences(before: object, after: object, tolerance: float, place: str) -> Iterator[str]:
    """The places at which two values of JSON differ, each as one line."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after} - UNCOMPARED):
            if "seconds" in key:
                continue
            yield from differences(before.get(key), after.get(key), tolerance, f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, tolerance, f"{place}[{number}]")
    elif _is_number(before) and _is_number(after):
        largest = max(abs(before), abs(after))
        if largest > ROUNDING and not math.isclose(before, after, rel_tol=tolerance, abs_tol=0.0):
            yield f"{place}: {before!r} before, {after!r} after"
    elif before != after:
        yield f"{place}: {before!r:.80} before, {after!r:.80} after"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> int:
    """Print the differences file by file; the exit code is 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-6, help="relative, default 1e-6")
    options = parser.parse_args()
    names = sorted({path.name for folder in (options.before, options.after) for path in folder.glob("*.json")})
    differing = 0
    for name in names:
        rows = []
        for folder in (options.before, options.after):
            path = folder / name
            rows.append(json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else [])
        lines = list(differences(*rows, options.tolerance, ""))
        differing += bool(lines)
        print(f"{name}: {len(rows[0])} and {len(rows[1])} rows, {len(lines)} differences")
        print("".join(f"    {line}\n" for line in lines[:20]), end="")
    print(f"{len(names) - differing} of {len(names)} files agree")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
