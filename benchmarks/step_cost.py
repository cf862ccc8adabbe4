"""Seconds for each multiply-add that `edgewise.train.cost` counts for a step of Levenberg-Marquardt.

python benchmarks/step_cost.py

Prints a line for each of five KANs: parameters, counted work and CPU seconds of a step, and their ratio. The cost model
is good where the ratios are alike.
"""

import time

import torch

from edgewise import KAN, Regression, fit
from edgewise.train import LevenbergMarquardt
from edgewise.train.cost import APPROXIMATION_COST, active_parameters

# Width, grid size, degree and samples: from small networks on few samples to the largest that a table gets.
CASES = (
    ((3, 1), 20, 3, 1000),
    ((2, 3, 1), 8, 5, 2000),
    ((4, 5, 1), 16, 5, 4000),
    ((2, 5, 2, 1), 16, 3, 8000),
    ((8, 10, 1), 6, 3, 5000),
)
STEPS = 10


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'width':16}{'parameters':>11}{'work':>10}{'seconds':>10}{'ratio':>10}")
    for width, grid_size, degree, samples in CASES:
        generator = torch.Generator().manual_seed(0)
        x = 2 * torch.rand(samples, width[0], generator=generator, dtype=torch.float64) - 1
        problem = Regression(x, torch.exp(torch.sin(3 * x[:, :1]) + x.prod(1, keepdim=True)))
        model = KAN(width, grid_size, degree, base="zero", dtype=torch.float64)
        fit(model, problem, LevenbergMarquardt(), steps=2, tolerance=0.0)
        began = time.process_time()
        report = fit(model, problem, LevenbergMarquardt(), steps=STEPS, tolerance=0.0)
        seconds = (time.process_time() - began) / max(report.steps, 1)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        work = APPROXIMATION_COST.levenberg_marquardt(samples, parameters, active_parameters(model))
        print(f"{width!s:16}{parameters:11}{work:10.1e}{seconds:10.1e}{seconds / work:10.1e}")


if __name__ == "__main__":
    main()
