"""Laws found from samples: AI Feynman's 120 with and without units and noise, Nguyen's 12, 60 in the units of
textbooks, 200 random expressions.

1,000 rows and 60 CPU seconds for each law; a search that is sure ends sooner. Without noise a formula is exact if its
error at fresh points is below 1e-9 of the standard deviation and it has at most twice the symbols of the law (of the
shortest form that the library's own simplification finds). An error below 1e-6 is also exact if constants fitted to the
same rows bring it below 1e-9, because printed constants may be rounded, or if sympy proves the two equal. With normal
noise of 1 %, 2 % or 10 % of the standard deviation, a formula is exact if it has at most twice the symbols and, with
its constants and broken exponents fitted to the values without noise, an error below 1e-6: its structure contains the
law. Accurate is R2 above .999 at fresh points. The benchmark SRBench (La Cava et al., NeurIPS 2021) counts a
formula that differs from the law by a constant or a factor as exact; here it is not. Random expressions and their
halves are described in `edgewise_experiments.data.laws`.
"""

from __future__ import annotations

from functools import partial

from edgewise_experiments.formulas.srbench_runs import ROWS, SECONDS, suites, with_pool
from edgewise_experiments.plots.solved import SolvedCurve, solved_against_seconds
from edgewise_experiments.runner import (
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    run_jobs,
    working_seconds,
)

WORKERS = 2
NOISES = (0.01, 0.1)
TEXTBOOK_NOISE = 0.02  # as usual measurements have
QUICK_SECONDS = 5.0
COUNTED = ("exact", "accurate", "exact_on_front")
QUICK = (
    *(("feynman", name, 0.0, False) for name in ("I.12.1", "I.14.4", "I.25.13", "I.34.8", "II.27.18", "II.38.3")),
    *(("nguyen", name, 0.0, False) for name in ("N1", "N8", "N10")),
    *(("random", name, 0.0, False) for name in ("R0", "R4", "R16")),
)
NOTES = (
    "Exact: the formula that the search recommends is the law (see the first lines of `srbench.py` for the "
    "definition). Seconds are CPU seconds of one process, and the median is that of all laws of the suite, found or "
    "not. The closed half of the random expressions was not looked at while the search was written. The first cells "
    "give the number of laws that were measured so far; of laws with noise it may be a sample.",
)
ALSO = ("srbench-peers",)  # rows of other programs for the same samples, of benchmarks/formulas_peers.py


def kinds(quick: bool, seeds: tuple[int, ...] | None) -> list[tuple]:
    """Suite, law, noise, whether units are given, and seed of every run."""
    listed: list[tuple] = list(QUICK)
    if not quick:
        listed = [(suite, name, 0.0, False) for suite, laws in suites(closed=True).items() for name in laws]
        listed += [(suite, name, 0.0, True) for suite in ("feynman", "bonus") for name in suites()[suite]]
        listed += [("feynman", name, noise, False) for noise in NOISES for name in suites()["feynman"]]
        for suite in ("textbook", "textbook, closed half"):
            listed += [(suite, name, TEXTBOOK_NOISE, False) for name in suites(closed=True)[suite]]
    return [(*kind, seed) for seed in seeds or (0,) for kind in listed]


def key(suite: str, name: str, noise: float, units: bool, seed: int, *, limit: float, quick: bool) -> dict:
    """The entries that identify a row."""
    identity = {"suite": suite, "law": name, "noise": noise, "units": units, "seed": seed}
    return identity | {"rows": ROWS, "limit": limit, "quick": quick}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Search for every law, two at a time, each in a process of its own."""
    limit = QUICK_SECONDS if quick else SECONDS
    jobs, end = with_pool(kinds(quick, seeds), store, WORKERS, partial(key, limit=limit, quick=quick))
    try:
        rows = run_jobs(jobs, store, progress)
    finally:
        end()
    return summary([*rows, *store.beside(*ALSO)])


def summary(rows: list[dict]) -> Outcome:
    """Make the table of suites, that of other programs, the key figures, and the figure."""
    peers = [row for row in rows if "peer" in row]
    own = latest([row for row in rows if "peer" not in row], "suite", "law", "noise", "units", "seed", "quick")
    groups: dict[str, list[dict]] = {}
    for row in own:
        groups.setdefault(_title(row), []).append(row)
    columns = ("laws", "exact", "accurate", "on the front", "median seconds", "symbols of law", "of formula")
    lines = tuple((title, *_line_of_suite(group)) for title, group in groups.items())
    tables = [ResultTable(columns, lines)]
    if peers:
        tables += _peer_tables(own, peers)
    figures = {title: f"{cells[0]} exact, {cells[1]} accurate, {cells[3]} s" for title, *cells in lines}
    curves = [SolvedCurve(title, *_seconds_of(group)) for title, group in groups.items()]
    return Outcome((*tables, key_figures(figures)), NOTES, {"solved": partial(solved_against_seconds, curves)})


def _title(row: dict) -> str:
    names = {"feynman": "AI Feynman", "bonus": "AI Feynman, bonus laws", "nguyen": "Nguyen"}
    names |= {"random": "Random, open half", "random, closed half": "Random, closed half"}
    names |= {"textbook": "Textbook units, open half", "textbook, closed half": "Textbook units, closed half"}
    noise = f", {row['noise']:.0%} noise".replace("%", " %") if row["noise"] else ""
    return names[row["suite"]] + noise + (", units" if row["units"] else "")


def _line_of_suite(rows: list[dict]) -> tuple[str, ...]:
    counts = [sum(bool(row.get(name)) for row in rows) for name in COUNTED]
    middle = median(working_seconds(row) for row in rows)
    known = [row for row in rows if row["formula"] is not None]
    sizes = [median(row[name] for row in known) for name in ("true_symbols", "symbols")]
    shown = ["-" if size is None else f"{size:g}" for size in sizes]
    return (*(f"{count} of {len(rows)}" for count in counts), f"{middle or 0:.1f}", *shown)


def _seconds_of(rows: list[dict]) -> tuple[list[float], int]:
    """CPU seconds of the exact runs, and the number of all runs."""
    return [working_seconds(row) for row in rows if row["exact"]], len(rows)


def _peer_tables(own: list[dict], peers: list[dict]) -> list[ResultTable]:
    """Compare the laws that other programs got with the same rows, and name those that each has found."""
    limits = {(row["suite"], row["law"], row["noise"], row["seed"]): row["limit"] for row in peers}
    same = []
    for row in own:
        limit = limits.get((row["suite"], row["law"], row["noise"], row["seed"]))
        if limit is not None and not row["units"]:
            # A formula that took longer than the others had does not count
            same.append(row | {name: row[name] and working_seconds(row) <= limit for name in COUNTED})
    programs = {"Edgewise": same}
    for row in peers:
        programs.setdefault(row["peer"], []).append(row)
    lines = tuple((name, *_line_of_suite(rows)) for name, rows in programs.items() if rows)
    columns = ("program", "exact", "accurate", "on the front", "median seconds", "symbols of law", "of formula")
    finders: dict[str, list[str]] = {row["law"]: [] for row in same}
    for name, rows in programs.items():
        for row in rows:
            if row["exact"] and row["law"] in finders:
                finders[row["law"]].append(name)
    laws: dict[str, list[str]] = {}
    for law, names in finders.items():
        laws.setdefault(", ".join(names) or "none of them", []).append(law)
    found = tuple((names, str(len(these)), ", ".join(these)) for names, these in laws.items())
    return [
        ResultTable(columns, lines, "Other programs, the same samples"),
        ResultTable(("found by", "laws", "which"), found, "Which laws were found by whom"),
    ]
