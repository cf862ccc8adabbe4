"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge."""

from importlib import import_module
from typing import TYPE_CHECKING

from edgewise.discovery.finder import find_formula
from edgewise.errors import CheckpointError, EdgewiseError, EdgewiseWarning, FileError, InputError, MissingExtraError
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front
from edgewise.interpret.attribution.explanations import explain_global, explain_local
from edgewise.interpret.attribution.removal import removal_costs
from edgewise.interpret.dependence.additive_relations import relations
from edgewise.interpret.dependence.separability import interactions, structure
from edgewise.interpret.pruning.input_selection import select_inputs
from edgewise.interpret.pruning.pruning import PruneReport, prune
from edgewise.interpret.symbolic.extraction import formula
from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.symbolic.snapping import symbolify
from edgewise.interpret.transform.distillation import distil
from edgewise.interpret.transform.resize import deepen, widen
from edgewise.model_selection.approximation import ApproximateResult, approximate
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.elementary import Elementary
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.trace import Trace
from edgewise.train.grids import RefineReport, adapt_domain_, enclose, move_hidden_domains_, normal_form, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems.base import BlockProblem
from edgewise.train.problems.blocks import ResidualBlock
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.data import Data
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression

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
