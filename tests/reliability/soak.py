"""Attack a run of `edgewise fit`, its files and its readers, and count what fails; a table of Markdown is the result.

    python tests/reliability/soak.py --tries 200           # about an hour on two cores
    python tests/reliability/soak.py --tries 200 --write   # and put the table into docs/reliability.md

The tests of this folder run the same attacks a few times each.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgewise import EdgewiseError, KANRegressor, load, save
from edgewise.files import open_folder
from edgewise.tables import read_table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MARKS = "<!-- attacks -->", "<!-- end of attacks -->"
LONGEST_READ = 5.0  # seconds in which any damaged file is refused or read
COMMAND = [sys.executable, "-m", "edgewise", "fit", "table.csv", "--target", "y", "--out", "out"]
OPTIONS = ["--compare", "none", "--formulas", "0", "--effort", "low", "--quiet"]


@dataclass
class Attack:
    """One kind of attack with its count.

    Parameters
    ----------
    name : str
        What is done, as a row of the table.
    tries : int
        How often it was done.
    failures : list of str
        What went wrong, one sentence each.
    """

    name: str
    tries: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, failure: str | None) -> None:
        """Add a try with its failure, None if all was well."""
        self.tries += 1
        if failure is not None:
            self.failures.append(failure)


def write_table(folder: Path) -> None:
    """Write a small table of numbers and one category."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(80, 2))
    y = x[:, 0] + np.sin(x[:, 1])
    rows = [f"{a:.4f},{b:.4f},{'uv'[int(a > 0)]},{c:.4f}" for (a, b), c in zip(x, y, strict=True)]
    (folder / "table.csv").write_text("a,b,kind,y\n" + "\n".join(rows) + "\n")


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file that is not a temporary one."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and ".edgewise-" not in path.name
    }


def start(folder: Path, seed: int, **options: object) -> subprocess.Popen[str]:
    """Start a fit with another split of the rows in a folder with a table."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *OPTIONS, "--seed", str(seed)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


class Kills:
    """Kill runs over an existing folder of results at random moments.

    Parameters
    ----------
    folder : Path
        An empty folder for the work.
    seed : int
        Seed of the moments.
    """

    def __init__(self, folder: Path, seed: int = 0):
        self.folder, self.random = folder, random.Random(seed)
        write_table(folder)
        before = time.monotonic()
        process = start(folder, seed=0)
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        self.seconds = time.monotonic() - before
        self.runs = 0

    def attempt(self, number: signal.Signals) -> str | None:
        """Send a signal at a random moment; return what is wrong afterwards."""
        before = contents(self.folder / "out")
        self.runs += 1
        process = start(self.folder, seed=self.runs)
        moment = self.random.uniform(0.05, 1.1) * self.seconds
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, errors = process.communicate(timeout=60 + 10 * self.seconds)
        open_folder(self.folder / "out")
        after = contents(self.folder / "out")
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        if changed and set(after) - changed:
            return f"{number.name} after {moment:.1f} s left {sorted(set(after) - changed)} of the run before"
        if "Traceback" in errors or "bug in Edgewise" in errors:
            return f"{number.name} after {moment:.1f} s: {errors.strip().splitlines()[-1][:200]}"
        load(self.folder / "out")
        return None

    def litter(self) -> str | None:
        """Return what a complete run leaves of the killed ones."""
        self.runs += 1
        start(self.folder, seed=self.runs).communicate()
        left = [path.name for path in (self.folder / "out").iterdir() if ".edgewise-" in path.name]
        return f"{len(left)} temporary files are left, such as {left[0]}" if left else None


def full_disk(folder: Path, largest: int) -> str | None:
    """Run with a largest size of files; return what is wrong afterwards."""
    before = contents(folder / "out")
    process = start(folder, seed=7, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)))
    _, errors = process.communicate()
    if contents(folder / "out") != before:
        return f"files of at most {largest} bytes: the old results changed"
    if process.returncode != 1 or errors.count("\n") != 1 or "Traceback" in errors:
        return f"files of at most {largest} bytes: exit code {process.returncode}, {errors[-200:]!r}"
    return None


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return a copy with some bytes changed, doubled, removed or cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        place = draw.randrange(len(changed) or 1)
        match draw.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                changed[place:place] = changed[place : place + draw.randrange(1, 64)]
            case 2:
                del changed[place : place + draw.randrange(1, 64)]
            case 3:
                changed[place : place + 1] = draw.choice([b"9" * 40, b'"', b"\0", b"\xff", b"{", b"NaN", b"1e999"])
            case _:
                del changed[place : None if draw.random() < 0.1 else place + 1]
    return bytes(changed)


def hostile_reads(
    original: bytes, path: Path, read: Callable[[Path], object], tries: int, seed: int
) -> Iterator[str | None]:
    """Read mutated copies of a file; yield for each what is wrong, None if it is read or refused in a sentence."""
    draw = random.Random(seed)
    for number in range(tries):
        path.write_bytes(mutated(original, draw))
        before = time.process_time()
        try:
            read(path)
        except EdgewiseError as error:
            if "\n" in str(error):
                yield f"{path.suffix}, try {number} of seed {seed}: more than one line"
                continue
        except Exception as error:
            yield f"{path.suffix}, try {number} of seed {seed}: {type(error).__name__}: {error}"[:200]
            continue
        seconds = time.process_time() - before
        slow = seconds > LONGEST_READ
        yield f"{path.suffix}, try {number} of seed {seed}: took {seconds:.1f} CPU seconds" if slow else None


def attacks(folder: Path, tries: int) -> list[Attack]:
    """Run all attacks."""
    sys.path.insert(0, str(Path(__file__).parent))  # this file may run as a script, outside of a package
    from hostile import hostile_kinds

    table = []
    work = folder / "kills"
    work.mkdir()
    kills = Kills(work)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        attack = Attack(f"{number.name} at a random moment of `edgewise fit --out` over old results")
        for _ in range(max(1, tries // 3)):
            attack.count(kills.attempt(number))
        table.append(attack)
    attack = Attack("temporary files of killed runs after the next run")
    attack.count(kills.litter())
    table.append(attack)
    attack = Attack("a full disk (largest size of files)")
    for largest in (0, 100, 5000, 20_000)[: max(1, tries)]:
        attack.count(full_disk(work, largest))
    table.append(attack)
    model = folder / "m.safetensors"
    x = np.random.default_rng(0).normal(size=(60, 2))
    save(KANRegressor().fit(x, x[:, 0] + x[:, 1] ** 2), model)
    originals: list[tuple[str, bytes, Path, Callable[[Path], object]]] = [
        ("model files", model.read_bytes(), folder / "h.safetensors", lambda path: load(path).predict(x)),
        ("CSV tables", (work / "table.csv").read_bytes(), folder / "h.csv", read_table),
        ("gzipped tables", gzip.compress((work / "table.csv").read_bytes()), folder / "h.csv.gz", read_table),
    ]
    for name, original, path, read in originals:
        attack = Attack(f"mutated {name}")
        for failure in hostile_reads(original, path, read, 10 * tries, seed=tries):
            attack.count(failure)
        table.append(attack)
    for name, (original, path, read) in hostile_kinds(folder).items():
        attack = Attack(f"mutated {name}")
        for failure in hostile_reads(original, path, read, tries, seed=tries):
            attack.count(failure)
        table.append(attack)
    return table


def markdown(table: list[Attack]) -> str:
    """Return the table of attacks, tries and failures."""
    lines = ["| attack | tries | failures |", "|---|---:|---:|"]
    lines += [f"| {attack.name} | {attack.tries:,} | {len(attack.failures)} |" for attack in table]
    return "\n".join(lines)


def main() -> int:
    """Run the attacks and print their table; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200, help="signals, and a tenth of the mutated files of each kind")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = attacks(Path(folder), options.tries)
    print(markdown(table))
    failures = [failure for attack in table for failure in attack.failures]
    print(*failures, sep="\n")
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        new = f"{MARKS[0]}\n\n{markdown(table)}\n\n{MARKS[1]}"
        PAGE.write_text(re.sub(f"{MARKS[0]}.*{MARKS[1]}", lambda _: new, text, flags=re.DOTALL), encoding="utf-8")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
