"""Hidden nodes grown on what an additive model leaves over: directions of the residual, then curves along them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise.nn.layers.initial import seed_of_start
from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.gauss_newton import DampingRule, LeastSquaresLimits, least_squares
from edgewise.ops.splines import knots as knot_vectors
from edgewise.ops.splines.bspline import basis
from edgewise.outcomes import check_time
from edgewise.scaling import AffineScaling
from edgewise.search.policy import SearchPolicy
from edgewise.search.validation import folds, paired_gain, sampled
from edgewise.settings import ABOVE_ZERO, chunks
from edgewise.train.problems import Regression
from edgewise.train.smoothing import short_fit, smooth_fit


@dataclass(frozen=True)
class PursuitSettings:
    """Sizes of the pursuit of ridge functions."""

    degree: int = 3  # of all splines here, that of the additive core
    # Intervals of the functions inside a node, the most that the limit of parameters allows, and of the curve of a
    # node's value: inside a node lines and bends are enough, since the additive model has the wiggles.
    inner_grids: tuple[int, ...] = (4, 2, 1)
    outer_grid: int = 6
    pursuit_starts: int = 8  # random directions from which each ridge function is pursued: some milliseconds each
    # short starts and the steps of each: local minima differ most at the beginning
    starts: int = 6
    short_steps: int = 12
    # Of the test of a residual: ridge functions, parts of its cross-validation, degree of the polynomials, trials for
    # each direction, and first damping. They take a fraction of a second.
    test_nodes: int = 2
    test_parts: int = 3
    test_degree: int = 5
    test_steps: int = 10
    test_damping: float = 0.1
    # Standard deviations at which inputs are held while directions are estimated, for outliers.
    farthest_deviation: float = 3.0


SETTINGS = PursuitSettings()


@dataclass(frozen=True, eq=False)
class HiddenNodes:
    """Values z_h = sum_i s_ih(x_i) of H nodes, with s cubic splines."""

    knots: Tensor  # knots of the inputs, (n, grid + 7)
    coef: Tensor  # coefficients, (n, grid + 3, H)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the values of the nodes, (N, H), at rows (N, n)."""
        rows = torch.from_numpy(np.ascontiguousarray(x))
        values = []
        for part in chunks(len(rows)):
            splines = basis(rows[part], self.knots, SETTINGS.degree)
            values.append(torch.einsum("nig,igh->nh", splines, self.coef))
        return torch.cat(values).numpy()

    def beside(self, x: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Return rows (N, n) followed by the values of the nodes at the rows within limits (n, 2), (N, n + H)."""
        return np.concatenate([x, self(np.clip(x, *limits.T))], 1)


def find_nodes(
    x: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    breakpoints: np.ndarray,
    nodes: int,
    *,
    policy: SearchPolicy,
    seed: int,
) -> HiddenNodes | None:
    """Train hidden nodes on the residual of a model; None where no training stays finite.

    Shapes: x (N, n), residual (N, m), weight (N,), breakpoints (n, grid + 1).
    """
    # One of the starts has the directions of ridge functions that were found one after another by projection pursuit
    # [2], one the directions along which the residual bends most, the eigenvectors of E[r (x x' - I)] (principal
    # Hessian directions [1]); the others are random. The best of them is trained by Levenberg-Marquardt, with smoothing
    # strengths edge by edge that the residual determines. The penalty pulls towards zero, which is the model whose
    # residual it is. The curves are estimated anew later, together with that model.
    # [1] K.-C. Li, J. Am. Stat. Assoc. 87 (1992) 1025.
    # [2] J. Friedman and W. Stuetzle, J. Am. Stat. Assoc. 76 (1981) 817.
    model = _network(x, residual, weight, breakpoints, nodes, policy=policy, seed=seed)
    if model is None:
        return None
    layer = edge_layers(model)[0]
    return HiddenNodes(layer.knots.clone(), (layer.coef * layer.mask[:, None]).detach().clone())


def too_large(inputs: int, outputs: int, nodes: int, most: int) -> str:
    """Return a sentence why this number of nodes is not tried, "" where the most parameters allow them."""
    fewest = _parameters(inputs, outputs, nodes, SETTINGS.inner_grids[-1])
    if fewest <= most:
        return ""
    of = "one output"
    if outputs > 1:
        of = f"{outputs} outputs"
    return (
        f"{nodes} hidden nodes were not tried: with {inputs} inputs and {of} they have at least {fewest} parameters, "
        f"the limit is {most}."
    )


def _parameters(inputs: int, outputs: int, nodes: int, grid: int) -> int:
    """Parameters of nodes in training, whose inner functions have this number of intervals."""
    return inputs * nodes * (grid + SETTINGS.degree) + nodes * outputs * (SETTINGS.outer_grid + SETTINGS.degree)


def residual_gain(
    x: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    *,
    policy: SearchPolicy,
    seed: int,
    blocks: np.ndarray | None,
) -> tuple[float, float]:
    """Return the share of the mean square of residuals that two ridge functions take away on unseen rows; its error."""
    # Projection pursuit [1] in its smallest form: polynomials g of one direction a, with steps of Gauss and Newton for
    # a and least squares for g in turn, from principal Hessian and from random directions. Cross-validated in three
    # parts; rows with the same number in `blocks` stay in one. Residuals (N, m) are best those of models that did not
    # see the row.
    # [1] J. Friedman and W. Stuetzle, J. Am. Stat. Assoc. 76 (1981) 817.
    if len(x) > policy.test_rows:
        some = sampled(len(x), policy.test_rows, seed)
        x = x[some]
        residual = residual[some]
        weight = weight[some]
        if blocks is not None:
            blocks = blocks[some]
    u = _held(AffineScaling.standard(x, weight).transform(x))
    scaled = residual / _scale(residual, weight)
    after = np.full(len(x), np.nan)
    for fold in folds(len(x), seed, blocks=blocks, parts=SETTINGS.test_parts):
        own = weight[fold.train]
        left = scaled[fold.train]
        guess = np.zeros_like(scaled[fold.held])
        for node in range(SETTINGS.test_nodes):
            direction, coef = _pursued(u[fold.train], left, own, policy.test_starts, seed + node)
            left = left - _polynomials(u[fold.train] @ direction)[0] @ coef
            guess += _polynomials(u[fold.held] @ direction)[0] @ coef
        after[fold.held] = ((scaled[fold.held] - guess) ** 2).mean(1)
    return paired_gain((scaled**2).mean(1), after, weight, blocks)


def _pursued(
    u: np.ndarray, residual: np.ndarray, weight: np.ndarray, starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The direction (n,) and the polynomial (SETTINGS.test_degree, m) of it that explain most of a residual."""
    # First directions: the eigenvectors of the residual's averaged Hessian, and random ones.
    rng = np.random.default_rng(seed)
    few = min(starts // 2 + 1, u.shape[1])
    first = np.concatenate(
        [_hessian_directions(u, residual, weight, few), rng.standard_normal((u.shape[1], starts))], 1
    )
    root = np.sqrt(weight)[:, None]

    def fitted(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Terms of rows along a direction with variance 1, their slopes, the polynomial, the direction's length."""
        length = math.sqrt(weight @ (u @ direction) ** 2 / weight.sum()) or 1.0
        basis, slopes = _polynomials(u @ direction / length)
        gram = basis.T @ (weight[:, None] * basis)
        gram[np.diag_indices_from(gram)] += float(weight.mean())
        return basis, slopes, np.linalg.solve(gram, basis.T @ (weight[:, None] * residual)), length

    def errors_and_jacobian(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted errors, (m N,), and their derivatives by the direction while the polynomial is held, (m N, n)."""
        basis, slopes, coef, length = fitted(direction)
        error = root * (residual - basis @ coef)
        slope = root * (slopes @ coef) / length
        return error.T.ravel(), (-slope.T[:, :, None] * u).reshape(-1, u.shape[1])

    # Projection pursuit (Friedman and Stuetzle, 1981) by Levenberg-Marquardt: for each direction the best polynomial is
    # known (variable projection in Kaufman's approximation), so only the direction is searched.
    rule = DampingRule(SETTINGS.test_damping)
    limits = LeastSquaresLimits(evaluations=SETTINGS.test_steps)
    best = first[:, 0]
    lowest = math.inf
    for start in first.T[: starts + few]:
        fit = least_squares(errors_and_jacobian, start, rule=rule, limits=limits)
        if fit is not None and fit.loss < lowest:
            best = fit.x
            lowest = fit.loss
    _, _, coef, length = fitted(best)
    return best / length, coef


def _polynomials(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hermite polynomials of degrees 1 to SETTINGS.test_degree of z held within bounds, and their slopes."""
    degrees = [(n, math.sqrt(math.factorial(n))) for n in range(1, SETTINGS.test_degree + 1)]
    values = np.polynomial.hermite_e.hermevander(_held(z), SETTINGS.test_degree)
    inside = np.abs(z) < SETTINGS.farthest_deviation
    slopes = np.stack([inside * n * values[:, n - 1] / root for n, root in degrees], 1)
    return np.stack([values[:, n] / root for n, root in degrees], 1), slopes


def _network(
    x: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    breakpoints: np.ndarray,
    nodes: int,
    *,
    policy: SearchPolicy,
    seed: int,
) -> KAN | None:
    """Train a network [n, nodes, m] on the residual, scaled to mean square 1; None where no training stays finite."""
    inputs = x.shape[1]
    outputs = residual.shape[1]
    # The finest grid within the limit, or the coarsest: the search has seen to it that its parameters are not too many.
    inner = SETTINGS.inner_grids
    fitting = (grid for grid in inner if _parameters(inputs, outputs, nodes, grid) <= policy.growth_parameters)
    intervals = next(fitting, inner[-1])
    if len(x) > policy.growth_rows:
        few = sampled(len(x), policy.growth_rows, seed)
        x = x[few]
        residual = residual[few]
        weight = weight[few]
    scale = _scale(residual, weight)
    rows = torch.from_numpy(np.ascontiguousarray(x))
    target = torch.from_numpy(np.ascontiguousarray(residual / scale))
    problem = Regression(rows, target, weight=torch.from_numpy(np.ascontiguousarray(weight)))
    places = np.linspace(0, breakpoints.shape[1] - 1, intervals + 1).round().astype(int)
    knots = knot_vectors.extend(torch.from_numpy(np.ascontiguousarray(breakpoints[:, places])), SETTINGS.degree)
    best = None
    lowest = math.inf
    for start in range(SETTINGS.starts):
        check_time()
        own = seed_of_start(seed, start)
        width = [inputs, nodes, outputs]
        grids = [intervals, SETTINGS.outer_grid]
        model = KAN(width, grids, SETTINGS.degree, base="zero", seed=own, dtype=torch.float64)
        first = edge_layers(model)[0]
        with torch.no_grad():
            first.knots.copy_(knots)
            first.domain_is_set.fill_(True)
            if start < 2:
                begin = (_pursued_directions, _directions)[start]
                slopes = torch.from_numpy(begin(x, residual / scale, weight, nodes, seed))
                # Straight lines with these slopes (n, nodes), zero in the domain's middle: the coefficients of t itself
                # are the means of neighbouring knots (Greville, in Shisha (ed.), "Inequalities", 1967).
                line = knot_vectors.greville(knots, SETTINGS.degree)
                first.coef.copy_((line - line.mean(1, keepdim=True))[..., None] * slopes[:, None])
        report = short_fit(model, problem, SETTINGS.short_steps)
        if report.loss < lowest:
            best = model
            lowest = report.loss
    if best is None:
        return None
    # The domain of the second layer moves to the values of the nodes; that of the first lies on the data already.
    if smooth_fit(best, problem) is None:
        return None
    return best


def _scale(residual: np.ndarray, weight: np.ndarray) -> float:
    """Root mean square of residuals (N, m); 1 where all are zero."""
    return math.sqrt(np.average((residual**2).mean(1), weights=weight)) or 1.0


def _directions(x: np.ndarray, residual: np.ndarray, weight: np.ndarray, nodes: int, seed: int) -> np.ndarray:
    """Slopes (n, nodes) of starting directions: principal Hessian ones, then random ones."""
    scaling = AffineScaling.standard(x, weight)
    vectors = _hessian_directions(_held(scaling.transform(x)), residual, weight, nodes)
    more = np.random.default_rng(seed).standard_normal((x.shape[1], max(nodes - vectors.shape[1], 0)))
    directions = np.concatenate([vectors, more / np.linalg.norm(more, axis=0, keepdims=True)], 1)
    return directions / scaling.scale[:, None]


def _held(standardised: np.ndarray) -> np.ndarray:
    """Standardised inputs within SETTINGS.farthest_deviation."""
    return np.clip(standardised, -SETTINGS.farthest_deviation, SETTINGS.farthest_deviation)


def _hessian_directions(u: np.ndarray, residual: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Eigenvectors (n, count or fewer) of E[r (u u' - I)] with the largest eigenvalues, whatever their signs."""
    share = weight / weight.sum()
    total = np.zeros((u.shape[1], u.shape[1]))
    for column in residual.T:
        hessian = u.T @ ((share * (column - share @ column))[:, None] * u)
        total += hessian @ hessian  # of several outputs the squares add up
    return np.linalg.eigh(total)[1][:, ::-1][:, :count]


def _pursued_directions(x: np.ndarray, residual: np.ndarray, weight: np.ndarray, nodes: int, seed: int) -> np.ndarray:
    """Slopes (n, nodes) of ridge functions found one after another by projection pursuit."""
    scaling = AffineScaling.standard(x, weight)
    u = _held(scaling.transform(x))
    left = residual
    found = []
    for node in range(nodes):
        direction, coef = _pursued(u, left, weight, SETTINGS.pursuit_starts, seed + node)
        left = left - _polynomials(u @ direction)[0] @ coef
        found.append(direction)
    return np.stack(found, 1) / scaling.scale[:, None]


def with_nodes(augmented: KAN, nodes: HiddenNodes) -> KAN:
    """Join hidden nodes and an additive model of the inputs and of the nodes' values in one network.

    The additive network has n + H inputs, the last of them the values of the H nodes: [n + H, m], or with R pairs of
    the first n inputs [n + H, m + R, m], where the last R nodes are products of two. The network [n, m + H + R, m]
    computes the same from the n inputs alone: m sums, H nodes, R products.
    """
    first = edge_layers(augmented)[0]
    assert first.degree == SETTINGS.degree
    # Sizes of the parts of the additive network.
    count = nodes.coef.shape[2]
    inputs = nodes.coef.shape[0]
    outputs = augmented.config.width[-1]
    products = first.out_features - outputs
    pairs = products // 2
    knots = first.knots[:inputs]
    coef = (first.coef * first.mask[:, None]).detach()
    # Collocation gives the functions inside the nodes on finer knots that contain theirs.
    at = knot_vectors.greville(knots, SETTINGS.degree).mT
    values = basis(at, nodes.knots, SETTINGS.degree).transpose(0, 1) @ nodes.coef
    inside = torch.linalg.solve(basis(at, knots, SETTINGS.degree).transpose(0, 1), values)  # (n, grid + 3, H), exact
    inner = [coef[:inputs, :, :outputs], inside, coef[:inputs, :, outputs:]]
    # The network of the inputs alone.
    products_of_layers: tuple[tuple[int, ...], ...] = ()
    if pairs:
        products_of_layers = ((2,) * pairs, ())
    outer_knots = first.knots[inputs:]
    size = outer_knots.shape[1] - 2 * SETTINGS.degree - 1
    model = KAN(
        [inputs, outputs + count + pairs, outputs],
        [first.grid_size, size],
        SETTINGS.degree,
        base="zero",
        products=products_of_layers,
        dtype=torch.float64,
    )
    begin, end = edge_layers(model)
    unit = knot_vectors.uniform(torch.tensor([[-1.0, 1.0]], dtype=torch.float64), size, SETTINGS.degree)
    line = knot_vectors.greville(unit, SETTINGS.degree)[0]
    with torch.no_grad():
        begin.knots.copy_(knots)
        begin.coef.copy_(torch.cat(inner, 2))
        end.coef.zero_()
        end.knots.copy_(unit.expand(len(end.knots), -1))
        end.knots[outputs : outputs + count] = outer_knots
        end.coef[outputs : outputs + count] = coef[inputs:, :, :outputs]
        # Second layer: sums and products pass on as straight lines.
        for output in range(outputs):  # a sum passes on to its own output alone
            end.coef[output, :, output] = line
        end.mask[:outputs] = torch.eye(outputs, dtype=torch.float64)
        if products:
            last = edge_layers(augmented)[-1]
            slopes = last.edges(torch.ones(1, last.in_features, dtype=torch.float64))[0]
            slopes = slopes - last.edges(torch.zeros(1, last.in_features, dtype=torch.float64))[0]
            end.coef[outputs + count :] = line[None, :, None] * slopes[outputs:, None]
        for layer in (begin, end):
            layer.domain_is_set.fill_(True)
    return model


def smooth_residual(
    x: np.ndarray, residual: np.ndarray, weight: np.ndarray, errors: float, blocks: np.ndarray | None = None
) -> bool:
    """Return whether neighbours among rows (N, n) have nearly the same residuals (N, m), which are no noise then.

    The ratio of half the mean square of the differences between neighbours to the variance is 1 for noise (von Neumann,
    Annals of Mathematical Statistics 12 (1941) 367; with nearest neighbours, the Gamma test of Stefansson et al.,
    Neural Computing and Applications 5 (1997) 131). It must lie below 1 by this number of standard errors. Rows with
    the same number in `blocks` (N,) may have noise in common: neighbours are then rows of different folds, which hold
    whole blocks.
    """
    from scipy.spatial import KDTree

    points = AffineScaling.standard(x, np.ones(len(x))).transform(x)
    independent = len(points)
    if blocks is None:
        order = np.random.default_rng(0).permutation(len(points))  # so that of equal points any may be the nearest
        nearest = order[KDTree(points[order]).query(points, 2)[1]]
        neighbour = np.where(nearest[:, 1] == np.arange(len(points)), nearest[:, 0], nearest[:, 1])
    else:
        independent = len(np.unique(blocks))
        neighbour = np.arange(len(points))
        for fold in folds(len(points), 0, blocks=blocks):
            neighbour[fold.held] = fold.train[KDTree(points[fold.train]).query(points[fold.held])[1]]
    differences = ((residual - residual[neighbour]) ** 2).mean(1) / 2
    variance = np.average((residual**2).mean(1), weights=weight)
    ratio = float(np.average(differences, weights=weight)) / max(float(variance), ABOVE_ZERO)
    # Under noise half a squared difference has about the variance of a squared normal variable, twice its square.
    # A block may be worth one row.
    return bool(ratio < 1 - errors * (2 / independent) ** 0.5)
