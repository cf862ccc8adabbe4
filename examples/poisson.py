"""Solve Poisson's equation u_xx + u_yy = f on a disk to ten digits, in ten lines and without settings.

The right side f belongs to u = sin(pi x) sin(pi y^2), so the error is known; `solve` does not use the exact solution.

    python examples/poisson.py --out poisson    # also writes the figures solution.png and history.png
    python examples/poisson.py --quick
"""

import argparse
from pathlib import Path

import torch

from edgewise.pde import PDE, Dirichlet, Disk, solve
from edgewise.plot import save, solution_figure, solution_history

PI = torch.pi


def u(x, y):
    """Return the exact solution."""
    return torch.sin(PI * x) * torch.sin(PI * y**2)


def f(x, y):
    """Return the right side of the equation."""
    curvature = (1 + 4 * y**2) * torch.sin(PI * y**2)
    return -(PI**2) * torch.sin(PI * x) * curvature + 2 * PI * torch.sin(PI * x) * torch.cos(PI * y**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="stop at an estimated error of 1e-3")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the figures to this folder")
    options = parser.parse_args()

    problem = PDE(lambda u, x, y: u.xx + u.yy - f(x, y), Disk(radius=1.0), [Dirichlet(u)], solution=u)
    solution = solve(problem, tolerance=1e-3 if options.quick else 1e-10)
    errors = solution.errors()
    print(solution.message)
    print(f"{solution.parameters} parameters, {solution.stages[-1].seconds:.1f} seconds")
    print(f"relative L2 error {errors.relative_l2:.1e}, estimated {solution.error_estimate:.1e}")
    print(f"relative H1 error {errors.relative_h1:.1e}, largest {errors.largest:.1e}, residual {solution.residual:.1e}")

    center = torch.zeros(1, 2, dtype=torch.float64)
    field = solution.fields(center, "x", "yy")[0]  # the solution with its derivatives, at any point
    print(f"at the centre u_x = {field.x.item():.6f}, u_yy = {field.yy.item():.6f}")

    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        save(solution_figure(solution), options.out / "solution.png")
        save(solution_history(solution), options.out / "history.png")


if __name__ == "__main__":
    main()
