"""Writes what the stored measurements say, as Markdown for the README: python benchmarks/summary.py"""

import json
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
        linear = [found[shape, grid, "nn.Linear"] for grid in GRIDS]
        own = [found[shape, grid, "Edgewise"] for grid in GRIDS]
        fastest = [
            min((found[shape, grid, peer] for peer in PEERS if (shape, grid, peer) in found), default=None)
            for grid in GRIDS
        ]
        cells = [f"{shape[0]:,}, {shape[1]} → {shape[2]}", f"{sorted(linear)[len(linear) // 2]:.2f}"]
        cells.append(" · ".join(map(ratio, own, linear)))
        cells.append(" · ".join(map(ratio, fastest, own)))
        cells.append(ratio(found.get((shape, GRIDS[0], "pykan 0.2.8")), own[0]))
        if held:
            unit = [held[shape, grid, "nn.Linear"] for grid in GRIDS]
            cells.append(
                " · ".join(ratio(held[shape, grid, "Edgewise"], u) for grid, u in zip(GRIDS, unit, strict=True))
            )
        rows.append(cells)
    grids = " · ".join(map(str, GRIDS))
    columns = ["batch, in → out", "`nn.Linear`, ms", f"Edgewise, × `nn.Linear`, grid {grids}"]
    columns += [f"fastest peer, × Edgewise, grid {grids}", "pykan, × Edgewise, grid 5"]
    return table([*columns, *(["memory, × `nn.Linear`"] if held else [])], rows)


def limit_sentences(limits: dict) -> str:
    phases = {(row["task"], row["grid_size"]): row for row in limits["phases"]}
    forward, both = phases["forward", GRIDS[0]], phases[BACKWARD, GRIDS[0]]
    large = max(limits["shapes"], key=lambda row: row["coefficient_bytes"])
    small = next(row for row in limits["shapes"] if row["shape"] == large["shape"] and row["grid_size"] == GRIDS[0])
    shape = f"{large['shape'][1]} → {large['shape'][2]}"
    return (
        f"One core of this processor does {limits['multiply_adds_per_second'] / 1e9:.0f} thousand million float32 "
        "multiply-adds a second at most. A wide layer pays "
        f"{forward['nanoseconds_per_sample_and_input']:.1f} ns forward "
        f"({both['nanoseconds_per_sample_and_input']:.1f} ns with backward) for every sample and input, whatever the "
        "number of outputs: the interval, the spline values, the base function. Its multiply-adds then run at "
        f"{forward['share_of_peak']:.0%} of the limit forward, {both['share_of_peak']:.0%} with backward; the rest "
        "goes to the rows of outputs, which every input reads and writes anew. Where coefficients outgrow the caches "
        f"({shape} at grid size {large['grid_size']}: {large['coefficient_bytes'] / 1e6:.0f} MB) their own traffic "
        f"comes to that: {large['milliseconds']:.0f} ms instead of {small['milliseconds']:.0f}. To read them once and "
        f"write a fresh gradient takes {large['read_coefficients'] + large['write_gradient']:.0f} ms by itself, page "
        "by page; the kernel asks for large pages."
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
            max(found[s, g, "Edgewise"] / found[s, g, "nn.Linear"] for s in shapes if (s, g, "Edgewise") in found)
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
    return "\n\n".join([*parts, limit_sentences(limits)]) + "\n"


if __name__ == "__main__":
    print(markdown())
