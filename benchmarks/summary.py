"""Prints the stored measurements as Markdown for docs/speed.md: python benchmarks/summary.py"""

import statistics
import textwrap

from edgewise_experiments.runner.store import RESULTS, Store

GRIDS = (5, 20, 50, 200)
PEERS = ("inkan 0.5.2", "flashkan 0.2.0", "pykan 0.2.8", "jaxKAN 0.3.7")  # all of them with exact B-splines
BACKWARD = "forward + backward"
WIDE = 16  # outputs from which a layer counts as wide
FACTOR_NOTE = (
    "The largest factor over `nn.Linear` among layers of 16 outputs or more, for other number types and numbers of "
    "threads:"
)


def times(speed: list[dict], threads: int, dtype: str) -> dict[tuple, float]:
    """Milliseconds of forward + backward by shape, grid size and layer."""
    return {
        (tuple(row["shape"]), row["grid_size"], row["layer"]): row["milliseconds"][BACKWARD]
        for row in speed
        if (row["threads"], row["dtype"]) == (threads, dtype) and BACKWARD in row["milliseconds"]
    }


def linear(found: dict[tuple, float], shape: tuple) -> float:
    """nn.Linear knows no grid: the median of its times beside the grids."""
    return statistics.median(found[shape, grid, "nn.Linear"] for grid in GRIDS)


def ratio(value: float | None, unit: float | None) -> str:
    if value is None or unit is None:
        return "-"
    return f"{value / unit:.1f}" if value < 10 * unit else f"{value / unit:.0f}"


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_table(found: dict[tuple, float], held: dict[tuple, int]) -> str:
    rows = []
    for shape in dict.fromkeys(key[0] for key in found):
        unit = linear(found, shape)
        own = [found[shape, grid, "Edgewise"] for grid in GRIDS]
        fastest = [
            min((found[shape, grid, peer] for peer in PEERS if (shape, grid, peer) in found), default=None)
            for grid in GRIDS
        ]
        cells = [f"{shape[0]:,}, {shape[1]} → {shape[2]}", f"{unit:.2f}"]
        cells.append(" · ".join(ratio(value, unit) for value in own))
        cells.append(" · ".join(map(ratio, fastest, own)))
        cells.append(ratio(found.get((shape, GRIDS[0], "pykan 0.2.8")), own[0]))
        if held:
            pairs = [(held[shape, grid, "Edgewise"], held[shape, grid, "nn.Linear"]) for grid in GRIDS]
            cells.append(" · ".join(ratio(*pair) for pair in pairs))
        rows.append(cells)
    grids = " · ".join(map(str, GRIDS))
    columns = ["batch, in → out", "`nn.Linear`, ms", f"Edgewise, × `nn.Linear`, grid {grids}"]
    columns += [f"fastest peer, × Edgewise, grid {grids}", "pykan, × Edgewise, grid 5"]
    return table([*columns, *(["memory, × `nn.Linear`"] if held else [])], rows)


def factor_table(speed: list[dict]) -> str:
    """Show the largest factor over `nn.Linear` of wide layers for other number types and numbers of threads."""
    rows = []
    for threads, dtype in sorted({(row["threads"], row["dtype"]) for row in speed} - {(1, "float32")}):
        measured = times(speed, threads, dtype)
        shapes = dict.fromkeys(key[0] for key in measured if key[0][2] >= WIDE)
        factors = [
            max(measured[s, g, "Edgewise"] / linear(measured, s) for s in shapes if (s, g, "Edgewise") in measured)
            for g in GRIDS
        ]
        rows.append([dtype, str(threads), " · ".join(f"{factor:.1f}" for factor in factors)])
    return table(["number type", "threads", f"largest factor, grid {' · '.join(map(str, GRIDS))}"], rows)


def markdown() -> str:
    """Return the measured part of docs/speed.md: tables, and the paragraphs that explain them."""
    store = Store(RESULTS / "speed.json")
    speed = store.beside("speed")
    held = {(tuple(row["shape"]), row["grid_size"], row["layer"]): row["bytes"] for row in store.beside("memory")}
    machine = speed[-1]["machine"]
    parts = (
        f"float32, one thread, on {machine['processor']} ({machine['instruction_sets'][0]}, {speed[-1]['date']}):",
        speed_table(times(speed, 1, "float32"), held),
        FACTOR_NOTE,
        factor_table(speed),
    )
    filled = [part if part.startswith("|") else textwrap.fill(part, 120) for part in parts]
    return "\n\n".join(filled) + "\n"


if __name__ == "__main__":
    print(markdown())
