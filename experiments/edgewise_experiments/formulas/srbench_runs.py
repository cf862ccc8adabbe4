"""One run of the panel of laws: samples, search in a process of its own, and the judgement of what was found."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from unittest.mock import patch

import numpy as np

from edgewise import find_formula
from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas import Expression, complexity
from edgewise.formulas.constants import fit_constants, relative_error
from edgewise.formulas.printing import as_sympy
from edgewise.formulas.rewriting import with_free_exponents
from edgewise.outcomes import ProgressCallback
from edgewise_experiments.data.laws import Law, ai_feynman, nguyen, random_laws, textbook
from edgewise_experiments.runner import Job, Stopwatch, Store

ROWS, FRESH, SECONDS = 1000, 2000, 60.0
CLOSE, SAME_FORM, LONGER = 1e-9, 1e-6, 2.0  # explained in the docstring of `srbench`
ACCURATE = 0.999
SYMPY_SECONDS = 10.0


def suites(*, closed: bool = False) -> dict[str, Mapping[str, Law]]:
    """Return the laws by suite; closed halves only on request."""
    laws = ai_feynman()
    chosen: dict[str, Mapping[str, Law]] = {
        "feynman": {name: law for name, law in laws.items() if law.suite == "feynman"},
        "bonus": {name: law for name, law in laws.items() if law.suite == "bonus"},
        "nguyen": nguyen(),
        "random": random_laws(0),
        "textbook": textbook(0),
    }
    return chosen | ({"random, closed half": random_laws(1), "textbook, closed half": textbook(1)} if closed else {})


def measure(suite: str, name: str, noise: float, units: bool, seed: int, limit: float) -> dict:
    """Search for one law and judge the best formula of the front."""
    law = suites(closed="closed" in suite)[suite][name]
    x, clean = law.sample(ROWS, 2 * seed)
    fresh_x, fresh_y = law.sample(FRESH, 2 * seed + 1)
    y = clean + noise * float(np.std(clean)) * np.random.default_rng([seed, 7]).normal(size=ROWS)
    options = FormulaOptions(units=dict(law.units)) if units else FormulaOptions()
    watch = Stopwatch()
    try:
        with patch("time.monotonic", time.process_time):  # the machine may be shared: CPU seconds end the search
            front = find_formula(x, y, names=list(law.names), time_limit=limit, seed=seed, options=options)
    except (ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        return {"formula": None, "failure": f"{type(error).__name__}: {error}"[:200], "exact": False, "accurate": False}
    spent = watch.seconds()
    best = front.best
    error = relative_error(best.formula.expression, fresh_x, fresh_y)
    judged = is_exact(best.formula.expression, law, noise, (x, clean), (fresh_x, fresh_y))
    return {
        **spent,
        "formula": best.formula.text(12),
        "symbols": best.complexity,
        "true_symbols": law.symbols,
        "relative": error,
        "exact": judged,
        "exact_on_front": judged
        or any(is_exact(e.formula.expression, law, noise, (x, clean), (fresh_x, fresh_y)) for e in front),
        "accurate": bool(error**2 < 1 - ACCURATE),
        "messages": list(front.messages),
    }


def is_exact(
    node: Expression,
    law: Law,
    noise: float,
    clean: tuple[np.ndarray, np.ndarray],
    fresh: tuple[np.ndarray, np.ndarray],
) -> bool:
    """Whether a formula is the law, as the docstring of `srbench` defines it."""
    if complexity(node) > LONGER * law.symbols:
        return False
    error = relative_error(node, *fresh)
    if error < CLOSE:
        return True
    if not noise and error > SAME_FORM:
        return False
    # Exponents that were fitted, as 1.852, are constants too: under noise they have the digits that it leaves.
    form = with_free_exponents(node, clean[0]) if noise else node
    fitted = fit_constants(form, *clean, steps=200)
    if fitted is not None and relative_error(fitted.expression, *fresh) < (SAME_FORM if noise else CLOSE):
        return True
    return not noise and equals_symbolically(node, law)


def equals_symbolically(node: Expression, law: Law) -> bool:
    """Whether sympy proves, in `SYMPY_SECONDS` of CPU time, that a formula is the law; in floats terms may cancel."""
    import sympy

    def give_up(*_: object) -> None:
        raise TimeoutError

    symbols = [sympy.Symbol(name, positive=all(low > 0 for low in law.low)) for name in law.names]
    former = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, SYMPY_SECONDS)
    try:
        both = [as_sympy(each, law.names) for each in (node, law.expression)]
        known = {sympy.Symbol(name, real=True): symbol for name, symbol in zip(law.names, symbols, strict=True)}
        return bool(sympy.simplify((both[0] - both[1]).subs(known)) == 0)
    except (TimeoutError, ArithmeticError, ValueError, RecursionError):
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


def with_pool(
    kinds: Sequence[tuple], store: Store, workers: int, key: Callable[..., dict]
) -> tuple[list[Job], Callable]:
    """Make jobs whose work runs in a pool of processes where the store lacks the row, and a function that ends it.

    Jobs are awaited in their order while the workers go on with the next ones.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    jobs = []
    for kind in kinds:
        identity = key(*kind)
        future: Future | None = None
        if store.find(**identity) is None:
            future = pool.submit(measure, *kind, identity["limit"])
        jobs.append(Job(_label(kind), identity, partial(_awaited, future)))
    return jobs, partial(pool.shutdown, cancel_futures=True)


def _awaited(future: Future, report_progress: ProgressCallback) -> dict:
    return future.result()


def _label(kind: tuple) -> str:
    suite, name, noise, units, seed = kind
    return f"{suite} {name}{f', {noise:.0%} noise' if noise else ''}{', units' if units else ''}, seed {seed}"
