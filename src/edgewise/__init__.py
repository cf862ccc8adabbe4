"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge.

The first call for a table is `KANRegressor().fit(X, y)`, and `edgewise.pde.solve` for a differential equation.

Estimators of scikit-learn: `KANRegressor`, `KANClassifier`, `KANSurvival`. Networks and their training: `KAN`, `fit`.
Reading a trained network: `explain_global`, `prune`, `symbolify`, `formula`. Formulas from data: `find_formula`.
Differential equations: `edgewise.pde`. Figures: `edgewise.plot`. Files: `save`, `load`. Sub-packages are loaded when
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded when they are first used, see `__getattr__`
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

_ROOMS = (
    "checkpoint",
    "compare",
    "datasets",
    "discovery",
    "errors",
    "estimator",
    "explore",
    "export",
    "formulas",
    "interpret",
    "model_selection",
    "nn",
    "ops",
    "outcomes",
    "pde",
    "plot",
    "processes",
    "pykan",
    "report",
    "tables",
    "train",
)


def _by_name(names: dict[str, str]) -> dict[str, str]:
    """Return the module of each name from the names of each module."""
    return {name: f"edgewise.{module}" for module, each in names.items() for name in each.split()}


# Public names and the modules that have them. All are loaded when they are first used, so that the command line can
# answer before torch is imported.
_LAZY = _by_name(
    {
        "discovery": "FormulaOptions find_formula",
        "errors": "EdgewiseError EdgewiseWarning InputError",
        "estimator": "KANClassifier KANRegressor KANSurvival",
        "formulas": "Formula",
        "interpret": "deepen distil explain_global explain_local formula from_formula prune relations removal_costs "
        "select_inputs structure symbolify widen",
        "model_selection": "approximate",
        "nn": "KAN KANLayer MLP ProductLayer SymbolicLayer Trace",
        "outcomes": "Progress StopReason",
        "processes": "memory_limit",
        "pykan": "from_pykan",
        "storage": "load save",
        "train": "Adam BlockProblem Classification CustomLoss FitReport LBFGS LevenbergMarquardt OrdinalClassification "
        "Regression Ridge Roughness SSBroyden Sparsity fit refine",
    }
)


def __getattr__(name: str) -> object:
    """Load what is imported lazily; each access after the first one is a plain attribute."""
    if name in _ROOMS:
        return import_module(f"edgewise.{name}")
    if name not in _LAZY:
        from difflib import get_close_matches

        similar = get_close_matches(name, [*_LAZY, *_ROOMS], n=1)
        if similar:
            end = f"; did you mean {similar[0]!r}?"
        else:
            end = ""
        raise AttributeError(f"module 'edgewise' has no attribute {name!r}{end}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__version__"])
