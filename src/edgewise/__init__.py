"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge.

The first call for a table is `KANRegressor().fit(X, y)`, and `edgewise.pde.solve` for a differential equation.

Estimators of scikit-learn: `KANRegressor`, `KANClassifier`, `KANSurvival`. Networks and their training: `KAN`, `fit`.
Reading a trained network: `explain_global`, `prune`, `symbolify`, `formula`. Formulas from data: `find_formula`.
Differential equations: `edgewise.pde`. Figures: `edgewise.plot`. Files: `save`, `load`. Sub-packages are loaded when
first used.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise import (  # noqa: F401
        checkpoint,
        compare,
        datasets,
        discovery,
        dynamics,
        errors,
        estimator,
        explore,
        export,
        formulas,
        interpret,
        nn,
        ops,
        outcomes,
        pde,
        plot,
        processes,
        pykan,
        report,
        search,
        tables,
        train,
    )
    from edgewise.discovery import find_formula
    from edgewise.dynamics import find_dynamics
    from edgewise.estimator import KANClassifier, KANRegressor, KANSurvival
    from edgewise.interpret import explain_global, explain_local, formula, prune, symbolify
    from edgewise.nn import KAN, KANLayer
    from edgewise.pykan import from_pykan
    from edgewise.storage import load, save
    from edgewise.train import Regression, fit

__version__ = "0.2.0"

__all__ = [
    "KAN",
    "KANClassifier",
    "KANLayer",
    "KANRegressor",
    "KANSurvival",
    "Regression",
    "explain_global",
    "explain_local",
    "find_dynamics",
    "find_formula",
    "fit",
    "formula",
    "from_pykan",
    "load",
    "prune",
    "save",
    "symbolify",
]

import_on_demand(__name__)
