"""Writes what the stored measurements say, as Markdown for the README: python benchmarks/summary.py"""

import json
import statistics
import textwrap
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
GRIDS = (5, 20, 50, 200)
PEERS = ("inkan 0.5.2", "flashkan 0.2.0", "pykan 0.2.8", "jaxKAN 0.3.7")  # all of them with exact B-splines
BACKWARD = "forward + backward"


def read(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def times(speed: dict, threads: int, dtype: str) -> dict[tuple, float]:
    """Milliseconds of forward + backward by shape, grid size and layer."""
    return {
        (tuple(row["shape"]), row["grid_size"], row["layer"]): row["milliseconds"][BACKWARD]
        for row in speed["rows"]
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


def limit_sentences(limits: dict) -> str:
    phases = {(row["task"], row["grid_size"]): row for row in limits["phases"]}
    forward, both = phases["forward", GRIDS[0]], phases[BACKWARD, GRIDS[0]]
    large = max(limits["rows"], key=lambda row: row["coefficient_bytes"])
    small = next(row for row in limits["rows"] if row["shape"] == large["shape"] and row["grid_size"] == GRIDS[0])
    narrow = next(row for row in limits["rows"] if row["shape"][2] == 16 and row["grid_size"] == GRIDS[0])
    prepared = both["nanoseconds_per_sample_and_input"] * narrow["shape"][0] * narrow["shape"][1] * 1e-6
    shape = f"{large['shape'][1]} → {large['shape'][2]}"
    return (
        f"Where the time goes: one core of this processor does {limits['multiply_adds_per_second'] / 1e9:.0f} thousand "
        "million float32 multiply-adds a second at most. A wide layer pays "
        f"{forward['nanoseconds_per_sample_and_input']:.1f} ns forward "
        f"({both['nanoseconds_per_sample_and_input']:.1f} ns with backward) for every sample and input, whatever the "
        "number of outputs: the interval, the spline values, the base function. Its multiply-adds then run at "
        f"{forward['share_of_peak']:.0%} of the limit forward, {both['share_of_peak']:.0%} with backward; the rest "
        f"goes to the rows of outputs, which every input reads and writes anew. So {shape} at grid size {GRIDS[0]} "
        f"takes {small['milliseconds']:.1f} ms where its multiply-adds alone would take "
        f"{small['multiply_adds_at_peak']:.1f}, and of the {narrow['milliseconds']:.0f} ms of "
        f"{narrow['shape'][1]} → {narrow['shape'][2]} about {prepared:.0f} are preparation: that, not arithmetic, is "
        f"what is left to gain for narrow layers. Where coefficients outgrow the caches ({shape} at grid size "
        f"{large['grid_size']}: {large['coefficient_bytes'] / 1e6:.0f} MB) their own traffic comes to that: "
        f"{large['milliseconds']:.0f} ms; to read them once and write a fresh gradient takes "
        f"{large['read_coefficients'] + large['write_gradient']:.0f} ms by itself, page by page, and the kernel asks "
        "for large pages."
    )


def markdown() -> str:
    speed, limits = read("speed"), read("limits")
    held = {(tuple(row["shape"]), row["grid_size"], row["layer"]): row["bytes"] for row in read("memory")["rows"]}
    sets = sorted({(row["threads"], row["dtype"]) for row in speed["rows"]})
    parts = [f"float32, one thread, on {speed['processor']} ({speed['instruction_sets'][0]}, {speed['date']}):"]
    parts.append(speed_table(times(speed, 1, "float32"), held))
    others = []
    for threads, dtype in sets:
        if (threads, dtype) == (1, "float32"):
            continue
        found = times(speed, threads, dtype)
        shapes = dict.fromkeys(key[0] for key in found if key[0][2] >= 16)  # wide ones
        worst = [
            max(found[s, g, "Edgewise"] / linear(found, s) for s in shapes if (s, g, "Edgewise") in found)
            for g in GRIDS
        ]
        others.append(
            f"{dtype}, {threads} thread{'s' * (threads > 1)}: {' · '.join(f'{value:.1f}' for value in worst)}"
        )
    parts.append(
        "The largest factor over `nn.Linear` among layers of 16 outputs or more at those grid sizes: "
        + "; ".join(others)
        + "."
    )
    filled = [part if part.startswith("|") else textwrap.fill(part, 120) for part in [*parts, limit_sentences(limits)]]
    return "\n\n".join(filled) + "\n"


if __name__ == "__main__":
    print(markdown())
