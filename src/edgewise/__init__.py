"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge."""

from importlib import import_module
from typing import TYPE_CHECKING

from edgewise.errors import (
    CheckpointError,
    EdgewiseError,
    EdgewiseWarning,
    FileError,
    InputError,
    MissingExtraError,
)
from edgewise.interpret.compiled import from_formula
from edgewise.interpret.distil import distil
from edgewise.interpret.explain import explain_global, explain_local
from edgewise.interpret.find import find_formula
from edgewise.interpret.formula import Formula, formula
from edgewise.interpret.front import Front
from edgewise.interpret.grow import deepen, widen
from edgewise.interpret.prune import PruneReport, prune
from edgewise.interpret.relations import relations
from edgewise.interpret.removal import removal_costs
from edgewise.interpret.select import select_inputs
from edgewise.interpret.structure import interactions, structure
from edgewise.interpret.symbolic import symbolify
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import Elementary
from edgewise.nn.layer import KANLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.product import ProductLayer
from edgewise.nn.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.trace import Trace
from edgewise.train.approximate import ApproximateResult, approximate
from edgewise.train.block_problem import BlockProblem
from edgewise.train.blocks import ResidualBlock
from edgewise.train.data import Data
from edgewise.train.fit import fit
from edgewise.train.fit_report import FitReport
from edgewise.train.gauge import enclose, move_hidden_domains_, normal_form
from edgewise.train.grid import RefineReport, adapt_domain_, refine
from edgewise.train.lbfgs import LBFGS
from edgewise.train.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods import Adam
from edgewise.train.ordinal import OrdinalClassification
from edgewise.train.penalty import Ridge, Roughness, Sparsity
from edgewise.train.problem import Classification, Regression
from edgewise.train.quasi_newton import SSBroyden

if TYPE_CHECKING:  # heavy: loaded when first asked for
    from edgewise.checkpoint import Checkpointer, load, save
    from edgewise.checkpoint.solution import load_solution, save_solution
    from edgewise.estimator import KANClassifier, KANRegressor, load_estimator, save_estimator
    from edgewise.export import to_c, to_onnx, to_program, to_python, to_scipy

__version__ = "0.1.0"

_LAZY = {
    "Checkpointer": "edgewise.checkpoint",
    "load": "edgewise.checkpoint",
    "save": "edgewise.checkpoint",
    "KANClassifier": "edgewise.estimator",
    "KANRegressor": "edgewise.estimator",
    "load_estimator": "edgewise.estimator",
    "load_solution": "edgewise.checkpoint.solution",
    "save_estimator": "edgewise.estimator",
    "save_solution": "edgewise.checkpoint.solution",
    "to_c": "edgewise.export",
    "to_onnx": "edgewise.export",
    "to_program": "edgewise.export",
    "to_python": "edgewise.export",
    "to_scipy": "edgewise.export",
}


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'edgewise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "KAN",
    "LBFGS",
    "MLP",
    "Adam",
    "ApproximateResult",
    "BlockProblem",
    "CheckpointError",
    "Checkpointer",
    "Classification",
    "Data",
    "EdgewiseError",
    "EdgewiseWarning",
    "Elementary",
    "FileError",
    "FitReport",
    "Formula",
    "Front",
    "InputError",
    "KANClassifier",
    "KANConfig",
    "KANLayer",
    "KANRegressor",
    "LevenbergMarquardt",
    "MLPConfig",
    "MissingExtraError",
    "MixedLayer",
    "OrdinalClassification",
    "ProductLayer",
    "PruneReport",
    "RefineReport",
    "Regression",
    "ResidualBlock",
    "Ridge",
    "Roughness",
    "SSBroyden",
    "Sparsity",
    "SymbolicLayer",
    "Trace",
    "adapt_domain_",
    "approximate",
    "deepen",
    "distil",
    "enclose",
    "explain_global",
    "explain_local",
    "find_formula",
    "fit",
    "formula",
    "from_formula",
    "interactions",
    "load",
    "load_estimator",
    "load_solution",
    "move_hidden_domains_",
    "normal_form",
    "prune",
    "refine",
    "relations",
    "removal_costs",
    "save",
    "save_estimator",
    "save_solution",
    "select_inputs",
    "structure",
    "symbolify",
    "to_c",
    "to_onnx",
    "to_program",
    "to_python",
    "to_scipy",
    "widen",
]
