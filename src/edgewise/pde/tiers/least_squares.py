"""Least squares in the plane without a grid for collocation: even splines of high degree and singular functions.

The solution is a sum of products of splines, which are smooth on the box around the domain, and, for one field and the
Laplacian, of the functions that are singular at its corners and in its holes. A few hundred of both have the digits for
which splines alone need many thousands; on smooth domains splines are enough.

Measured rows in the plane on domains that are no boxes need it, as four holes (Poisson2d-C), an annulus and a corner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import check_time, foreseen
from edgewise.pde.algebra.dense import LeastSquares
from edgewise.pde.algebra.newton import NEWTON, Advance, newton
from edgewise.pde.algebra.system import Solver
from edgewise.pde.domains.domain import Domain, Piece
from edgewise.pde.domains.mesh import MESH, Mesh
from edgewise.pde.domains.sampling import gauss_legendre
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.collocation import Collocation, points_with
from edgewise.pde.problem.linearisation import linearise, zero_jet
from edgewise.pde.problem.singular import Corner, SingularFunctions, Terms, corners_of, holes_of
from edgewise.pde.spaces.networks import EnrichedNetwork, TensorNetwork
from edgewise.pde.tiers.level import Level
from edgewise.train.blocks import BlockRole, ResidualBlock


@dataclass(frozen=True)
class EvenSettings:
    """Even grids of splines, and singular functions beside them."""

    # Degree of the splines: without their singular parts solutions are smooth, and the highest degree needs the fewest
    # coefficients.
    degree: int = 11
    # Of each level the intervals of each coordinate, the largest exponent at corners, and that around holes: the first
    # takes a fraction of a second, and each gains about a digit.
    levels: tuple[tuple[int, int, int], ...] = (
        (3, 6, 8),
        (4, 7, 12),
        (6, 8, 16),
        (8, 9, 20),
        (11, 10, 24),
        (15, 10, 28),
        (20, 10, 32),
        (26, 10, 36),
    )
    most_functions: int = 2000  # of the last level: their rows are factorised within ten seconds
    # Loss above which a level is far from the solution, and intervals from which on even grids without singular
    # functions end there: at smooth solutions it is 1e-14, and at narrow peaks graded grids do better, which follow.
    far_loss: float = 1e-8
    enough_intervals: int = 6
    # Points on the boundary, for the box of the splines, and its margin relative to the domain.
    extent_points: int = 1024
    extent_margin: float = 0.01
    oversampling: float = 2.0  # points for each spline along a coordinate
    # Share of the largest norm of a spline's rows that is the least one: splines that hardly reach into the domain keep
    # small coefficients; results are the same from 0.001 to 1.
    least_norm: float = 0.1
    # Ridge beside columns of norm 1: far below what determines a solution, and so far above rounding that coefficients
    # of functions that nearly depend on each other do not lose all digits.
    ridge: float = 1e-13
    steps: int = 12  # of Newton's method
    worthwhile: float = 0.5  # factor of the loss below which a step is followed by another
    # Points at which it is looked at which kind an equation is, and the largest asymmetry, in units of its
    # coefficients, that is rounding; an exponent that is closer to a whole number is one.
    kind_probes: int = 64
    rounded: float = 1e-9
    # Mirror images of holes behind straight pieces: how far from the box, in units of its shorter side, the smooth part
    # feels them, and their largest exponent relative to that of holes.
    image_reach: float = 0.3
    image_share: float = 0.5
    hole_polynomial: int = 4  # polynomials of a smaller degree are factors of functions around holes
    # Distances from a corner relative to the domain: where values on both pieces are compared, as close as rounding
    # allows; and up to where points have no finite derivatives, far above rounding.
    beside_corner: float = 1e-14
    off_corner: float = 1e-6


SETTINGS = EvenSettings()


@dataclass(frozen=True)
class Operator:
    """Kind of a linear equation whose leading part is a function times the Laplacian."""

    # the number c if the equation is, but for this function, laplacian u + c u = f; None where it is another one
    square: float | None

    @property
    def is_plain(self) -> bool:
        """True if the equation has no lower terms."""
        return self.square == 0


def operator_of(problem: Collocation) -> Operator | None:
    """The kind of a problem's equation, or None if its leading part is not the Laplacian."""
    form = problem.form
    term = form.equation_term
    if term.requirements.order(form.fields[0], (0, 1)) != 2 or len(term.requirements.sizes) != 1:
        return None
    x = problem.domain.interior(SETTINGS.kind_probes, "sobol", 7)
    jacobian = linearise(form, term, x, None, zero_jet(term, x))[1]

    def by(*index: int) -> Tensor:
        return jacobian.get((0, 0, index), torch.zeros_like(x[:, 0]))

    # The leading part: a multiple of the Laplacian, without mixed derivatives.
    size = (by(2, 0) + by(0, 2)) / 2
    rest = torch.stack([by(2, 0) - size, by(0, 2) - size, by(1, 1) / 2])
    if not float(size.abs().min()) > SETTINGS.rounded or not float((rest / size).abs().max()) < SETTINGS.rounded:
        return None
    # Lower terms: the constant of Helmholtz's equation, or coefficients that vary.
    level = by(0, 0) / size
    slope = torch.stack([by(1, 0), by(0, 1)]) / size
    spread = float(level.max() - level.min())
    if (
        not problem.form.is_linear
        or float(slope.abs().max()) > SETTINGS.rounded
        or spread > SETTINGS.rounded * float(level.abs().max())
    ):
        return Operator(None)
    if float(level.abs().max()) > SETTINGS.rounded:
        return Operator(float(level.mean()))
    return Operator(0.0)


def singular_functions(problem: Collocation, operator: Operator, most: float, around: int) -> list[SingularFunctions]:
    """Singular functions of a problem, with exponents up to `most` at corners and `around` around holes.

    None where there are none of both, or where functions at a reentrant corner would jump in the domain.
    """
    domain = problem.domain
    # The condition on each piece of the boundary.
    conditions = dict[str, ResidualBlock]()
    terms = (term for term in problem.form.condition_terms if not term.is_hard)
    for block, term in zip(problem.with_role(BlockRole.CONDITION), terms, strict=True):
        conditions.update(dict.fromkeys(term.pieces, block))
    found = []
    # Kondratiev's functions of corners, whose branch cuts lie outside the domain; a reentrant corner without room for a
    # cut ends the search.
    for corner in corners_of(domain):
        both = [conditions[piece] for piece in corner.pieces if piece in conditions]
        if corner.cut is None and corner.opening > math.pi * (1 + SETTINGS.rounded):
            return []
        if corner.cut is not None and len(both) == 2:
            found += _at_corner(corner, corner.cut, both, operator, most, float(domain.size.norm()))
    # Fundamental solutions in holes and in their mirror images.
    for center, radius in holes_of(domain):
        found += _around_hole(center, radius, operator, around)
        if operator.square is not None:
            for image in _images(domain, center):
                found += _around_hole(image, radius, operator, math.ceil(SETTINGS.image_share * around))
    return found


def _at_corner(
    corner: Corner, cut: float, conditions: list[ResidualBlock], operator: Operator, most: float, reach: float
) -> list[SingularFunctions]:
    """Powers at a corner, and powers times the logarithm where exponents are whole.

    A Laplacian without lower terms needs functions that fulfil homogeneous conditions on both pieces, one with a
    constant times the field also their products with powers of the radius squared, and others the products with all
    polynomials.
    """
    on_values = [block.order == 0 for block in conditions]
    half = 0.5 * (on_values[0] != on_values[1])
    count = math.ceil(most * corner.opening / math.pi + half)
    exponents = [(k - half) * math.pi / corner.opening for k in range(1, count + 1)]
    is_whole = [abs(each - round(each)) < SETTINGS.rounded for each in exponents]
    # Powers where exponents are not whole, and products with the logarithm where they are.
    found = []
    for kind, wanted in (("1", False), ("log z", True)):
        first = [a for a, whole in zip(exponents, is_whole, strict=True) if a < most and whole is wanted]
        if operator.square is not None:
            if operator.square:
                pairs = [(a, q) for a in first for q in range(math.ceil((most - a) / 2))]
            else:
                pairs = [(a, 0) for a in first]
            terms: Terms = tuple((a + q, q, on_values[0]) for a, q in pairs)
            if wanted and all(on_values):
                values = []
                for angle, block in zip((corner.start, corner.start + corner.opening), conditions, strict=True):
                    along = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
                    x = corner.point + SETTINGS.beside_corner * reach * along
                    model = block.local_model(x.new_zeros(1, 1, 1), points_with(x), {})
                    assert model.residuals is not None
                    values.append(float(-model.residuals[0] / model.rows[0].sum()))
                if not abs(values[0] - values[1]) <= SETTINGS.rounded * max(map(abs, values)):
                    terms = ((0.0, 0, True), *terms)  # the angle, where values jump
        else:
            every = sorted({(round(a + p, 9), q) for a in first for p in range(int(most)) for q in range(int(most))})
            chosen = [(a, q) for a, q in every if a + q < most]
            terms = tuple((a, q, imaginary) for a, q in chosen for imaginary in (True, False))
        if terms:
            found.append(SingularFunctions(corner.point, corner.start, cut, reach, kind, terms))
    return found


def _around_hole(center: Tensor, radius: float, operator: Operator, most: int) -> list[SingularFunctions]:
    """Solutions of the homogeneous equation around a point; of Laplace's where the coefficients are not constant."""
    place = (center, 0.0, -math.pi, radius)
    both = [(float(k), imaginary) for k in range(1, most + 1) for imaginary in (False, True)]
    # Helmholtz: Bessel functions of the second kind, modified ones for a negative square.
    if operator.square:
        terms: Terms = ((0.0, 0, False), *((k, 0, imaginary) for k, imaginary in both))
        kind = "Y"  # the Bessel function that is singular at zero
        if operator.square < 0:
            kind = "K"
        return [SingularFunctions(*place, kind, terms, True, math.sqrt(abs(operator.square)))]
    # Laplace: negative powers of z and the logarithm.
    if operator.is_plain:
        powers: Terms = tuple((-k, 0, imaginary) for k, imaginary in both)
        logs: Terms = ((0.0, 0, False),)
    else:  # with polynomials of a low degree, as at corners
        degrees = [(p, q) for p in range(SETTINGS.hole_polynomial) for q in range(SETTINGS.hole_polynomial - p)]
        every = sorted({(p - k, q) for k, _ in both for p, q in degrees if p < k or q})
        powers = tuple((a, q, imaginary) for a, q in every if a < 0 for imaginary in (False, True))
        logs = tuple((float(p), q, i) for p, q in degrees for i in (False, True) if p or q or not i)
    return [
        SingularFunctions(*place, "1", powers, is_hole=True),
        SingularFunctions(*place, "log |z|", logs, is_hole=True),
    ]


def _images(domain: Domain, center: Tensor) -> list[Tensor]:
    """Mirror images of the centre of a hole behind straight pieces of the boundary, and of these images, if near.

    By the principle of reflection solutions go on beyond straight pieces with constant data, up to there.
    """
    share = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    # Straight pieces of the boundary: the middle of a piece lies halfway between its ends.
    lines = [piece.path(share) for piece in domain.pieces if piece.path is not None and piece.is_whole_curve]
    straight = [(x[0], normal[0]) for x, normal in lines if float((x[0] - 2 * x[1] + x[2]).norm()) < SETTINGS.rounded]
    near = SETTINGS.image_reach * float(domain.size.min())
    found = list[Tensor]()
    last = [center]
    # Reflections of the centre, then of these images; only ones outside the domain and near it.
    for _ in range(2):
        mirrored = list[Tensor]()
        for each in last:
            for start, normal in straight:
                image = each - 2 * ((each - start) @ normal) * normal
                beyond = float(torch.maximum(domain.bounds[:, 0] - image, image - domain.bounds[:, 1]).max())
                is_new = all(float((image - other).norm()) > SETTINGS.rounded for other in (*found, *mirrored))
                if 0 < beyond < near and is_new:
                    mirrored.append(image)
        found = found + mirrored
        last = mirrored
    return found


@dataclass(frozen=True, eq=False)
class _FineMesh(Mesh):
    """A mesh with equal stretches of each curve, of four points each, and no points near some places."""

    stretches: int = 1
    without: tuple[Tensor, ...] = ()

    def interior(self) -> tuple[Tensor, Tensor]:
        x, weights = super().interior()
        away = torch.ones(len(x), dtype=torch.bool)
        for place in self.without:
            away &= (x - place).norm(dim=1) > SETTINGS.off_corner * float(self.domain.size.norm())
        return x[away], weights[away]

    def _on_piece(self, piece: Piece, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        if piece.path is None or not piece.is_whole_curve:
            return super()._on_piece(piece, seed)
        nodes, shares = gauss_legendre(MESH.face_points, 0.0, 1.0, self.stretches)
        x, normal = piece.path(nodes)
        return x, normal, piece.measure * shares


def even_grid_levels(
    problem: Collocation, begin: Callable[[Tensor], Tensor] | None = None
) -> Generator[Level, None, bool]:
    """Solve with ever more functions, and return whether they remain far from the solution.

    There is no level where a domain needs singular functions that are not known.

    Newton's method begins with the fields (N, fields) that `begin` gives at points (N, 2), and then with those of the
    level before; for equations of first order, whose slopes may vanish at zero, with the function that bends least.
    """
    # Which singular functions the corners and holes of the domain need, and whether they are known.
    domain = problem.domain
    corners = corners_of(domain)
    holes = holes_of(domain)
    places = tuple(corner.point for corner in corners)
    is_enriched = bool(corners or holes) and len(problem.fields) == 1 and problem.form.order == 2
    operator: Operator | None = None
    if is_enriched:
        operator = operator_of(problem)
    is_reentrant = any(corner.opening > math.pi * (1 + SETTINGS.rounded) for corner in corners)
    is_first_order = problem.form.order == 1 and not problem.form.is_linear
    # What boxes have no grids for is left to graded ones, but for equations of first order with data all around.
    needs_functions = is_reentrant or (domain.is_box and not is_first_order)
    loss = 0.0
    ends = _extent(domain)

    def lines_of(intervals: int) -> list[Tensor]:
        return [torch.linspace(low, high, intervals + 1, dtype=torch.float64) for low, high in ends]

    for intervals, most, around in SETTINGS.levels:
        check_time()
        # Functions of this level, as far as the work allows.
        if operator is None:
            functions = []
        else:
            functions = singular_functions(problem, operator, most, around)
        count = sum(len(each.terms) for each in functions)
        products = (intervals + SETTINGS.degree) ** 2
        if (needs_functions and not count) or count + products * problem.form.outputs > SETTINGS.most_functions:
            break
        # Splines and singular functions, and more points than both.
        layer = TensorLayer(lines_of(intervals), problem.form.outputs, degree=SETTINGS.degree, clamped=True)
        network = TensorNetwork(layer)
        if functions:
            network = EnrichedNetwork(layer, functions, torch.zeros(count, dtype=torch.float64))
        cells = math.ceil(SETTINGS.oversampling * (intervals + SETTINGS.degree) / 3)
        mesh = _FineMesh(domain, lines_of(cells), stretches=2 * max(cells, around), without=places)
        sampled = problem.resampled(1, mesh=mesh)
        # Newton's method from the level before.
        if begin is not None and not problem.form.is_linear:
            x = mesh.interior()[0]
            network.approach_(x, begin(x))
        elif is_first_order:
            _bend_least(network, sampled, mesh.interior()[0])
        loss, work = _minimised(network, sampled)
        begin = network
        yield Level(network=network, loss=loss, points=sampled.point_count, work=work, is_enriched=bool(functions))
        if loss > SETTINGS.far_loss and not count and intervals >= SETTINGS.enough_intervals:
            break
    return loss > SETTINGS.far_loss


def _bend_least(network: TensorNetwork, problem: Collocation, x: Tensor) -> None:
    """Give splines the coefficients of the function that bends least at x (N, 2) among those with the conditions.

    These are linearised at the coefficients that the splines have.
    """
    layer = network.tensor_layer
    conditions = problem.with_role(BlockRole.CONDITION)
    if not conditions:
        return
    fields = problem.form.outputs
    # Second derivatives at all points, of all fields, with a small weight.
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=x.dtype) * problem.domain.size
    sensitivities = []
    for slot in range(fields):
        for component in (2, 4, 6):  # of the jet: value, and two derivatives along each direction
            sensitivity = x.new_zeros(7, len(x), fields)
            sensitivity[component, :, slot] = NEWTON.bending / math.sqrt(len(x))
            sensitivities.append(sensitivity)
    rows = [_rows(network, conditions), *network.jacobian(x, directions, 2, sensitivities)]
    # The least squares of both, by singular values: conditions alone may not determine all coefficients.
    matrix = torch.cat(rows)
    residuals = _residuals(network, conditions)
    target = torch.cat([-residuals, residuals.new_zeros(len(matrix) - len(residuals))])
    step = torch.linalg.lstsq(matrix, target[:, None], driver="gelsd").solution
    with torch.no_grad():
        layer.coef.add_(step.reshape(layer.coef.shape))


def _extent(domain: Domain) -> list[list[float]]:
    """Ends of each coordinate of a box hardly wider than the domain, for splines outside of it lose digits."""
    x, _ = domain.boundary(SETTINGS.extent_points)
    margin = SETTINGS.extent_margin * domain.size
    low = torch.maximum(x.amin(0) - margin, domain.bounds[:, 0])
    high = torch.minimum(x.amax(0) + margin, domain.bounds[:, 1])
    return torch.stack([low, high], 1).tolist()


def _minimised(network: TensorNetwork, problem: Collocation) -> tuple[float, float]:
    """Gauss-Newton steps in place while the loss falls, by QR of the rows of all functions: least loss, and work."""
    # Coefficients and factors as one vector.
    parameters = network.unknowns()
    sizes = [each.numel() for each in parameters]
    count = sum(sizes)
    work = 0.0

    def residual_at(point: np.ndarray) -> np.ndarray:
        """Residuals of coefficients and factors (P,), which the network gets."""
        with torch.no_grad():
            for parameter, part in zip(parameters, torch.from_numpy(point).split(sizes), strict=True):
                parameter.copy_(part.reshape(parameter.shape))
        return _residuals(network, problem.blocks()).numpy()

    @np.errstate(over="ignore")  # an infinite loss is worse than any other
    def loss_of(values: np.ndarray) -> float:
        return float(np.sum(values**2))

    # Sum of squares at the start.
    start = torch.cat([each.detach().flatten() for each in parameters]).numpy()
    residual = residual_at(start)
    least = loss_of(residual)
    if not math.isfinite(least):
        return math.inf, work

    def factorised(point: np.ndarray) -> Solver:
        """Solver of the least squares of the rows at a point."""
        nonlocal work
        product = 2.0 * (len(residual) + count) * count**2
        with foreseen("rows and their QR factors", product):
            rows = _rows(network, problem.blocks())
            factors = LeastSquares(rows, sizes, SETTINGS.ridge, SETTINGS.least_norm)
        work += product
        return lambda values: factors.solve(torch.from_numpy(values)).numpy()

    def descending(point: np.ndarray, step: np.ndarray, solver: Solver) -> Advance:
        """Full steps, until one gains less than a factor; the rows of a linear problem are the same everywhere."""
        nonlocal residual, least
        moved = point + step
        values = residual_at(moved)
        loss = loss_of(values)
        if not loss < least:
            residual_at(point)
            return Advance(point, is_last=True)
        is_last = loss > SETTINGS.worthwhile * least
        residual = values
        least = loss
        return Advance(moved, is_last, keeps_factors=problem.form.is_linear)

    newton(start, lambda point: residual, factorised, descending, SETTINGS.steps)  # Gauss-Newton: of the rows' squares
    return least, work


@torch.no_grad()
def _residuals(network: TensorNetwork, blocks: Sequence[ResidualBlock]) -> Tensor:
    """All residuals (N,), in the order of `_rows`."""
    values = []
    for block in blocks:
        for part, _ in block.data.chunks():
            check_time()
            each = block.weighted_residuals(block.jet(network, part.x), part, {})
            values.append(each.mT.flatten() / math.sqrt(len(block.data)))
    return torch.cat(values)


def _rows(network: TensorNetwork, blocks: Sequence[ResidualBlock]) -> Tensor:
    """Rows (N, P) of all residuals by the splines' coefficients and the factors."""
    rows = []
    for block in blocks:
        for part, _ in block.data.chunks():
            check_time()
            with torch.no_grad():
                jet = block.jet(network, part.x)
            share = 1 / math.sqrt(len(block.data))
            sensitivities = block.local_model(jet, part, {}).rows.unbind()
            rows += [share * each for each in network.jacobian(part.x, block.directions, block.order, sensitivities)]
    return torch.cat(rows)
