"""Old names of arguments and old places of modules keep working until version 0.3 and warn with the new name."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import ParamSpec, TypeVar

from edgewise.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

# Modules of version 0.1 and of first drafts of 0.2, and those that have their names now; all without "edgewise.".
OLD_MODULES = {
    "advise": "compare.advice",
    "baselines": "compare.baselines",
    "datasets.anderson": "edgewise_experiments.data.anderson",
    "datasets.feynman": "edgewise_experiments.data.feynman",
    "datasets.functions": "edgewise_experiments.data.functions",
    "datasets.images": "edgewise_experiments.data.images",
    "datasets.special_functions": "edgewise_experiments.data.special_functions",
    "datasets.target": "edgewise_experiments.data.target",
    "datasets.texts": "edgewise_experiments.data.texts",
    "estimator.bars": "estimator.base",
    "estimator.explained": "estimator.base",
    "estimator.exported": "estimator.base",
    "estimator.kan": "estimator.regressor estimator.classifier",
    "estimator.rows": "estimator.base",
    "export.c_source": "export.c_code",
    "export.numpy_source": "export.numpy_code",
    "interpret.assemble": "discovery.curves.assembly",
    "interpret.attribute": "interpret.attribution.scores train.penalties",
    "interpret.compiled": "interpret.symbolic.from_formula_text",
    "interpret.constants": "formulas.constants",
    "interpret.decompose": "discovery.curves.curve_models",
    "interpret.distil": "interpret.transform.distillation",
    "interpret.domain_report": "formulas.domains",
    "interpret.edge_fits": "formulas.curve_fits",
    "interpret.edge_formulas": "interpret.symbolic.extraction",
    "interpret.effects": "interpret.attribution.effects",
    "interpret.explain": "interpret.attribution.explanations interpret.attribution.effects",
    "interpret.expression": "formulas.expression formulas.domains",
    "interpret.features": "discovery.curves.features",
    "interpret.fidelity": "formulas.front",
    "interpret.find": "discovery.finder",
    "interpret.formula": "formulas.formula interpret.symbolic.extraction",
    "interpret.front": "formulas.front",
    "interpret.function": "interpret.black_box",
    "interpret.grow": "interpret.transform.resize",
    "interpret.links": "discovery.least_squares.links",
    "interpret.near_zero": "discovery.curves.assembly",
    "interpret.prune": "interpret.pruning.pruning",
    "interpret.relation_networks": "interpret.dependence.additive_relations",
    "interpret.relations": "interpret.dependence.additive_relations",
    "interpret.relevance": "discovery.curves.features",
    "interpret.removal": "interpret.attribution.removal",
    "interpret.select": "interpret.pruning.input_selection",
    "interpret.shapes": "formulas.curve_fits",
    "interpret.shorten": "formulas.algebra",
    "interpret.simple_products": "discovery.curves.simple_forms",
    "interpret.simplify": "formulas.algebra",
    "interpret.snapping": "interpret.symbolic.snapping",
    "interpret.stepwise": "discovery.curves.simple_forms",
    "interpret.stored": "formulas.serialisation",
    "interpret.structure": "interpret.dependence.separability",
    "interpret.surgery": "interpret.transform.subnetworks",
    "interpret.writing": "formulas.printing",
    "memory": "processes.memory",
    "nn.chain": "nn.layers.base",
    "nn.initial": "nn.layers.initial",
    "nn.layer": "nn.layers.spline",
    "nn.periodic": "nn.layers.periodic",
    "nn.product": "nn.layers.product",
    "nn.segments": "nn.layers.segments",
    "nn.separable": "nn.layers.separable",
    "nn.symbolic": "nn.layers.symbolic",
    "nn.tensor": "nn.layers.tensor_product",
    "ops.active_basis": "ops.splines.active",
    "ops.bspline": "ops.splines.bspline",
    "ops.knots": "ops.splines.knots",
    "ops.layer_sum": "ops.whole_layer",
    "ops.lstsq": "ops.splines.lstsq",
    "pde.account": "pde.solver.history",
    "pde.calculus": "pde.problem.fields",
    "pde.conditions": "pde.problem.conditions",
    "pde.domain": "pde.domains.domain pde.domains.products pde.domains.combined",
    "pde.equation": "pde.problem.collocation",
    "pde.grow": "pde.solver.refinement",
    "pde.integrals": "pde.problem.integrals",
    "pde.march": "pde.structured.evolution.slabs",
    "pde.mesh": "pde.domains.mesh",
    "pde.network": "pde.solver.network",
    "pde.sampling": "pde.domains.sampling",
    "pde.scene": "pde.problem.evaluation",
    "pde.shapes": "pde.domains.shapes",
    "pde.solution": "pde.solver.solution",
    "pde.solve": "pde.solver.solving",
    "pde.training": "pde.solver.training",
    "pde.unknowns": "pde.solver.judging.scatter",
    "plot.animation": "plot.pde.animation",
    "plot.curves": "plot.network.curves plot.network.effects",
    "plot.diagram": "plot.network.diagram plot.network.views",
    "plot.edge_texts": "plot.network.edge_formulas",
    "plot.explain": "plot.results.explanations",
    "plot.fields": "plot.pde.fields",
    "plot.formulas": "plot.results.formulas",
    "plot.four": "edgewise_experiments.plots.four",
    "plot.guide": "edgewise_experiments.plots.guide",
    "plot.history": "plot.results.histories",
    "plot.layout": "plot.network.layout",
    "plot.maps": "plot.pde.maps",
    "plot.orders": "edgewise_experiments.plots.orders",
    "plot.parity": "plot.results.predictions",
    "plot.pde_panels": "edgewise_experiments.plots.pde_panels",
    "plot.phases": "edgewise_experiments.plots.phases",
    "plot.pictures": "edgewise_experiments.plots.pictures",
    "plot.slices": "plot.pde.slices",
    "plot.stages": "plot.results.histories",
    "report.standing": "report.comparison",
    "tables.encode": "tables.encoder",
    "tables.header": "tables.table",
    "tables.inputs": "tables.columns",
    "tables.parquet": "tables.reading",
    "tables.read": "tables.reading",
    "tables.values": "tables.cells",
    "train.approximate": "model_selection.approximation",
    "train.auto": "model_selection.automatic",
    "train.batches": "train.loop.batches",
    "train.block_problem": "train.problems.block_problem",
    "train.blocks": "train.problems.blocks",
    "train.candidate": "model_selection.search.candidates train.methods.choice",
    "train.conjugate_gradient": "train.methods.linear_systems",
    "train.cross_entropy": "train.problems.classification",
    "train.damped": "train.methods.linear_systems",
    "train.data": "train.problems.data",
    "train.default_method": "train.methods.choice",
    "train.door": "train.loop.validation",
    "train.edge_blocks": "train.jacobian.products",
    "train.error_bars": "train.uncertainty",
    "train.fit": "train.loop.fitting",
    "train.fit_report": "train.loop.reports",
    "train.folds": "model_selection.search.cross_validation",
    "train.gauge": "train.grids",
    "train.gcv": "train.smoothing",
    "train.geodesic": "train.methods.levenberg_marquardt",
    "train.grid": "train.grids",
    "train.lbfgs": "train.methods.quasi_newton",
    "train.levenberg_marquardt": "train.methods.levenberg_marquardt",
    "train.line_search": "train.methods.quasi_newton",
    "train.linearised": "train.jacobian.linearised",
    "train.matrix_free": "train.methods.linear_systems",
    "train.network_rows": "train.jacobian.rows",
    "train.noise_free": "model_selection.automatic",
    "train.normal_equations": "train.jacobian.normal_equations train.jacobian.rows",
    "train.objective": "train.problems.objective",
    "train.ordinal": "train.problems.ordinal",
    "train.parameter_slots": "train.jacobian.rows",
    "train.penalty": "train.penalties",
    "train.penalty_model": "train.methods.levenberg_marquardt",
    "train.problem": "train.problems.base train.problems.regression train.problems.classification",
    "train.progress": "train.loop.reports",
    "train.quasi_newton": "train.methods.quasi_newton",
    "train.search": "model_selection.search",
    "train.search_report": "model_selection.search outcomes",
    "train.starts": "model_selection.starts",
}
# Names that changed with their module: of each old module, the old names and the new ones.
RENAMED = {
    "interpret.constants": {"Fitted": "FittedExpression"},
    "interpret.decompose": {"Decomposer": "CurveModelFitter", "Structure": "CurveModel"},
    "interpret.expression": {"leaks": "domain_violations", "parse": "parse_expression"},
    "interpret.features": {"features": "candidate_features"},
    "interpret.front": {"Entry": "FrontEntry"},
    "interpret.links": {"links": "possible_links"},
    "interpret.shapes": {"Shape": "CurveShape", "shapes": "curve_shapes"},
    "interpret.shorten": {"shortest": "shortest_form"},
    "pde.account": {"step_work": "solve_step_work"},
    "train.error_bars": {"error_bars": "prediction_uncertainty"},
    "train.search_report": {"ProgressEvent": "Progress"},
}


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a decorator that accepts the keyword `old` in place of `new`, with a DeprecationWarning."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise InputError(f"{new} and its former name {old} must not both be given")
                message = f"the argument {old} of {function.__name__} is now called {new}"
                warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def renamed_method(old: str, method: Callable[P, R]) -> Callable[P, R]:
    """Make the former name of a method, which calls it with a DeprecationWarning."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(f"{old} is now called {method.__name__}", DeprecationWarning, stacklevel=2)
        return method(*args, **kwargs)

    wrapper.__doc__ = f"Deprecated name of `{method.__name__}`."
    return wrapper


class _OldModule(ModuleType):
    """Module of version 0.1 that hands each of its names over from the module that has it now."""

    def __getattr__(self, name: str) -> object:
        old = self.__name__.removeprefix("edgewise.")
        new = RENAMED.get(old, {}).get(name, name)
        for place in _new_places(old) if not name.startswith("__") else []:
            module = import_module(place)
            if hasattr(module, new):
                if new != name:
                    message = (
                        f"{self.__name__}.{name} is now {place}.{new}; the old name will be removed in version 0.3"
                    )
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                return getattr(module, new)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)


class _Room(ModuleType):
    """Package with a function, such as `edgewise.train.fit`, that had the name of an old module.

    The import system makes an imported module an attribute of its package. Here the function stays.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, _OldModule) and name in vars(self)):
            super().__setattr__(name, value)


class _OldModuleLoader(Loader):
    """Makes the `_OldModule` of an old name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        places = _new_places(module.__name__.removeprefix("edgewise."))
        message = f"{module.__name__} is now {' and '.join(places)}"
        if find_spec(places[0].partition(".")[0]) is None:
            message += ", a package in the folder experiments of a clone of the repository"
            raise ModuleNotFoundError(message, name=module.__name__)
        message += "; the old name will be removed in version 0.3"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        room, _, name = module.__name__.rpartition(".")
        if name in vars(sys.modules[room]):
            sys.modules[room].__class__ = _Room


class OldModuleFinder(MetaPathFinder):
    """Finds the modules of version 0.1 that have another place now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the specification of an old module, or None for every other name."""
        room, _, old = fullname.partition(".")
        return ModuleSpec(fullname, _OldModuleLoader()) if room == "edgewise" and old in OLD_MODULES else None


def _new_places(old: str) -> list[str]:
    """Full names of the modules that have the names of an old module."""
    places = OLD_MODULES[old].split()
    return [place if place.startswith("edgewise_experiments.") else f"edgewise.{place}" for place in places]


def find_old_modules() -> None:
    """Let `import` find the old modules, after all other ways to find a module have failed."""
    if not any(isinstance(finder, OldModuleFinder) for finder in sys.meta_path):
        sys.meta_path.append(OldModuleFinder())
