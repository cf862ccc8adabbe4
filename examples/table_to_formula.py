"""Find the formula for the period of a pendulum in a table with an irrelevant column.

A KAN first shows how well the table can be predicted; then `find_formula` searches formulas by complexity and error.
The result is 2 pi sqrt(length / gravity), with the constant recognised and without the mass.

    python examples/table_to_formula.py            # measurements with 0.5 % of noise, about a minute
    python examples/table_to_formula.py --quick    # exact measurements, a few seconds
"""

import argparse

import numpy as np

from edgewise import KANRegressor, find_formula

COLUMNS = ["length", "gravity", "mass"]  # m, m/s^2, kg


def measured(rows: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a table (rows, 3) of pendulums, from the Moon to Jupiter, and their periods in seconds, (rows,)."""
    generator = np.random.default_rng(seed)
    table = generator.uniform([0.2, 1.6, 0.1], [3.0, 25.0, 2.0], size=(rows, 3))
    period = 2 * np.pi * np.sqrt(table[:, 0] / table[:, 1])
    return table, period * (1 + noise * generator.standard_normal(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use exact values and a small search")
    quick = parser.parse_args().quick

    table, period = measured(rows=300, noise=0.0 if quick else 0.005)
    train, test = slice(0, 240), slice(240, None)
    model = KANRegressor(effort="low" if quick else "normal").fit(table[train], period[train])
    print(f"A KAN predicts held-out rows with R2 = {model.score(table[test], period[test]):.4f}.")

    front = find_formula(table[train], period[train], names=COLUMNS, time_limit=60)
    print(front)
    best = front.best
    (error,) = best.fidelity(test=(table[test], period[test])).values()
    print(f"\nperiod = {best.formula}\nerror {100 * error:.2g} % of the standard deviation on held-out rows")


if __name__ == "__main__":
    main()
