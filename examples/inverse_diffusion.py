"""Solve an inverse problem: estimate the diffusivity of a rod from noisy temperatures at random places and times.

The rod obeys u_t = k u_xx with both ends kept at 0. Neither k nor the temperature in between is known; 200 measurements
with a noise of 0.01 determine both. The unknown coefficient `k` is an argument of the equation.

    python examples/inverse_diffusion.py
    python examples/inverse_diffusion.py --quick
"""

import argparse

import torch

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Observations, Time, solve

TRUTH, NOISE = 0.3, 0.01


def measurements(count: int, seed: int = 0) -> Observations:
    """Return temperatures at random places and times, with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 2, generator=generator, dtype=torch.float64)  # columns x, t
    exact = torch.exp(-TRUTH * torch.pi**2 * x[:, 1]) * torch.sin(torch.pi * x[:, 0])
    return Observations(x, exact + NOISE * torch.randn(count, generator=generator, dtype=torch.float64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use a small budget")
    options = parser.parse_args()

    problem = PDE(
        lambda u, k: u.t - k * u.xx,
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(torch.pi * x)), measurements(200)],
        coefficients={"k": 1.0},  # the initial value
    )
    solution = solve(problem, tolerance=1e-4, budget=0.002 if options.quick else 1.0)
    print(solution.message)
    start = problem.form.coefficients["k"]
    print(f"k = {solution.unknowns['k']:.4f}, the truth is {TRUTH}; the initial value was {start}")


if __name__ == "__main__":
    main()
