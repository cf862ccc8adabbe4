"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge.

The first call for a table is `KANRegressor().fit(X, y)`, and `edgewise.pde.solve` for a differential equation.

Estimators of scikit-learn: `KANRegressor`, `KANClassifier`, `KANSurvival`. Networks and their training: `KAN`, `fit`.
Reading a trained network: `explain_global`, `prune`, `symbolify`, `formula`. Formulas from data: `find_formula`.
Differential equations: `edgewise.pde`. Figures: `edgewise.plot`. Files: `save`, `load`. Sub-packages are loaded when
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING
from warnings import warn

from edgewise import deprecations

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
        pykan,
        report,
        tables,
        theory,
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

deprecations.find_old_modules()

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
    "theory",
    "train",
)

# Public names and the modules that have them. All are loaded when they are first used, so that the command line can
# answer before torch is imported.
_LAZY = {
    "Adam": "edgewise.train",
    "BlockProblem": "edgewise.train",
    "Classification": "edgewise.train",
    "CustomLoss": "edgewise.train",
    "EdgewiseError": "edgewise.errors",
    "EdgewiseWarning": "edgewise.errors",
    "FitReport": "edgewise.train",
    "Formula": "edgewise.formulas",
    "InputError": "edgewise.errors",
    "KAN": "edgewise.nn",
    "KANClassifier": "edgewise.estimator",
    "KANLayer": "edgewise.nn",
    "KANRegressor": "edgewise.estimator",
    "KANSurvival": "edgewise.estimator",
    "LBFGS": "edgewise.train",
    "LevenbergMarquardt": "edgewise.train",
    "MLP": "edgewise.nn",
    "OrdinalClassification": "edgewise.train",
    "ProductLayer": "edgewise.nn",
    "Progress": "edgewise.outcomes",
    "Regression": "edgewise.train",
    "Ridge": "edgewise.train",
    "Roughness": "edgewise.train",
    "SSBroyden": "edgewise.train",
    "Sparsity": "edgewise.train",
    "StopReason": "edgewise.outcomes",
    "SymbolicLayer": "edgewise.nn",
    "Trace": "edgewise.nn",
    "approximate": "edgewise.model_selection",
    "deepen": "edgewise.interpret",
    "distil": "edgewise.interpret",
    "explain_global": "edgewise.interpret",
    "explain_local": "edgewise.interpret",
    "FormulaOptions": "edgewise.discovery",
    "find_formula": "edgewise.discovery",
    "fit": "edgewise.train",
    "formula": "edgewise.interpret",
    "from_formula": "edgewise.interpret",
    "from_pykan": "edgewise.pykan",
    "load": "edgewise.storage",
    "memory_limit": "edgewise.processes",
    "prune": "edgewise.interpret",
    "refine": "edgewise.train",
    "relations": "edgewise.interpret",
    "removal_costs": "edgewise.interpret",
    "save": "edgewise.storage",
    "select_inputs": "edgewise.interpret",
    "structure": "edgewise.interpret",
    "symbolify": "edgewise.interpret",
    "widen": "edgewise.interpret",
}

# Names that version 0.1 had at the top, and the modules that have them now; the old places go with version 0.3.
_MOVED = {
    "ApproximateResult": "edgewise.model_selection",
    "CheckpointError": "edgewise.errors",
    "Checkpointer": "edgewise.checkpoint",
    "Data": "edgewise.train",
    "Elementary": "edgewise.nn",
    "FileError": "edgewise.errors",
    "Front": "edgewise.formulas",
    "KANConfig": "edgewise.nn",
    "MLPConfig": "edgewise.nn",
    "MissingExtraError": "edgewise.errors",
    "MixedLayer": "edgewise.nn",
    "PruneReport": "edgewise.interpret",
    "RefineReport": "edgewise.train",
    "ResidualBlock": "edgewise.train",
    "adapt_domain_": "edgewise.train",
    "enclose": "edgewise.train",
    "interactions": "edgewise.interpret",
    "load_estimator": "edgewise.estimator",
    "load_solution": "edgewise.checkpoint",
    "move_hidden_domains_": "edgewise.train",
    "normal_form": "edgewise.train",
    "save_estimator": "edgewise.estimator",
    "save_solution": "edgewise.checkpoint",
    "to_c": "edgewise.export",
    "to_onnx": "edgewise.export",
    "to_program": "edgewise.export",
    "to_python": "edgewise.export",
    "to_scipy": "edgewise.export",
}

# What the functions for one kind of object became.
_CALLS = {"load_estimator": "edgewise.load(path)", "save_estimator": "edgewise.save(estimator, path)"}


def __getattr__(name: str) -> object:
    """Load what is imported lazily, and names that moved; each access after the first one is a plain attribute."""
    if name not in _LAZY:
        if name in _ROOMS or name in deprecations.OLD_MODULES:
            return import_module(f"edgewise.{name}")
        if name not in _MOVED:
            from difflib import get_close_matches

            similar = get_close_matches(name, [*_LAZY, *_ROOMS], n=1)
            end = f"; did you mean {similar[0]!r}?" if similar else ""
            raise AttributeError(f"module 'edgewise' has no attribute {name!r}{end}")
        new = _CALLS.get(name, f"{_MOVED[name]}.{name}")
        message = f"edgewise.{name} is now {new}; the old name will be removed in version 0.3"
        warn(message, DeprecationWarning, stacklevel=2)
    value = getattr(import_module(_LAZY.get(name) or _MOVED[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__version__"])
