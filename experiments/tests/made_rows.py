"""Rows as an experiment on known functions stores them, with chosen errors."""


def accuracy_row(problem, seed=0, rmse=1e-6, **changes):
    return {
        "problem": problem,
        "seed": seed,
        "samples": 5000,
        "degree": None,
        "rmse": rmse,
        "seconds": 10.0 + seed,
        "cpu_seconds": 20.0 + seed,
        "parameters": 100 + seed,
        "shape": [2, 5, 1],
        "phases": [phase(4, 1e-3, 1.0), phase(8, 1e-5, 2.0), phase(16, rmse, 5.0)],
        **changes,
    }


def phase(grid_size, error, seconds):
    return {"grid_size": [grid_size, grid_size], "validation_rmse": error, "seconds": seconds}


def pykan_row(function, width, error, seconds):
    return {
        "function": function,
        "width": width,
        "curve": [{"grid": 3, "test_rmse": 10 * error}, {"grid": 5, "test_rmse": error}],
        "best_test_rmse": error,
        "seconds_to_best": 2 * seconds,
        "cpu_seconds_to_best": seconds,
    }


def halvings_row(problem, seed, curve):
    """curve: (test error, CPU seconds) of each grid."""
    points = [{"grid": 4, "test_rmse": error, "seconds": 2 * spent, "cpu_seconds": spent} for error, spent in curve]
    return {"problem": problem, "kind": "halvings", "seed": seed, "samples": 1000, "steps": 10, "curve": points}
