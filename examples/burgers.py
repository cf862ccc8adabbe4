"""Solve Burgers' equation, u_t + u u_x = nu u_xx, and show the wave that steepens as an animation.

The exact solution is the integral of Cole and Hopf, so the animation shows both and the figure their difference.

    python examples/burgers.py --out burgers    # solution.png and burgers.gif
    python examples/burgers.py --quick
"""

import argparse
from pathlib import Path

import torch

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time, solve
from edgewise.plot import animate, save, solution_figure

VISCOSITY = 0.1


def exact(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Solution by the transformation of Cole and Hopf: a ratio of integrals, by the trapezoidal rule."""
    nodes = torch.linspace(-12, 12, 481, dtype=x.dtype)
    place = x[..., None] - nodes * (4 * VISCOSITY * t.clamp(min=0))[..., None].sqrt()
    kernel = torch.exp(-torch.cos(torch.pi * place) / (2 * torch.pi * VISCOSITY) - nodes**2)
    return -(kernel * torch.sin(torch.pi * place)).sum(-1) / kernel.sum(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use a hundredth of the work, and two frames")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the figure and the animation to this folder")
    options = parser.parse_args()

    problem = PDE(
        lambda u: u.t + u * u.x - VISCOSITY * u.xx,
        Interval(-1, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: -torch.sin(torch.pi * x))],
        solution=exact,
    )
    solution = solve(problem, tolerance=1e-8, budget=0.01 if options.quick else 1.0)
    errors = solution.errors()
    print(solution.message)
    print(f"{solution.parameters} parameters, {solution.stages[-1].seconds:.1f} seconds")
    print(f"relative L2 error {errors.relative_l2:.1e}, estimated {solution.error_estimate:.1e}")

    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        save(solution_figure(solution), options.out / "solution.png")
        animate(solution, options.out / "burgers.gif", frames=2 if options.quick else 60)


if __name__ == "__main__":
    main()
