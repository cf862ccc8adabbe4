"""Tables with copies of rows: Friedman's function whose rows are repeated, and classes in the cells of few columns.

Copies of Friedman's rows say nothing of its noise, so that a fit to them should be as good as one to the rows
themselves. Equal rows of the discrete tables are different persons: their noise is what the equal rows show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Columns = tuple[np.ndarray, np.ndarray]


def friedman(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ten inputs (rows, 10), Friedman's first function of five of them, and its values with noise 1, (rows,)."""
    generator = np.random.default_rng(seed)
    x = generator.random((rows, 10))
    mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, mean, mean + generator.standard_normal(rows)


def copied(kind: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers of the rows of a table with copies, and their weights or None; see `COPIES`."""
    generator, every = np.random.default_rng(seed), np.arange(rows)
    return {
        "plain": (every, None),
        "twice": (np.tile(every, 2), None),
        "five times": (np.tile(every, 5), None),
        "weights 2": (every, np.full(rows, 2.0)),
        "weights 3.7": (every, np.full(rows, 3.7)),
        "weights 1 to 5": (every, generator.integers(1, 6, rows).astype(float)),
        "half doubled": (np.r_[every, every[: rows // 2]], None),
        "bootstrap": (generator.integers(0, rows, rows), None),
    }[kind]


COPIES = ("twice", "five times", "weights 2", "weights 3.7", "weights 1 to 5", "half doubled", "bootstrap")


def titanic() -> Columns:
    """Return the 2,201 persons aboard the Titanic: class (4 columns), female, adult; and 1 for those who survived.

    References
    ----------
    R. Dawson, "The unusual episode data revisited", Journal of Statistics Education 3 (1995).
    """
    # For each class the numbers (died, survived) of men, women, boys and girls.
    persons = {
        "first": ((118, 57), (4, 140), (0, 5), (0, 1)),
        "second": ((154, 14), (13, 80), (0, 11), (0, 13)),
        "third": ((387, 75), (89, 76), (35, 13), (17, 14)),
        "crew": ((670, 192), (3, 20), (0, 0), (0, 0)),
    }
    cells, counts = [], []
    for number, kinds in enumerate(persons.values()):
        for kind, both in enumerate(kinds):
            for survived, count in enumerate(both):
                classes = np.eye(4)[number].tolist()
                cells.append([*classes, float(kind % 2), float(kind < 2), float(survived)])
                counts.append(count)
    table = np.repeat(cells, counts, axis=0)
    return table[:, :-1], table[:, -1].astype(int)


def affairs() -> Columns:
    """Return three columns of the women of `fair` in statsmodels, and 1 for those with an affair."""
    from statsmodels.datasets import fair

    frame = fair.load_pandas().data
    return frame[["rate_marriage", "age", "religious"]].to_numpy(float), (frame["affairs"] > 0).to_numpy(int)


def votes() -> Columns:
    """Return party, schooling and left or right of `anes96` in statsmodels, and 1 for a vote for Dole."""
    from statsmodels.datasets import anes96

    frame = anes96.load_pandas().data
    return frame[["PID", "educ", "selfLR"]].to_numpy(float), frame["vote"].to_numpy(int)


def two_columns() -> Columns:
    """Return 1,000 rows of two columns that act additively on the log odds, and their classes."""
    generator = np.random.default_rng(1)
    x = np.column_stack([generator.integers(0, 2, 1000), generator.integers(0, 5, 1000)]).astype(float)
    return x, _classes(0.8 * x[:, 0] + 0.3 * x[:, 1] - 1, generator)


def six_columns() -> Columns:
    """Return 1,500 rows of six columns of three values, of which two act together and a third alone, and classes."""
    generator = np.random.default_rng(2)
    x = generator.integers(0, 3, (1500, 6)).astype(float)
    return x, _classes(1.5 * (x[:, 0] - 1) * (x[:, 1] - 1) + (x[:, 2] == 1), generator)


def _classes(odds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (generator.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int)


DISCRETE: dict[str, Callable[[], Columns]] = {
    "Titanic": titanic,
    "affairs": affairs,
    "votes": votes,
    "two columns": two_columns,
    "six columns": six_columns,
}
