"""Formulas by pyoperon and gplearn on ten of the functions of the experiment `formulas`, kept in a JSON file.

python benchmarks/formulas_peers.py [--seconds 30] [--out results]

Needs an environment with Edgewise and benchmarks/formulas_requirements.txt. Each peer gets the same 1,000 noise-free
samples and `--seconds` of the clock on one thread, more than Edgewise takes; its settings are its defaults but for the
functions (+, -, *, /, sqrt, exp, log, sin, asin; gplearn lacks exp and asin) and what stops it. A formula is exact as
there, but within 1e-5 of the deviation at fresh points, for pyoperon computes in single precision, and with at most
1.5 times the symbols of the truth: nodes of its tree, or symbols after Edgewise's simplification where it can read
the text and these are fewer. `accurate` leaves the length aside. A run goes on from the rows that are in the file.
"""

import argparse
import contextlib
import itertools
import os
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas import complexity, parse_expression, shortest_form
from edgewise_experiments.formulas import formulas
from edgewise_experiments.runner.store import RESULTS, Store

CLOSE = 1e-5  # relative error of an accurate formula; pyoperon computes in single precision
BATCH = 5  # generations of gplearn between two checks of the time


def operon(x, y, seconds: float, seed: int):
    """Return (predict, symbols, text)."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,sqrt,exp,log,sin,asin,constant,variable",
        optimizer_iterations=10,
        generations=10**9,
        max_evaluations=10**12,
        max_time=int(seconds),
        n_threads=1,
        random_state=seed,
    )
    model.fit(x, y)
    text = model.get_model_string(model.model_, 9)
    names = [f"X{k + 1}" for k in range(x.shape[1])]
    nodes = int(model.stats_["model_length"])
    with contextlib.suppress(InputError):  # a function that Edgewise does not read
        nodes = min(nodes, complexity(shortest_form(parse_expression(text.replace("^", "**"), names), x)))
    return model.predict, nodes, text


def gplearn(x, y, seconds: float, seed: int):
    """Return (predict, symbols, text)."""
    from gplearn.genetic import SymbolicRegressor

    functions = ("add", "sub", "mul", "div", "sqrt", "log", "sin", "inv", "neg")
    start, model = time.monotonic(), None
    while model is None or time.monotonic() - start < seconds:
        if model is None:
            model = SymbolicRegressor(
                generations=BATCH, function_set=functions, warm_start=True, random_state=seed, n_jobs=1
            )
        else:
            model.set_params(generations=model.generations + BATCH)
        model.fit(x, y)
        if model._program.raw_fitness_ < 1e-12:
            break
    return model.predict, len(model._program.program), str(model._program)


PEERS = {"pyoperon": operon, "gplearn": gplearn}


def measured(peer: str, problem: str, seconds: float, seed: int) -> dict:
    """Run one peer on one problem and return its row of the file."""
    target = formulas.PROBLEMS[problem]
    x, y = target.sample(formulas.SAMPLES, seed)
    fresh_x, fresh_y = target.sample(formulas.FRESH, seed=1_000_000 + seed)
    start, cpu = time.perf_counter(), time.process_time()
    predict, symbols, text = PEERS[peer](x, y, seconds, seed)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    rest = np.asarray(predict(fresh_x)) - fresh_y
    error = float(np.sqrt(np.mean(rest**2)) / np.std(fresh_y)) if np.isfinite(rest).all() else None
    accurate = error is not None and error < CLOSE
    true = complexity(formulas.truth(problem))
    return {
        "peer": peer,
        "version": version(peer),
        "problem": problem,
        "seed": seed,
        "limit": seconds,
        "seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "relative": error,
        "symbols": symbols,
        "true_symbols": true,
        "accurate": accurate,
        "exact": bool(accurate and symbols <= formulas.LONGER * true),
        "formula": text[:300],
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    store = Store.open(chosen.out, "formulas-peers")
    for problem, peer in itertools.product(formulas.TEN, PEERS):
        key = {"seed": chosen.seed, "limit": chosen.seconds, "peer": peer, "problem": problem}
        if store.find(**key) is None:
            row = store.add(measured(peer, problem, chosen.seconds, chosen.seed))
            print(f"{peer}, {problem}: {'exact' if row['exact'] else row['relative']}, {row['seconds']:.0f} s")
    for peer in PEERS:
        own = [row for row in store.rows if row["peer"] == peer and row["limit"] == chosen.seconds]
        exact, accurate = (sum(row[name] for row in own) for name in ("exact", "accurate"))
        print(f"{peer}: {exact} of {len(own)} exact, {accurate} accurate")


if __name__ == "__main__":
    main()
