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
        errors,
        estimator,
        explore,
        export,
        formulas,
        interpret,
        model_selection,
        nn,
        ops,
        outcomes,
        pde,
        plot,
        processes,
        pykan,
        report,
        tables,
        train,
    )
    from edgewise.discovery import FormulaOptions, find_formula
    from edgewise.errors import EdgewiseError, EdgewiseWarning, InputError
    from edgewise.estimator import KANClassifier, KANRegressor, KANSurvival
    from edgewise.formulas import Formula
    from edgewise.interpret import (
        deepen,
        distil,
        explain_global,
        explain_local,
        formula,
        from_formula,
        prune,
        relations,
        removal_costs,
        select_inputs,
        structure,
        symbolify,
        widen,
    )
    from edgewise.model_selection import approximate
    from edgewise.nn import KAN, MLP, KANLayer, ProductLayer, SymbolicLayer, Trace
    from edgewise.outcomes import Progress, StopReason
    from edgewise.processes import memory_limit
    from edgewise.pykan import from_pykan
    from edgewise.storage import load, save
    from edgewise.train import (
        LBFGS,
        Adam,
        BlockProblem,
        Classification,
        CustomLoss,
        FitReport,
        LevenbergMarquardt,
        OrdinalClassification,
        Regression,
        Ridge,
        Roughness,
        Sparsity,
        SSBroyden,
        fit,
        refine,
    )

__version__ = "0.2.0"

__all__ = [
    "KAN",
    "LBFGS",
    "MLP",
    "Adam",
    "BlockProblem",
    "Classification",
    "CustomLoss",
    "EdgewiseError",
    "EdgewiseWarning",
    "FitReport",
    "Formula",
    "FormulaOptions",
    "InputError",
    "KANClassifier",
    "KANLayer",
    "KANRegressor",
    "KANSurvival",
    "LevenbergMarquardt",
    "OrdinalClassification",
    "ProductLayer",
    "Progress",
    "Regression",
    "Ridge",
    "Roughness",
    "SSBroyden",
    "Sparsity",
    "StopReason",
    "SymbolicLayer",
    "Trace",
    "approximate",
    "deepen",
    "distil",
    "explain_global",
    "explain_local",
    "find_formula",
    "fit",
    "formula",
    "from_formula",
    "from_pykan",
    "load",
    "memory_limit",
    "prune",
    "refine",
    "relations",
    "removal_costs",
    "save",
    "select_inputs",
    "structure",
    "symbolify",
    "widen",
]

import_on_demand(__name__)
