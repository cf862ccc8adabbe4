"""A differential equation with its conditions, as a problem that every method can train on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.ops.jet import multiply
from edgewise.pde.domains.domain import TIME, Domain
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.problem.conditions import Dirichlet, Observations, Periodic, by_field
from edgewise.pde.problem.evaluation import (
    NORMAL,
    POINTS,
    Probe,
    Scene,
    adds_up,
    argument_names,
    columns,
    probe,
    value_at,
)
from edgewise.pde.problem.fields import Field, Recorder, Stencil, function_jet, readers, stencil
from edgewise.train.problems.block_problem import BlockProblem
from edgewise.train.problems.blocks import ResidualBlock
from edgewise.train.problems.data import Data

PROBES = 64  # points of the dry run
INTERIOR = "equation"


@dataclass(frozen=True)
class Hard:
    """A condition that holds by construction: field = value + factor * network, factor 0 on these pieces."""

    value: float | Callable[..., Tensor]
    pieces: tuple[str, ...]


class PDE(BlockProblem):
    """An ordinary or partial differential equation, or a system, on a domain with conditions.

    The equation is a function whose arguments are told by their names: the coordinates of the domain (or `points`,
    (b, n), for all), the unknown coefficients, and all others are fields, in the order of the model's outputs:

        PDE(lambda u, x, y: u.xx + u.yy - f(x, y), Box(x=(-1, 1), y=(-1, 1)), [Dirichlet(0.0)])

    It returns what is to be zero, (b,), or several of these. Each residual is divided by its size for a wave of one
    period along the domain, so that all of them count about like errors of the solution; `weight` is on top of that.

    Args:
        equation: as above.
        domain: where it holds.
        conditions: `Dirichlet`, `Neumann`, `Robin`, `Initial`, `Periodic`, `Condition`, `Observations`.
        coefficients: of unknown numbers their names and where to start, as {"k": 1.0}; data must determine them.
        points: inside the domain. boundary_points: on all pieces with conditions together; points / 8 if left out.
        how: "sobol", "uniform" or "grid". seed: of the points.
        weight: of the equation against the conditions.
        solution: if it is known, a function of the coordinates, or one for each field: for errors only.

    Raises:
        InputError: something is not as above, or a condition is missing.
    """

    def __init__(
        self,
        equation: Callable,
        domain: Domain,
        conditions: Sequence,
        *,
        coefficients: Mapping[str, float] | None = None,
        points: int = 2000,
        boundary_points: int | None = None,
        how: str = "sobol",
        seed: int = 0,
        weight: float = 1.0,
        solution: Callable | Mapping[str, Callable] | None = None,
    ):
        if not isinstance(domain, Domain):
            raise InputError(f"domain must be a domain, as Box(x=(0, 1)), got {type(domain).__name__}")
        self.equation, self.domain, self.conditions = equation, domain, tuple(conditions)
        self.coefficients = {name: float(value) for name, value in (coefficients or {}).items()}
        self.fields = _field_names(equation, domain, self.coefficients)
        self.solution = None if solution is None else by_field(solution, self.fields)
        self.weight = float(weight)
        self.periodic = _periodic(domain, self.conditions)
        self.hard = _hard(domain, self.conditions, self.fields)
        self._probe = self._probed(self._equation, domain.interior(PROBES, "sobol", seed=11), None)
        _check_equation(self._probe, self.fields)
        self._on_pieces = self._probed_conditions()
        self._check_conditions()
        if self.has_integrals and self.hard:
            raise InputError(f"conditions must not be hard where there are integrals, got {', '.join(self.hard)}")
        unknowns = {
            name: nn.Parameter(torch.tensor(value, dtype=torch.float64)) for name, value in self.coefficients.items()
        }
        self.points, self.boundary_points, self.how, self.seed = points, boundary_points, how, seed
        super().__init__(self._sampled(points, boundary_points, how, seed), unknowns)

    @property
    def order(self) -> int:
        """The order of the highest derivative, in the equation or in a condition."""
        found = [self._probe, *(seen for _, _, seen in self._on_pieces)]
        axes = range(self.domain.dimension)
        return max(each.order(field, axes) for each in found for field in self.fields)

    @property
    def has_integrals(self) -> bool:
        """Whether the equation or a condition has integrals of fields."""
        return any(seen.integrated for seen in [self._probe, *(seen for _, _, seen in self._on_pieces)])

    @property
    def sizes(self) -> Tensor:
        """Of the equation's residuals, (r,): what each is divided by."""
        return self._probe.sizes

    @property
    def is_linear(self) -> bool:
        """Whether the equation and all conditions are linear in the fields."""
        parts = [(self._equation, self.domain.interior(PROBES, "sobol", seed=11), None)]
        for condition, pieces, _ in self._on_pieces:
            parts.append((condition.residuals, *self.domain.boundary(PROBES, "sobol", 12, pieces)))
        return all(
            adds_up(residuals, self.fields, self.domain.coordinates, x, self.coefficients, normal)
            for residuals, x, normal in parts
        )

    def resampled(
        self,
        points: int,
        boundary_points: int | None = None,
        *,
        how: str | None = None,
        seed: int | None = None,
        interior: Tensor | None = None,
        mesh: Mesh | None = None,
    ) -> "PDE":
        """The same problem, with the same unknowns, at other points.

        interior: points to take inside the domain, (N, n), instead of drawing them. mesh: takes all its points instead.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.points, twin.boundary_points = points, boundary_points
        twin.how, twin.seed = how or self.how, self.seed if seed is None else seed
        blocks = twin._sampled(points, boundary_points, twin.how, twin.seed, interior, mesh)
        BlockProblem.__init__(twin, blocks, self.unknowns)
        return twin

    def with_own_unknowns(self, other: "PDE") -> "PDE":
        """`other` with copies of the unknowns of this problem, to be trained apart."""
        twin = object.__new__(type(other))
        twin.__dict__.update(other.__dict__)
        twin.unknowns = {
            name: nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)
            for name, value in self.unknowns.items()
        }
        return twin

    def field_jet(self, jet: Tensor, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """The fields' jet from the network's (C, b, out): the same but for hard conditions."""
        return _lifted(jet, self._lift_columns(x, directions, order), order, self._hard_slots)

    def exact(self, x: Tensor) -> Tensor:
        """The known solution at x (b, n): (b, fields)."""
        if self.solution is None or set(self.solution) != set(self.fields):
            raise InputError("solution must be given for every field to know errors")
        values = [value_at(self.solution[name], self.domain.coordinates, x, "solution") for name in self.fields]
        return torch.stack(values, 1)

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """("relative_l2", of the error at the problem's points), where the solution is known."""
        if self.solution is None or set(self.solution) != set(self.fields):
            return None
        x = data.x.double()
        found, exact = self.field_jet(prediction.double()[None], x, None, 0)[0], self.exact(x)
        return "relative_l2", float((found - exact).norm() / exact.norm())

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        if prediction.shape[-1] != len(self.fields):
            raise InputError(
                f"the model must have {len(self.fields)} outputs, for {', '.join(self.fields)}, "
                f"got {prediction.shape[-1]}"
            )

    def check_model(self, network: nn.Module) -> None:
        degrees = [layer.degree for layer in getattr(network, "layers", ()) if hasattr(layer, "degree")]
        if degrees and self.order > min(degrees) - 1:
            raise InputError(
                f"the model's splines must have degree {self.order + 1} or more for an equation of order {self.order}, "
                f"got {min(degrees)}"
            )

    def _equation(self, scene: Scene) -> list[Tensor]:
        return columns(scene.call(self.equation, "equation"), len(scene.x), "equation")

    def _probed(self, residuals, x: Tensor, normal: Tensor | None) -> Probe:
        domain = self.domain
        return probe(residuals, self.fields, domain.coordinates, domain.size, x, self.coefficients, normal)

    def _probed_conditions(self) -> list[tuple[object, tuple[str, ...], Probe]]:
        found = []
        for condition in self.conditions:
            if isinstance(condition, Periodic | Observations):
                continue
            if not callable(getattr(condition, "residuals", None)):
                raise InputError(f"conditions must be Dirichlet, Neumann ..., got {type(condition).__name__}")
            pieces = condition.pieces(self.domain)
            x, normal = self.domain.boundary(PROBES, "sobol", 12, pieces)
            seen = self._probed(condition.residuals, x, normal)
            if not bool((seen.sizes > 0).all() & seen.sizes.isfinite().all()):
                raise InputError(f"a condition on {', '.join(pieces)} must depend on the solution and be finite")
            found.append((condition, pieces, seen))
        return found

    def _check_conditions(self) -> None:
        """Enough conditions on every piece of the boundary for each field, and at the start."""
        space = [axis for axis, name in enumerate(self.domain.coordinates) if name != TIME]
        moments = [piece.name for piece in self.domain.pieces if piece.name not in self.domain.boundary_names]
        measured = any(isinstance(condition, Observations) for condition in self.conditions)
        for field in () if measured else self.fields:
            in_time = self._probe.order(field, [a for a in range(self.domain.dimension) if a not in space])
            held = sum(self._held(seen, field) for _, pieces, seen in self._on_pieces if set(pieces) & set(moments))
            if held < in_time:
                raise InputError(
                    f"conditions at the start must give {field} and its derivatives below order {in_time}, got {held} "
                    f"of {in_time}: add Initial(value{', rate' if in_time > 1 else ''})"
                )
            needed = self._probe.order(field, space) // 2
            for piece in self.domain.named(self.domain.boundary_names) if needed else ():
                held = sum(self._held(seen, field) for _, pieces, seen in self._on_pieces if piece.name in pieces)
                if held < needed and piece.name.split("=")[0] not in self.periodic:
                    raise InputError(
                        f"conditions on {piece.name!r} must be {needed} for {field}, for an equation of order "
                        f"{self._probe.order(field, space)} in space, got {held}: add Dirichlet(..., on={piece.name!r})"
                    )

    @staticmethod
    def _held(seen: Probe, field: str) -> int:
        """How many of a condition's residuals speak of the field, at most."""
        return len(seen.sizes) if seen.indices[field] else 0

    def _sampled(self, points, boundary_points, how, seed, interior=None, mesh=None) -> list[ResidualBlock]:
        x, share = (interior, None) if mesh is None else mesh.interior()
        x = self.domain.interior(points, how, seed) if x is None else x
        blocks = [self._block(INTERIOR, self._equation, self._probe, Data(x, x[:, :0], share), self.weight)]
        soft = [entry for entry in self._on_pieces if not getattr(entry[0], "hard", False)]
        measures = [sum(piece.measure for piece in self.domain.named(pieces)) for _, pieces, _ in soft]
        total = boundary_points or max(points // 8, 16)
        for number, ((condition, pieces, seen), measure) in enumerate(zip(soft, measures, strict=True)):
            count, its_seed = max(1, round(total * measure / sum(measures))), seed + 101 * (number + 1)
            if mesh is None:
                at = Data(*self.domain.boundary(count, how, its_seed, pieces))
            else:
                at = Data(*mesh.boundary(pieces, its_seed))
            name = f"{type(condition).__name__} {number + 1} on {', '.join(pieces)}"
            blocks.append(self._block(name, condition.residuals, seen, at, condition.weight))
        measured = [condition for condition in self.conditions if isinstance(condition, Observations)]
        blocks += [self._measured(f"Observations {number}", each) for number, each in enumerate(measured, 1)]
        return blocks

    def _block(self, name: str, residuals, seen: Probe, at: Data, weight: float) -> ResidualBlock:
        """at: points, normals (b, n) or (b, 0) inside, and weights."""
        plan = stencil(set().union(*seen.indices.values()), self.domain.dimension)
        y = torch.cat([at.y, self._lift_columns(at.x, plan.directions, plan.order)], 1)
        call = _Residuals(self, residuals, plan, seen.sizes, at.y.shape[1])
        places = partial(self._places, residuals) if seen.integrated else None
        return ResidualBlock(name, Data(at.x, y, at.weight), call, weight, plan.directions, plan.order, places)

    def _places(self, residuals, x: Tensor) -> Tensor:
        """Where else residuals at x (b, n) need the fields, (b, q, n)."""
        recorder = Recorder(x)
        field = Field(lambda index: x.new_zeros(len(x)), self.domain.coordinates, recorder)
        numbers = {name: x.new_full((len(x),), value) for name, value in self.coefficients.items()}
        fields = dict.fromkeys(self.fields, field)
        residuals(Scene(self.domain.coordinates, x, fields, numbers, torch.zeros_like(x)))
        return recorder.places

    def _measured(self, name: str, observed: Observations) -> ResidualBlock:
        if observed.x.shape[1] != self.domain.dimension:
            raise InputError(
                f"observations must have x of shape (N, {self.domain.dimension}), got {tuple(observed.x.shape)}"
            )
        if (observed.field is None and len(self.fields) > 1) or observed.field not in (None, *self.fields):
            raise InputError(f"observations must name a field of {', '.join(self.fields)}, got {observed.field!r}")
        slot = self.fields.index(observed.field or self.fields[0])
        x, plan = observed.x.double(), stencil([(0,) * self.domain.dimension], self.domain.dimension)
        y = torch.cat([observed.values.double()[:, None], self._lift_columns(x, None, 0)], 1)

        def misfit(scene: Scene) -> list[Tensor]:
            return [scene.fields[self.fields[slot]] - scene.normal[:, 0]]

        call = _Residuals(self, misfit, plan, torch.ones(1, dtype=torch.float64), 1)
        return ResidualBlock(name, Data(x, y), call, observed.weight, None, 0)

    @property
    def _hard_slots(self) -> tuple[int, ...]:
        return tuple(slot for slot, name in enumerate(self.fields) if name in self.hard)

    def _lift_columns(self, x: Tensor, directions: Tensor | None, order: int) -> Tensor:
        """Jets of the factor and the value of every field with a hard condition, side by side: (b, fields * 2 * C)."""
        parts = []
        for name in self.fields:
            if name in self.hard:
                hard = self.hard[name]

                def both(x: Tensor, hard: Hard = hard) -> Tensor:
                    value = value_at(hard.value, self.domain.coordinates, x, "value")
                    return torch.stack([self.domain.factor(x, hard.pieces), value], 1)

                parts.append(function_jet(both, x, directions, order).permute(1, 2, 0).flatten(1))
        return torch.cat(parts, 1) if parts else x.new_zeros(len(x), 0)


@dataclass(frozen=True, eq=False)
class _Residuals:
    """The residuals of a block: jet and data to (b, r), each divided by its size."""

    problem: PDE
    function: Callable[[Scene], list[Tensor]]
    plan: Stencil
    sizes: Tensor
    normals: int  # columns of y that hold the normal

    def __call__(self, jet: Tensor, part: Data, unknowns: Mapping[str, Tensor] | None = None) -> Tensor:
        problem = self.problem
        problem.check_prediction(jet, part)
        own, placed = jet[: self.plan.components], jet[self.plan.components :]
        own = _lifted(own, part.y[:, self.normals :], self.plan.order, problem._hard_slots)
        each = self.plan.fields(own, problem.domain.coordinates, readers(placed))
        fields: dict[str, Field] = dict(zip(problem.fields, each, strict=True))
        normal = part.y[:, : self.normals] if self.normals else None
        scene = Scene(problem.domain.coordinates, part.x, fields, unknowns or {}, normal)
        return torch.stack(self.function(scene), 1) / self.sizes.to(part.x.dtype)


def _lifted(jet: Tensor, columns_: Tensor, order: int, slots: Sequence[int]) -> Tensor:
    """value + factor * network in the slots of fields with a hard condition, on jets."""
    if not slots:
        return jet
    lifts = columns_.unflatten(1, (len(slots), 2, len(jet))).permute(1, 2, 3, 0)  # (fields, 2, C, b)
    outputs = list(jet.unbind(2))
    for slot, (factor, value) in zip(slots, lifts, strict=True):
        product = multiply(factor[..., None], outputs[slot][..., None], order)
        outputs[slot] = product[..., 0] + value
    return torch.stack(outputs, 2)


def _field_names(equation: Callable, domain: Domain, coefficients: Mapping[str, float]) -> tuple[str, ...]:
    taken = {*domain.coordinates, *coefficients, POINTS, NORMAL}
    fields = tuple(name for name in argument_names(equation, "equation") if name not in taken)
    clash = set(coefficients) & {*domain.coordinates, POINTS, NORMAL}
    if clash:
        raise InputError(f"coefficients must not be named like coordinates, got {sorted(clash)[0]!r}")
    if not fields:
        raise InputError(
            f"equation must take a field besides {', '.join(sorted(taken - {POINTS, NORMAL}))}, as lambda u, x: ..."
        )
    return fields


def _periodic(domain: Domain, conditions: Sequence) -> tuple[str, ...]:
    names = tuple(name for c in conditions if isinstance(c, Periodic) for name in c.coordinates)
    unknown = [name for name in names if name not in domain.coordinates]
    if unknown:
        raise InputError(f"Periodic must name coordinates among {', '.join(domain.coordinates)}, got {unknown[0]!r}")
    return names


def _hard(domain: Domain, conditions: Sequence, fields: Sequence[str]) -> dict[str, Hard]:
    found: dict[str, Hard] = {}
    for condition in conditions:
        if isinstance(condition, Dirichlet) and condition.hard:
            pieces = condition.pieces(domain)
            domain.factor(domain.interior(1), pieces)  # raises where the domain has none
            for name, value in by_field(condition.value, fields).items():
                if name in found:
                    raise InputError(f"hard conditions must be one for each field, got two for {name}")
                found[name] = Hard(value, pieces)
    return found


def _check_equation(seen: Probe, fields: Sequence[str]) -> None:
    for name in fields:
        if not seen.indices[name] and name not in seen.integrated:
            raise InputError(f"equation must use every field that it takes, got {name} unused")
    if not bool(seen.sizes.isfinite().all()):
        raise InputError("equation must be finite for a smooth solution, got nan or infinity")
    if not bool((seen.sizes > 0).all()):
        raise InputError("equation must return residuals that all depend on the solution")
