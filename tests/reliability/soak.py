"""Attack a run of `edgewise fit`, its files and its readers, and count what fails; a table of Markdown is the result.

    python tests/reliability/soak.py                          # about an hour on two cores
    python tests/reliability/soak.py --write                  # and put the table into docs/reliability.md
    python tests/reliability/soak.py --tries 0 --mutations 20000 --chunk 3   # other mutations than those of chunk 2

The tests of this folder run the same attacks a few times each.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from edgewise import load
from edgewise.errors import EdgewiseError
from edgewise.files.folders import COMMIT, current_file
from edgewise.files.whole import LOCK

sys.path.insert(0, str(Path(__file__).parent))  # this file may run as a script, outside of a package
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MARKS = "<!-- attacks -->", "<!-- end of attacks -->"
LONGEST_READ = 5.0  # seconds in which any damaged file is refused or read
COMMAND = [sys.executable, "-m", "edgewise", "fit", "table.csv", "--target", "y", "--out", "out"]
OPTIONS = ["--compare", "none", "--formulas", "0", "--effort", "low", "--quiet"]


@dataclass
class Attack:
    """One kind of attack, as a row of the table, with its count and a sentence for each failure."""

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
    """Return the bytes of every file that is not a temporary one, as readers find them."""
    names = {path.name for place in (folder, folder / COMMIT) if place.is_dir() for path in place.iterdir()}
    files = {
        name: current_file(folder, name) for name in names if not name.startswith((".edgewise-", ".removed", LOCK))
    }
    return {name: path.read_bytes() for name, path in files.items() if path.is_file()}


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


def processor_seconds(pid: int, began: float) -> float:
    """Return the seconds of the processor that a process has used; where only Linux tells them, those of the wall."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic() - began
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Kills:
    """Kill runs over an existing folder of results at random moments.

    Moments are in seconds of the processor, so that on a busy machine too they reach every part of a run.
    """

    def __init__(self, folder: Path, seed: int = 0):
        self.folder, self.random = folder, random.Random(seed)
        write_table(folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = start(folder, seed=0)
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.runs = 0

    def attempt(self, number: signal.Signals) -> str | None:
        """Send a signal at a random moment of a run; return what is wrong afterwards."""
        before = contents(self.folder / "out")
        self.runs += 1
        process, began = start(self.folder, seed=self.runs), time.monotonic()
        moment = self.random.uniform(0.05, 1.0) * self.seconds
        while process.poll() is None and processor_seconds(process.pid, began) < moment:
            time.sleep(0.002)
        process.send_signal(number)
        _, errors = process.communicate()
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


IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]  # where mounts concern nobody else
READ_ONLY = "mount --bind out out && mount -o remount,ro,bind out"
SMALL_DISK = "mkdir disk && mount -t tmpfs -o size={size}k none disk && cp -a out/. disk && mount --move disk out"


def mounted(folder: Path, mount: str) -> str | None:
    """Run where a mount stands over the folder of results; return what is wrong afterwards."""
    before, after = contents(folder / "out"), folder / "after"
    shutil.rmtree(after, ignore_errors=True)
    shutil.rmtree(folder / "disk", ignore_errors=True)
    words = shlex.join([*COMMAND, *OPTIONS, "--seed", "7"])
    script = f"{mount} || exit 99; {words}; code=$?; mkdir after && cp -a out/. after; exit $code"
    done = subprocess.run([*IN_A_NAMESPACE, script], cwd=folder, capture_output=True, text=True)
    if contents(after) != before:
        return f"{mount}: the old results changed"
    if done.returncode != 1 or done.stderr.count("\n") != 1 or "bug" in done.stderr:
        return f"{mount}: exit code {done.returncode}, {done.stderr[-200:]!r}"
    return None


def can_mount() -> bool:
    """Return whether a process may mount things in a namespace of its own, as on most Linux systems."""
    if shutil.which(IN_A_NAMESPACE[0]) is None:
        return False
    return subprocess.run([*IN_A_NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


def ended_runs(folder: Path, tries: int) -> Iterator[Attack]:
    """End runs in every way at random moments, and let writing fail."""
    kills = Kills(folder, seed=tries)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        attack = Attack(f"{number.name} at a random moment of `edgewise fit --out` over old results")
        for _ in range(max(1, tries // 3)):
            attack.count(kills.attempt(number))
        yield attack
    attack = Attack("temporary files of killed runs after the next run")
    attack.count(kills.litter())
    yield attack
    sizes = [round(largest) for largest in np.geomspace(1, 100_000, max(1, tries // 10))]
    attack = Attack("a full disk (largest size of files)")
    for largest in sizes:
        attack.count(full_disk(folder, largest))
    yield attack
    if can_mount():
        old = sum(map(len, contents(folder / "out").values())) // 1024 + 16  # kB; a block more for every file
        attack = Attack("a full disk (a small file system)")
        for size in sizes:
            attack.count(mounted(folder, SMALL_DISK.format(size=old + size * 800 // sizes[-1])))
        yield attack
        attack = Attack("a read-only file system")
        attack.count(mounted(folder, READ_ONLY))
        yield attack


def mutations(folder: Path, count: int, seed: int) -> Iterator[Attack]:
    """Read mutated files of every kind, by the library and by commands; about `count` in all."""
    from hostile import LIBRARY_SHARE, hostile_kinds

    kinds = hostile_kinds(folder)
    shares = {name: 1 if "`" in name else LIBRARY_SHARE for name in kinds}
    for name, (original, path, read) in kinds.items():
        attack = Attack(f"mutated {name}")
        for failure in hostile_reads(original, path, read, -(-count * shares[name] // sum(shares.values())), seed):
            attack.count(failure)
        yield attack


def markdown(table: list[Attack]) -> str:
    """Return the table of attacks, tries and failures."""
    lines = ["| attack | tries | failures |", "|---|---:|---:|"]
    lines += [f"| {attack.name} | {attack.tries:,} | {len(attack.failures)} |" for attack in table]
    return "\n".join(lines)


def main() -> int:
    """Run the attacks and print their table; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200, help="runs that are ended by signals; 0 for none")
    parser.add_argument("--mutations", type=int, default=10_000, help="mutated files of all kinds together")
    parser.add_argument("--chunk", type=int, default=0, help="seed of the mutations")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    table: list[Attack] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("kills", "files"):
            Path(folder, name).mkdir()
        runs = ended_runs(Path(folder, "kills"), options.tries) if options.tries else iter(())
        for attack in chain(runs, mutations(Path(folder, "files"), options.mutations, options.chunk)):
            table.append(attack)
            print(f"{attack.name}: {attack.tries:,} tries", *attack.failures, sep="\n  ", flush=True)
    print(markdown(table))
    if options.write:
        when = f"{time.strftime('%d %B %Y').lstrip('0')} ({sys.platform}, {os.cpu_count()} cores)"
        text = PAGE.read_text(encoding="utf-8")
        new = f"{MARKS[0]}\n\nA run of {when}.\n\n{markdown(table)}\n\n{MARKS[1]}"
        PAGE.write_text(re.sub(f"{MARKS[0]}.*{MARKS[1]}", lambda _: new, text, flags=re.DOTALL), encoding="utf-8")
    return any(attack.failures for attack in table)


if __name__ == "__main__":
    sys.exit(main())
