"""Formulas by gplearn and pyoperon on the open laws in the units of textbooks, kept in results/srbench-peers.json.

python benchmarks/formulas_peers.py [--seconds 10] [--peers gplearn pyoperon] [--out results]

Needs an environment with Edgewise and benchmarks/formulas_requirements.txt. Each program gets the rows of the
experiment `srbench` and `--seconds` of CPU time on one thread, in runs with other seeds until they are used; its most
accurate formula counts. Settings are its defaults but for the functions (+, -, *, /, sqrt, exp, log, sin, cos) and what
ends a run. A formula is exact as in `srbench`, but from a relative error of 1e-4 on its constants are fitted again,
since pyoperon computes in single precision. A run goes on from the rows that are in the file.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas import complexity, parse_expression, shortest_form
from edgewise.formulas.constants import fit_constants, relative_error
from edgewise_experiments.data.laws import Law, textbook
from edgewise_experiments.formulas.srbench_runs import ACCURATE, CLOSE, FRESH, LONGER, ROWS
from edgewise_experiments.runner.store import RESULTS, Store

REFITTED = 1e-4  # relative error up to which constants are fitted again
BATCH = 5  # generations of gplearn between two looks at the time
Search = Callable[[np.ndarray, np.ndarray, float, int], Iterator[str]]


def pyoperon(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> Iterator[str]:
    """Yield formulas of X1, X2, ... in Python's notation."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,sqrt,exp,log,sin,cos,constant,variable",
        optimizer_iterations=10,
        generations=10**9,
        max_evaluations=100_000,
        max_time=int(10 * seconds),
        n_threads=1,
        random_state=seed,
    )
    model.fit(x, y)
    yield model.get_model_string(model.model_, 12).replace("^", "**")


def gplearn(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> Iterator[str]:
    """Yield formulas of X1, X2, ... in Python's notation."""
    from gplearn.functions import make_function
    from gplearn.genetic import SymbolicRegressor

    exponential = make_function(function=lambda u: np.exp(np.clip(u, -50, 50)), name="exp", arity=1)
    functions = ("add", "sub", "mul", "div", "sqrt", "log", "sin", "cos", "inv", "neg", exponential)
    start = time.process_time()
    generations = BATCH
    model = SymbolicRegressor(function_set=functions, warm_start=True, random_state=seed, n_jobs=1)
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
    written = {name: lambda a, b, sign=sign: f"({a} {sign} {b})" for name, sign in signs.items()}
    written |= {name: lambda a, name=name: f"{name}({a})" for name in ("exp", "sin", "cos")}
    written |= {name: lambda a, name=name: f"{name}(abs({a}))" for name in ("log", "sqrt")}
    written |= {"inv": lambda a: f"(1/{a})", "neg": lambda a: f"(-{a})"}
    while time.process_time() - start < seconds:
        model.set_params(generations=generations)
        model.fit(x, y)
        generations += BATCH
        names = {f"X{k}": f"X{k + 1}" for k in range(x.shape[1])}
        yield str(eval(str(model._program), {"__builtins__": {}}, written | names))  # of its own functions alone
        if model._program.raw_fitness_ < 1e-12:
            return


PEERS: dict[str, Search] = {"gplearn": gplearn, "pyoperon": pyoperon}


def judged(text: str, law: Law, data: tuple, fresh: tuple) -> dict:
    """What is stored of a formula."""
    names = [f"X{k + 1}" for k in range(len(law.names))]
    node = parse_expression(text, names)
    error = relative_error(node, *fresh)
    refitted = fit_constants(node, *data, steps=200) if error < REFITTED else None
    if refitted is not None:
        node = shortest_form(refitted.expression, data[0])
        error = relative_error(node, *fresh)
    symbols = complexity(node)
    return {
        "formula": text[:300],
        "relative": error if np.isfinite(error) else None,
        "symbols": symbols,
        "exact": bool(error < CLOSE and symbols <= LONGER * law.symbols),
        "accurate": bool(error**2 < 1 - ACCURATE),
    }


def measured(peer: str, law: Law, seconds: float) -> dict:
    """Run one program on one law in runs with other seeds, and return its row of the file."""
    x, y = law.sample(ROWS, 0)
    fresh = law.sample(FRESH, 1)
    start = time.process_time()
    rows = []
    seed = 0
    while time.process_time() - start < seconds and not any(row["exact"] for row in rows):
        try:
            rows += [judged(text, law, (x, y), fresh) for text in PEERS[peer](x, y, seconds, seed)]
        except (ArithmeticError, InputError, ValueError) as error:  # of a formula that Edgewise does not read
            print(f"{peer}, {law.name}: {type(error).__name__}: {error}"[:200])
        seed += 1
    cpu = round(time.process_time() - start, 3)
    nothing = {"formula": None, "relative": None, "symbols": 0, "exact": False, "accurate": False}
    best = min(rows, key=lambda row: (not row["exact"], row["relative"] or np.inf), default=nothing)
    key = {"peer": peer, "version": version(peer), "suite": "textbook", "law": law.name, "noise": 0.0, "units": False}
    times = {"cpu_seconds": cpu, "seconds": cpu, "runs": seed}
    return key | {"seed": 0, "limit": seconds, **best, **times, "true_symbols": law.symbols}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--peers", nargs="+", default=list(PEERS))
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    store = Store.open(chosen.out, "srbench-peers")
    for law in textbook(0).values():
        for peer in chosen.peers:
            if store.find(peer=peer, law=law.name, limit=chosen.seconds) is None:
                row = store.add(measured(peer, law, chosen.seconds))
                print(f"{peer}, {law.name}: {'exact' if row['exact'] else row['relative']}, {row['cpu_seconds']:.0f} s")


if __name__ == "__main__":
    main()
