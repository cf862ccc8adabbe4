"""Compare base functions over many shapes and write the table of docs/from-pykan.md.

python tools/pykan/bases.py   # a minute of CPU time
"""

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from edgewise import KAN, Regression, fit

PAGE = Path(__file__).parents[2] / "docs" / "from-pykan.md"
BEGIN, END = "<!-- bases: tools/pykan/bases.py writes this table -->", "<!-- end of the table -->"
BASES, SEEDS, STUCK = ("silu", "identity", "zero"), 5, 0.1
TARGETS = {
    "hellokan": (2, lambda x: torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2), ([1], [5], [3, 3])),
    "product": (2, lambda x: x[:, 0] * x[:, 1], ([2], [5], [3, 3])),
    "nested": (4, lambda x: torch.exp((ring(x[:, 0], x[:, 1]) + ring(x[:, 2], x[:, 3])) / 2), ([2, 1], [4, 2], [8])),
    "waves": (3, lambda x: torch.sin(2 * x[:, 0] * x[:, 1]) + torch.cos(3 * x[:, 2]), ([2], [5], [4, 2])),
    "norm": (3, lambda x: torch.sqrt(0.1 + x.square().sum(1)), ([1], [3], [3, 2])),
    "quotient": (2, lambda x: x[:, 0] / (1.5 + x[:, 1]), ([2], [4], [2, 2])),
}


def ring(a: Tensor, b: Tensor) -> Tensor:
    return torch.sin(math.pi * (a**2 + b**2))


def main() -> None:
    errors: dict[str, list[float]] = {base: [] for base in BASES}
    seconds = dict.fromkeys(BASES, 0.0)
    for columns, function, shapes in TARGETS.values():
        generator = torch.Generator().manual_seed(7)
        x, test = (2 * torch.rand(n, columns, generator=generator, dtype=torch.float64) - 1 for n in (400, 1000))
        for hidden in shapes:
            for base in BASES:
                for seed in range(SEEDS):
                    model = KAN([columns, *hidden, 1], 5, base=base, seed=seed, dtype=torch.float64)
                    began = time.process_time()
                    fit(model, Regression(x, function(x)), steps=40)
                    seconds[base] += time.process_time() - began
                    with torch.no_grad():
                        truth = function(test)
                        errors[base].append(float((model(test)[:, 0] - truth).std() / truth.std()))
    rows = ["| base | stuck | mean log10 of the error | standard error | CPU s |", "|---|--:|--:|--:|--:|"]
    for base, values in errors.items():
        logs = torch.tensor(values).log10()
        stuck = f"{sum(value > STUCK for value in values)} of {len(values)}"
        rows.append(
            f"| {base} | {stuck} | {float(logs.mean()):.2f} | {float(logs.std()) / len(logs) ** 0.5:.2f} "
            f"| {seconds[base]:.0f} |"
        )
    differences = torch.tensor(errors["identity"]).log10() - torch.tensor(errors["silu"]).log10()
    mean, error = float(differences.mean()), float(differences.std()) / len(differences) ** 0.5
    note = f"Identity minus silu, fit by fit: {mean:+.2f} with a standard error of {error:.2f}."
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + "\n".join([BEGIN, "", *rows, "", note, "", END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
