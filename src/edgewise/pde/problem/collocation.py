"""Collocation: the residuals of a strong form at points, as a problem that every method of `fit` trains on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from edgewise.checks import check_count, check_kind, check_options, typed
from edgewise.errors import InputError
from edgewise.pde.domains.domain import Domain, finite_number
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.domains.sampling import HOW
from edgewise.pde.problem.conditions import FieldValues, check_weight
from edgewise.pde.problem.dry_run import Requirements
from edgewise.pde.problem.residuals import block_of, check_outputs
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm, known_solution, strong_form_of
from edgewise.train.blocks import BlockRole, Data, ResidualBlock, Unknowns
from edgewise.train.problems import BlockProblem


@dataclass(frozen=True)
class SamplingSettings:
    """Points of the residuals."""

    # Points on the boundary when their number is not given: a share of the points inside, and a least number; the
    # boundary has one dimension less, so that its points are denser than the others.
    boundary_share: int = 8
    least_boundary_points: int = 16
    seed_step: int = 101  # between the seeds of one condition and the next, so that their points differ


SAMPLING = SamplingSettings()


def points_with(x: Tensor, weight: Tensor | None = None, **auxiliary: Tensor) -> Data:
    """Collocation points x (N, n) with weights (N,) and auxiliary values by name; they have no targets."""
    return Data(x, x.new_zeros(len(x), 0), weight, auxiliary)


class SamplingOptions(TypedDict, total=False):
    """Keyword options of `PDE` for its points.

    Parameters
    ----------
    points : int
        Number of points inside the domain; 2,000 if left out.
    boundary_points : int or None
        Number of points on all pieces with conditions together; an eighth of `points` if left out.
    how : {"sobol", "uniform", "grid"}
        Kind of points, see `edgewise.pde.domains.sampling.unit_points`.
    seed : int
        Seed of the points.

    Examples
    --------
    >>> from edgewise.pde import PDE, Initial, Time
    >>> options: SamplingOptions = {"points": 50, "how": "grid"}
    >>> PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], **options).points
    50
    """

    points: int
    boundary_points: int | None
    how: Literal["sobol", "uniform", "grid"]
    seed: int


@dataclass(frozen=True, eq=False)
class Sampling:
    """Choice of the collocation points."""

    points: int = 2000  # see `SamplingOptions`
    boundary_points: int | None = None
    how: str = "sobol"
    seed: int = 0
    interior: Tensor | None = None  # points inside the domain, (N, n), to use instead of drawn ones
    mesh: Mesh | None = None  # source of all points, instead of all of the above but the seed

    def __post_init__(self) -> None:
        check_count(self.points, "points")
        if self.boundary_points is not None:
            check_count(self.boundary_points, "boundary_points")
        check_count(self.seed, "seed", 0)
        if self.how not in HOW:
            raise InputError(f"how must be one of {', '.join(HOW)}, got {self.how!r}")
        check_kind(self.interior, Tensor | None, "interior must be a tensor of shape (N, n)")
        check_kind(self.mesh, Mesh | None, "mesh must be a Mesh")

    def inside(self, domain: Domain) -> Data:
        """Points inside a domain."""
        if self.mesh is not None:
            return points_with(*self.mesh.interior())
        drawn = self.interior
        if drawn is None:
            drawn = domain.interior(self.points, self.how, self.seed)
        if drawn.ndim != 2 or drawn.shape[1] != domain.dimension:
            raise InputError(f"interior must have shape (N, {domain.dimension}), got {tuple(drawn.shape)}")
        return points_with(drawn.double())

    def on_boundary(self, domain: Domain, terms: Sequence[ResidualTerm]) -> list[Data]:
        """Points on the pieces of each of these conditions, in numbers that follow the measures of the pieces."""
        # Points in proportion to the measure of the pieces of each condition.
        surfaces = [term.surface or domain for term in terms]
        measures = [
            sum(piece.measure for piece in surface.named(term.pieces))
            for term, surface in zip(terms, surfaces, strict=True)
        ]
        total = self.boundary_points or max(self.points // SAMPLING.boundary_share, SAMPLING.least_boundary_points)
        data = []
        # Points with normals: of the mesh with its weights, or quasi-random ones.
        for number, (term, surface, measure) in enumerate(zip(terms, surfaces, measures, strict=True), 1):
            seed = self.seed + SAMPLING.seed_step * number
            if self.mesh is not None:
                x, normal, weight = replace(self.mesh, domain=surface).boundary(term.pieces, seed)
                data.append(points_with(x, weight, normal=normal))
            else:
                count = max(1, round(total * measure / sum(measures)))
                x, normal = surface.boundary(count, self.how, seed, term.pieces)
                data.append(points_with(x, normal=normal))
        return data


class Collocation(BlockProblem):
    """A strong form at collocation points: blocks of residuals for the equation, its conditions and observations.

    `fit` trains a network on it as on `Regression` and `Classification`. A `PDE` is one with the points of its
    constructor; `resampled` makes others.

    Parameters
    ----------
    form : StrongForm
        The equation on its domain with its conditions.
    sampling : Sampling
        Choice of the points.
    unknowns : mapping, optional
        Parameters, of shape (), of the unknown coefficients; fresh ones at their start values if left out.

    Examples
    --------
    >>> from edgewise import KAN, fit
    >>> from edgewise.train import LevenbergMarquardt
    >>> from edgewise.pde import PDE, Initial, Time
    >>> problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]).resampled(50, seed=1)
    >>> isinstance(problem, Collocation), [block.role.value for block in problem.blocks()]
    (True, ['equation', 'condition'])
    >>> network = KAN([1, 1], 5, 5, domain=(0, 1), dtype=torch.float64)
    >>> fit(network, problem, LevenbergMarquardt(), steps=20).loss < 1e-12
    True
    """

    def __init__(self, form: StrongForm, sampling: Sampling | None = None, unknowns: Unknowns | None = None):
        check_kind(form, StrongForm, "form must be a StrongForm, as that of a PDE")
        check_kind(sampling, Sampling | None, "sampling must be a Sampling")
        if unknowns is not None and set(unknowns) != set(form.coefficients):
            wanted = ", ".join(form.coefficients) or "no coefficient"
            raise InputError(f"unknowns must have a value for each of {wanted}, got {', '.join(unknowns) or 'none'}")
        self.form = form
        self.sampling = sampling or Sampling()
        # Unknown coefficients begin at the values of the statement.
        if unknowns is None:
            unknowns = {
                name: nn.Parameter(torch.tensor(value, dtype=torch.float64))
                for name, value in form.coefficients.items()
            }
        # Blocks of the equation, and of the conditions that do not hold by construction.
        soft = [term for term in form.condition_terms if not term.is_hard]
        blocks = [self.equation_block(self.sampling.inside(form.domain))]
        for number, (term, data) in enumerate(zip(soft, self.sampling.on_boundary(form.domain, soft), strict=True), 1):
            name = f"{term.label} {number} on {', '.join(term.pieces)}"
            blocks.append(block_of(name, form, term, data))
        # Blocks of measured values.
        nothing = (0,) * form.domain.dimension
        for number, observed in enumerate(form.observations, 1):
            values = Requirements(
                {name: frozenset([nothing]) for name in form.fields}, torch.ones(1, dtype=torch.float64)
            )
            term = ResidualTerm(BlockRole.OBSERVATION, "Observations", observed.residuals, values, observed.weight)
            data = points_with(observed.x.double(), measured=observed.values.double())
            blocks.append(block_of(f"Observations {number}", form, term, data))
        super().__init__(blocks, unknowns)

    @property
    def domain(self) -> Domain:
        """Domain of the equation."""
        return self.form.domain

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the network's outputs."""
        return self.form.fields

    @property
    def output_domains(self) -> list[Domain]:
        """The only domain, on which all outputs count, or, with interfaces, that of each output."""
        if self.form.parts is None:
            return [self.domain]
        return self.form.parts.domains(len(self.fields))

    @property
    def is_cut(self) -> bool:
        """True where the domain of an output is no box, so that it cuts through cells of a grid."""
        return self.form.parts is not None or not self.domain.is_box

    @property
    def sizes(self) -> Tensor:
        """Sizes of the equation's residuals, (r,), by which they are divided."""
        return self.form.equation_term.requirements.sizes

    @property
    def point_count(self) -> int:
        """Number of points of all blocks together."""
        return sum(len(block.data) for block in self.blocks())

    @property
    def points(self) -> int:
        """Number of points that were requested inside the domain."""
        return self.sampling.points

    @property
    def boundary_points(self) -> int | None:
        """Number of points that were requested on the boundary; None for the default share."""
        return self.sampling.boundary_points

    def resampled(
        self,
        points: int,
        boundary_points: int | None = None,
        *,
        how: str | None = None,
        seed: int | None = None,
        interior: Tensor | None = None,
        mesh: Mesh | None = None,
        own_unknowns: bool = False,
    ) -> Collocation:
        """The same problem, with the same unknown coefficients, at other points.

        Parameters
        ----------
        points, boundary_points, how, seed
            See `SamplingOptions`; `how` and `seed` stay as they are if left out.
        interior : Tensor, optional
            Points inside the domain, (N, n), to use instead of drawn ones.
        mesh : Mesh, optional
            Source of all points, instead of all of the above but the seed.
        own_unknowns : bool
            Whether the unknown coefficients are copies, to be trained apart, rather than the same parameters.
        """
        if seed is None:
            seed = self.sampling.seed
        sampling = Sampling(points, boundary_points, how or self.sampling.how, seed, interior, mesh)
        unknowns = self.unknowns
        if own_unknowns:
            unknowns = _copies(unknowns)
        return Collocation(self.form, sampling, unknowns)

    def with_unknowns(self, unknowns: Mapping[str, float | Tensor]) -> Collocation:
        """The same problem at the same points, with unknown coefficients of its own that start at these values.

        A coefficient whose parameter needs no gradient stays fixed.
        """
        return Collocation(self.form, self.sampling, _copies(unknowns))

    def with_weight(self, weight: float) -> Collocation:
        """The same problem at the same points, with another weight of the equation against the conditions."""
        check_weight(weight)
        form = replace(self.form, equation_term=replace(self.form.equation_term, weight=float(weight)))
        return Collocation(form, self.sampling, self.unknowns)

    def with_solution(self, solution: FieldValues) -> Collocation:
        """The same problem at the same points, with a known solution (see `PDE`), for errors only."""
        form = replace(self.form, solution=known_solution(solution, self.fields, self.domain))
        return Collocation(form, self.sampling, self.unknowns)

    def equation_block(self, data: Data) -> ResidualBlock:
        """The block of the equation at points of their own."""
        return block_of("equation", self.form, self.form.equation_term, data)

    def field_jet(self, jet: Tensor, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """Jet of the fields (C, b, fields) from that of the network (C, b, outputs).

        They are equal unless there are hard conditions or interfaces.
        """
        parts = self.form.parts
        if parts is not None:
            return parts.select(jet, parts.number(x)[:, None], len(self.fields))
        return self.form.hard.apply(jet, self.form.hard.jets(x, directions, order), order)

    def exact(self, x: Tensor) -> Tensor:
        """The known solution at points x (b, n): (b, fields)."""
        return self.form.exact(x)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """("relative_l2", relative error at the collocation points), where the solution is known; else None."""
        if not self.form.has_exact_solution:
            return None
        x = data.x.double()
        values = self.field_jet(prediction.double()[None], x, None, 0)[0]
        exact = self.exact(x)
        return "relative_l2", float((values - exact).norm() / exact.norm())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Raise an InputError unless a model has one output for each field."""
        check_outputs(prediction, self.fields, self.form.parts)

    def check_model(self, network: nn.Module) -> None:
        """Raise an InputError where the splines of a model are not smooth enough for the equation."""
        layers = getattr(network, "layers", ())
        degrees = [degree for layer in layers for degree in getattr(layer, "spline_degrees", ())]
        if degrees and self.form.order > min(degrees) - 1:
            raise InputError(
                f"the model's splines must have degree {self.form.order + 1} or more for an equation of order "
                f"{self.form.order}, got {min(degrees)}"
            )


def _copies(unknowns: Mapping[str, float | Tensor]) -> dict[str, nn.Parameter]:
    """New parameters that start at these values and are fixed where the given ones are."""
    check_kind(unknowns, Mapping, 'unknowns must be numbers by name, as {"k": 1.0}')
    copies = {}
    for name, value in unknowns.items():
        if isinstance(value, Tensor):
            is_fixed = isinstance(value, nn.Parameter) and not value.requires_grad
            copies[name] = nn.Parameter(value.detach().clone(), requires_grad=not is_fixed)
        else:
            start = finite_number(value, f"unknown {name}")
            copies[name] = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    return copies


@typed
class PDE(Collocation):
    """An ordinary or partial differential equation, or a system, on a domain with conditions.

    The equation is a function whose arguments are chosen by their names: the coordinates of the domain (or `points`,
    (b, n), for all of them) and the unknown coefficients; all other arguments are fields, in the order of the model's
    outputs. It returns the residual, which is zero for the solution, (b,), or several of these. It must be the same at
    every call, and at each point depend on the values there alone (and on integrals). An error that it raises reaches
    the caller with a note that names the equation or the condition.

    Each residual is divided by its size for a wave of height one and of one period along the domain. It is then
    measured in units of the field, and about as large as the error of the solution that it stands for.

    Parameters
    ----------
    equation : callable
        The equation, as `lambda u, x, y: u.xx + u.yy - f(x, y)`.
    domain : Domain
        Domain of the equation, as `Box(x=(-1, 1), y=(-1, 1))`.
    conditions : sequence
        `Dirichlet`, `Neumann`, `Robin`, `Initial`, `Periodic`, `Condition`, `Observations` and `UnknownField`. A face
        of a box where the equation is degenerate, as x u'' + u' = f or u'' + u' / x = f at x = 0, needs none.
    coefficients : mapping, optional
        Unknown numbers by name, and the values at which they start, as {"k": 1.0}; data must determine them.
    weight : float
        Weight of the equation against the conditions.
    solution : callable or mapping, optional
        Known solution, a function of the coordinates, or one for each field: for errors only.
    **sampling
        Choice of the collocation points for `fit`: `points`, `boundary_points`, `how` and `seed`, see
        `SamplingOptions`. `solve` chooses points of its own.

    Raises
    ------
    InputError
        Something is not as above, or a condition is missing.

    Examples
    --------
    The heat equation on a rod.

    >>> from edgewise.pde import Dirichlet, Initial, Interval, Time
    >>> conditions = [Dirichlet(0.0), Initial(lambda x: torch.sin(torch.pi * x))]
    >>> problem = PDE(lambda u: u.t - 0.1 * u.xx, Interval(0, 1) * Time(0, 1), conditions)
    >>> problem.fields, problem.form.order, problem.form.is_linear
    (('u',), 2, True)
    """

    def __init__(
        self,
        equation: Callable,
        domain: Domain,
        conditions: Sequence,
        *,
        coefficients: Mapping[str, float] | None = None,
        weight: float = 1.0,
        solution: FieldValues | None = None,
        **sampling: Unpack[SamplingOptions],
    ):
        check_options(PDE, sampling, SamplingOptions)
        chosen = Sampling(**sampling)
        form = strong_form_of(equation, domain, conditions, coefficients=coefficients, weight=weight, solution=solution)
        super().__init__(form, chosen)
