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
LIMIT_NOTE = (
    "Where the time goes. Every sample and input needs some preparation, whatever the number of outputs: the knot "
    "interval, the spline values and the base function. The multiply-adds then run at a large share of the limit of "
    "the processor; the rest is spent on the rows of outputs, which every input reads and writes again. In narrow "
    "layers most of the time is preparation, so that faster arithmetic would gain little there. Where the "
    "coefficients outgrow the caches, reading and writing them adds to the time, page by page; the kernel requests "
    "large pages. Times are those of forward + backward in float32 on one thread."
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


def limit_table(limits: list[dict]) -> str:
    """Compare the kernel with the limits of one core, and show the parts of its time."""
    peak = next(row for row in limits if row["kind"] == "peak")
    phases = {(row["task"], row["grid_size"]): row for row in limits if row["kind"] == "phase"}
    shapes = [row for row in limits if row["kind"] == "shape"]
    forward, both = phases["forward", GRIDS[0]], phases[BACKWARD, GRIDS[0]]
    large = max(shapes, key=lambda row: row["coefficient_bytes"])
    small = next(row for row in shapes if row["shape"] == large["shape"] and row["grid_size"] == GRIDS[0])
    narrow = next(row for row in shapes if row["shape"][2] == WIDE and row["grid_size"] == GRIDS[0])
    prepared = both["nanoseconds_per_sample_and_input"] * narrow["shape"][0] * narrow["shape"][1] * 1e-6
    traffic = large["read_coefficients"] + large["write_gradient"]
    wide, slim = (f"{row['shape'][1]} → {row['shape'][2]}, grid {row['grid_size']}" for row in (small, narrow))
    fine = f"{large['shape'][1]} → {large['shape'][2]}, grid {large['grid_size']}"
    values = {
        "one core's limit, thousand million multiply-adds a second": f"{peak['multiply_adds_per_second'] / 1e9:.0f}",
        "preparation of a sample and input, forward": f"{forward['nanoseconds_per_sample_and_input']:.1f} ns",
        "preparation of a sample and input, with backward": f"{both['nanoseconds_per_sample_and_input']:.1f} ns",
        "share of the limit for the multiply-adds, forward": f"{forward['share_of_peak']:.0%}",
        "share of the limit for the multiply-adds, with backward": f"{both['share_of_peak']:.0%}",
        f"{wide}: time": f"{small['milliseconds']:.1f} ms",
        f"{wide}: its multiply-adds at the limit": f"{small['multiply_adds_at_peak']:.1f} ms",
        f"{slim}: time": f"{narrow['milliseconds']:.0f} ms",
        f"{slim}: its preparation": f"{prepared:.0f} ms",
        f"{fine}: coefficients": f"{large['coefficient_bytes'] / 1e6:.0f} MB",
        f"{fine}: time": f"{large['milliseconds']:.0f} ms",
        f"{fine}: reading them once and writing a gradient": f"{traffic:.0f} ms",
    }
    return table(["quantity", "value"], [list(pair) for pair in values.items()])


def markdown() -> str:
    """Return the measured part of docs/speed.md: tables, and the paragraphs that explain them."""
    store = Store(RESULTS / "speed.json")
    speed, limits = store.beside("speed"), store.beside("limits")
    held = {(tuple(row["shape"]), row["grid_size"], row["layer"]): row["bytes"] for row in store.beside("memory")}
    machine = speed[-1]["machine"]
    parts = (
        f"float32, one thread, on {machine['processor']} ({machine['instruction_sets'][0]}, {speed[-1]['date']}):",
        speed_table(times(speed, 1, "float32"), held),
        FACTOR_NOTE,
        factor_table(speed),
        LIMIT_NOTE,
        limit_table(limits),
    )
    filled = [part if part.startswith("|") else textwrap.fill(part, 120) for part in parts]
    return "\n\n".join(filled) + "\n"


if __name__ == "__main__":
    print(markdown())
