"""Old places of modules and old names of arguments keep working, with a warning."""

import importlib
import sys

import pytest

import edgewise
from edgewise import deprecations
from tests.test_import import in_a_new_process

# The modules of version 0.1 that have another place now, each with the classes and functions that still exist.
OLD = """
advise: Advice Branch advise
baselines: BaselineResult iterate_baselines measures paired_error standard_error tree_numbers
datasets.anderson: Chain fractal_dimension
datasets.feynman:
datasets.functions:
datasets.images: camera pixel_centres turbulence
datasets.special_functions:
datasets.target: TargetFunction by_name of_columns
datasets.texts: paradise_lost
estimator.bars:
estimator.explained:
estimator.exported:
estimator.kan: KANClassifier KANRegressor
estimator.rows: canonical_rows
export.c_source: c_source to_c
export.numpy_source: python_source to_python
interpret.assemble: pruned
interpret.attribute: edge_scores input_scores node_scores
interpret.compiled: from_formula
interpret.constants: fit_constants free_places recognise relative_error value_of
interpret.decompose:
interpret.distil: DistilReport DistilRound distil
interpret.domain_report: domain_report
interpret.edge_fits: EdgeFit edge_fits
interpret.edge_formulas: edge_expression node_expressions
interpret.effects: Effect partial_dependence
interpret.explain: GlobalExplanation LocalExplanation explain_global explain_local
interpret.expression: Add Call Multiply Number Power Variable children complexity domain_row evaluate power rebuilt
interpret.features: Feature spline_columns
interpret.fidelity: fresh_inputs outside_inputs with_fidelity
interpret.find: find_formula
interpret.formula: Formula formula
interpret.front: Front
interpret.function: check_points tensor_function
interpret.grow: deepen widen
interpret.links: Link
interpret.near_zero:
interpret.prune: PruneReport Removal prune
interpret.relation_networks: subsets_of train_networks
interpret.relations: Relation Relations bound_together relations
interpret.relevance: relevant_inputs
interpret.removal: RemovalCosts judging_data removal_costs
interpret.select: InputSelection select_inputs
interpret.shapes:
interpret.shorten: expanded factored
interpret.simple_products: simple_products
interpret.simplify: simplify split_number
interpret.snapping: with_edge with_spline
interpret.stepwise: stepwise_sums
interpret.stored: front_fields
interpret.structure: Structure Symmetry interactions structure
interpret.surgery: Kept live_edges product_groups with_inputs without_dead_nodes without_edges
interpret.writing: as_c as_latex as_python as_text latex_name
memory: is_out_of_memory machine_memory memory_limit
nn.chain: Chain
nn.initial: float_dtype initial_weights seeded_generator
nn.layer: KANLayer
nn.periodic: PeriodicLayer
nn.product: ProductLayer
nn.segments: Segments active_spline_segments dense_rows one_run
nn.separable: SeparableLayer
nn.symbolic: MixedLayer SymbolicLayer
nn.tensor: TensorLayer
ops.active_basis: active_basis
ops.bspline: basis local_basis locate spline_domain
ops.knots: blossom_coef breakpoints_of extend subdivide uniform
ops.layer_sum: base_values layer_sum
ops.lstsq: gram project quadrature roughness
pde.account:
pde.calculus: Field Stencil curl divergence function_jet gradient hessian laplacian stencil
pde.conditions: Condition Dirichlet Initial Neumann Observations Periodic Robin by_field
pde.domain: Box Difference Domain Interval OverTime Piece Time Union
pde.equation: PDE
pde.grow: Plan
pde.integrals: at_places integral
pde.march: WindowNetwork
pde.mesh: Mesh grown left_out respaced
pde.network: PeriodicNetwork SeparableNetwork TensorNetwork WindowNetwork described fit_hidden_grids_ grid_sizes kan_of
pde.sampling: gauss_legendre unit_points
pde.scene: argument_names call_by_name coordinate_table value_at
pde.shapes: Annulus Disk LShape Polygon
pde.solution: Errors Solution Stage errors_of field_jet_at field_values
pde.solve: solve
pde.training: Patience linear_method
pde.unknowns: Scatter
plot.animation: animate
plot.curves: edge_curves effect_curves
plot.diagram: check_trace edge_functions mask_of network_diagram
plot.edge_texts:
plot.explain: share_bars share_dots
plot.fields: solution_figure
plot.formulas: formula_front
plot.four: Network four_networks
plot.guide: GuideLeaf guide_tree
plot.history: training_history
plot.layout: Layout Shown hidden_label
plot.maps: colour_bar cut_out draw_map filled number_axis outline_of with_unit
plot.orders: OrderCurve order_panels
plot.parity: confusion parity
plot.pde_panels: Course poisson_panels
plot.phases: phase_curves phase_errors
plot.pictures: quality_curves side_by_side
plot.slices: Slice chosen_times exact_values grid middle residuals_at slice_of
plot.stages: solution_history
report.standing:
tables.encode: TableEncoder
tables.header:
tables.inputs: CategoryInput NumberInput check_text known_numbers learn_input present
tables.parquet:
tables.read: read_table
tables.values: is_date number numbers quoted texts
train.approximate: ApproximateResult Phase approximate
train.auto: AutoResult auto_fit
train.batches: FullBatch LoaderBatches TensorBatches batches_of joined peek
train.block_problem: BlockProblem
train.blocks: LocalModel ResidualBlock
train.candidate: Candidate method_for
train.conjugate_gradient: conjugate_gradient
train.cross_entropy: CrossEntropyBlock softmax_factor
train.damped: ParameterSystem SampleSystem damping_scale
train.data: Data
train.default_method: default_method
train.door: check_kinds prepare
train.edge_blocks: EdgeBlocks
train.error_bars: ErrorBars
train.fit: fit
train.fit_report: FitReport StepRecord
train.folds: folds
train.gauge: MoveReport enclose move_hidden_domains_ normal_form
train.gcv: short_fit smooth_fit
train.geodesic:
train.grid: RefineReport adapt_domain_ data_domain refine
train.lbfgs: LBFGS has_curvature
train.levenberg_marquardt: LevenbergMarquardt LevenbergMarquardtRun
train.line_search: LineSearchRun Memory strong_wolfe
train.linearised: Linearised layer_rows linearise output_rows
train.matrix_free: MatrixFreeSystem forcing_term
train.network_rows: BlockRows NetworkRows has_segments is_chain
train.noise_free:
train.normal_equations: NormalEquations RowSource trainable_slots
train.objective: Evaluation Objective mean_over_processes state_tensors unwrapped
train.ordinal: OrdinalBlock OrdinalClassification
train.parameter_slots: ParameterSlots
train.penalty: Curvature Penalty Ridge Roughness Sparsity Sum Term edge_magnitudes
train.penalty_model: add_curvature_ penalty_curvature penalty_gradient
train.problem: Classification Problem Regression
train.progress: StepEvent
train.quasi_newton: SSBroyden scaling update_
train.search: Search
train.search_report: SearchReport Trial
train.starts: StartPlan best_start most_values shapes_for step_work
"""
# Packages that some modules need; without them their tests are left out.
NEEDS = {
    "advise": "sklearn",
    "baselines": "sklearn",
    "estimator": "sklearn",
    "plot": "matplotlib",
    "report": "matplotlib",
}
PLACES = [line.partition(":")[::2] for line in OLD.strip().splitlines()]


@pytest.mark.parametrize(("old", "names"), PLACES)
def test_an_old_module_warns_once_and_has_the_same_objects(old, names):
    for package in (NEEDS.get(old.partition(".")[0], "edgewise"), deprecations._new_places(old)[0].partition(".")[0]):
        pytest.importorskip(package)
    sys.modules.pop(f"edgewise.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"^edgewise.{old} is now edgewise") as caught:
        module = importlib.import_module(f"edgewise.{old}")
        importlib.import_module(f"edgewise.{old}")
    assert len(caught) == 1
    for name in names.split():
        now = {getattr(importlib.import_module(place), name, None) for place in deprecations._new_places(old)}
        assert getattr(module, name) in now - {None}
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_every_old_module_is_tested():
    assert [old for old, _ in PLACES] == list(deprecations.OLD_MODULES)


@pytest.mark.parametrize(
    ("old", "name"), [(old, name) for old, names in deprecations.RENAMED.items() for name in names]
)
def test_a_renamed_name_of_an_old_module_warns_with_the_new_name(old, name):
    pytest.importorskip(NEEDS.get(old.partition(".")[0], "edgewise"))
    sys.modules.pop(f"edgewise.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"^edgewise.{old} is now"):
        module = importlib.import_module(f"edgewise.{old}")
    new = deprecations.RENAMED[old][name]
    with pytest.warns(DeprecationWarning, match=rf"^edgewise.{old}.{name} is now edgewise.*\.{new}; "):
        value = getattr(module, name)
    assert value.__name__ == new


@pytest.mark.slow
def test_a_function_keeps_its_name_when_the_old_module_of_that_name_is_imported(tmp_path):
    program = """
import warnings
warnings.simplefilter("ignore")
import edgewise.train.fit, edgewise.interpret.prune, edgewise.pde.solve, edgewise.train.error_bars
from edgewise.train.fit import fit as old
from edgewise.train import fit
from edgewise.pde import solve
import edgewise
print(fit is old is edgewise.fit, edgewise.interpret.prune is edgewise.prune, solve.__name__,
      edgewise.train.error_bars.ErrorBars.__name__, edgewise.baselines.measures.__name__)
"""
    assert in_a_new_process(program, cwd=tmp_path).split() == ["True", "True", "solve", "ErrorBars", "measures"]


def test_an_old_module_of_the_experiments_names_its_package_where_that_is_missing(monkeypatch):
    monkeypatch.setattr(deprecations, "find_spec", lambda name: None)
    sys.modules.pop("edgewise.datasets.images", None)
    with pytest.raises(ModuleNotFoundError, match=r"edgewise_experiments\.data\.images, a package in the folder"):
        importlib.import_module("edgewise.datasets.images")


def test_the_finder_is_installed_once():
    deprecations.find_old_modules()
    assert sum(isinstance(finder, deprecations.OldModuleFinder) for finder in sys.meta_path) == 1
    assert edgewise.deprecations is deprecations
