"""A polynomial inside a link as a KAN with product nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from edgewise.nn.model import KAN, edge_layers
from edgewise.ops.splines.knots import extend
from edgewise.search.polynomials.basis import Basis, legendre
from edgewise.search.polynomials.links import Link


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the network of a polynomial."""

    edge_degree: int = 5  # of the splines: a layer has no higher degree
    # knot intervals of every edge
    first_edge_intervals: int = 12
    most_edge_intervals: int = 768
    link_intervals: int = 96  # at least, of the edge that is a link: there is only one
    # The domain reaches beyond the rows by this share of the range: five mean distances of 3,000 uniform rows.
    box_margin: float = 1 / 600
    # singular values of the products of two inputs, relative to the largest: rounding
    negligible_product: float = 1e-15


SETTINGS = NetworkSettings()


# A product node: the coefficients of the Legendre polynomials of each of its inputs.
Term = dict[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class Polynomial:
    """The function g(sum_a coef_a P_a(x)) / unit - shift, with products P_a of Legendre polynomials."""

    basis: Basis
    coef: np.ndarray  # (p,)
    link: Link
    bounds: tuple[float, float] = (-np.inf, np.inf)  # of the argument of g; beyond them g is a straight line
    # shift and unit of the values; the unit is 1 but for links of natural units
    shift: float = 0.0
    unit: float = 1.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the values (N,) at rows (N, n)."""
        return self.outer(self.basis.columns(x) @ self.coef)

    def outer(self, u: np.ndarray) -> np.ndarray:
        """Return the values at arguments of g, which goes on as a straight line beyond its bounds, as edges do."""
        inside = np.clip(u, *self.bounds)
        return (self.link.value(inside) + self.link.slope(inside) * (u - inside)) / self.unit - self.shift

    @cached_property
    def _kinds(self) -> np.ndarray:
        """Number of inputs in each product."""
        return (self.basis.indices > 0).sum(1)

    def curves(self, coef: np.ndarray) -> list[np.ndarray]:
        """Return Legendre coefficients of the curve of each input, (degree + 1, ...); the first has the constant."""
        indices = self.basis.indices
        found = []
        for j in range(indices.shape[1]):
            curve = np.zeros((int(indices[:, j].max()) + 1, *coef.shape[1:]))
            own = (self._kinds == 1) & (indices[:, j] > 0)
            curve[indices[own, j]] = coef[own]
            found.append(curve)
        found[0][0] += coef[self._kinds == 0].sum(0)
        return found

    @cached_property
    def _last(self) -> int:
        """The input whose degrees differ most among products that agree in all others, for few product nodes."""
        indices = self.basis.indices[self._kinds > 1]
        if not len(indices):
            return indices.shape[1] - 1
        counts = [len(np.unique(np.delete(indices, j, 1), axis=0)) for j in range(indices.shape[1])]
        return int(np.argmin(counts))

    def _groups(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Products of several inputs that agree in all inputs but the last: their degrees, and their positions."""
        several = np.flatnonzero(self._kinds > 1)
        others = self.basis.indices[several].copy()
        others[:, self._last] = 0
        kinds, which = np.unique(others, axis=0, return_inverse=True)
        return [(kind, several[which.ravel() == number]) for number, kind in enumerate(kinds)]

    def terms(self) -> list[Term]:
        """Return the product nodes: of two inputs as few as there are, otherwise one for each group of products."""
        if self.basis.indices.shape[1] == 2:
            u, s, vt = np.linalg.svd(self._table(self.coef))
            if s.size and s[0] > 0:
                rank = int((s > SETTINGS.negligible_product * s[0]).sum())
            else:
                rank = 0
            roots = np.sqrt(s[:rank])
            return [{0: u[:, r] * roots[r], 1: vt[r] * roots[r]} for r in range(rank)]
        return [self._factors(kind, own, self.coef) for kind, own in self._groups()]

    def _table(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients of the products of two inputs by their degrees, (a, b, ...)."""
        indices = self.basis.indices
        table = np.zeros((*(indices.max(0) + 1), *coef.shape[1:]))
        several = self._kinds > 1
        table[tuple(indices[several].T)] = coef[several]
        return table

    def _factors(self, kind: np.ndarray, own: np.ndarray, coef: np.ndarray) -> dict[int, np.ndarray]:
        factors = {int(j): np.eye(kind[j] + 1)[kind[j]] for j in np.flatnonzero(kind)}
        degrees = self.basis.indices[own, self._last]
        last = np.zeros((int(degrees.max()) + 1, *coef.shape[1:]))
        last[degrees] = coef[own]
        if degrees.max() > 0:
            factors[self._last] = last
        else:
            first = min(factors)
            factors[first] = factors[first].reshape(-1, *(1,) * (coef.ndim - 1)) * last[0]
        return factors

    def changes(self, root: np.ndarray) -> list[dict[int, np.ndarray]]:
        """Return the changes of the factors of all product nodes for changes of the coefficients, (p, K)."""
        # More than two inputs: a term is a product of several curves, of which one takes up the change.
        if self.basis.indices.shape[1] > 2:
            last = self._last
            found = []
            for kind, own in self._groups():
                factors = self._factors(kind, own, root)
                moved = min(factors)
                if last in factors:
                    moved = last
                found.append({moved: factors[moved]})
            return found
        # Two inputs: the change of the table of coefficients moves both factors of its singular value decomposition.
        nodes = self.terms()
        if not nodes:
            return []
        left, right = (np.stack([node[j] for node in nodes], 1) for j in (0, 1))
        du, dv = factor_changes(left, right, self._table(root))
        return [{0: du[:, r], 1: dv[:, r]} for r in range(len(nodes))]

    def to_kan(self, error: float) -> KAN:
        """Return a KAN that agrees within about `error` at the rows' box, in float64.

        Edges are quintic splines on knots that are dense towards the ends, as the zeros of Legendre polynomials are;
        their number is doubled until random points agree. A link is the edge of a last layer.
        """
        low, high = self.basis.limits.T
        points = np.random.default_rng(0).uniform(low, high, (1000, len(low)))
        points[: 2 * len(low)] = np.concatenate([self.basis.limits.T, points[2 : 2 * len(low)]])
        intervals = SETTINGS.first_edge_intervals
        want = self(points)
        while True:
            kan = self._network(intervals)
            with torch.no_grad():
                got = kan(torch.from_numpy(points)).numpy()[:, 0]
            if np.abs(got - want).max() <= error or 2 * intervals > SETTINGS.most_edge_intervals:
                return kan
            intervals *= 2

    def _network(self, intervals: int) -> KAN:
        # Shape: a sum of curves, a product node for each term of several inputs, and an edge for the link.
        terms = self.terms()
        inputs = self.basis.indices.shape[1]
        arities = [len(term) for term in terms]
        has_link = self.link.name != "identity"
        if terms or has_link:
            width = [inputs, 1 + len(terms), 1]
        else:
            width = [inputs, 1]
        grids = [intervals, 1][: len(width) - 1]
        products = [arities, []][: len(width) - 1]
        if has_link:
            width = [*width, 1]
            grids = [*grids, max(intervals, SETTINGS.link_intervals)]
            products = [*products, []]
        base = "identity" if len(width) > 2 else "zero"
        kan = KAN(
            width, grids, SETTINGS.edge_degree, base=base, products=products, domain=(-1.0, 1.0), dtype=torch.float64
        )
        layers = edge_layers(kan)
        # Coefficients of the first layer; the shift of the values belongs to one of its curves where no link follows.
        coef = self._first_layer(intervals, self.curves(self.coef), terms, terms)
        if not has_link:
            first = np.flatnonzero(np.abs(coef[:, :, 0]).max(1) > 0)[:1]
            coef[first, :, 0] -= self.shift  # splines sum to 1
        with torch.no_grad():
            layers[0].knots.copy_(torch.from_numpy(self._knots(intervals)))
            layers[0].coef.copy_(torch.from_numpy(coef))
            layers[0].mask.copy_(torch.from_numpy((coef != 0).any(1).astype(float)))
            # The sums pass on unchanged; the link is the last edge.
            for layer in layers[:-1]:
                assert layer.base is not None
                layer.base.zero_()
            if len(layers) > 1:
                assert layers[1].base is not None
                layers[1].coef.zero_()
                layers[1].base.fill_(1.0)
                layers[1].domain_is_set.fill_(False)  # its splines are zero: the next fit may move its domain
            if has_link:
                knots, outer = self._link_edge(grids[-1])
                assert layers[2].base is not None
                layers[2].base.zero_()
                layers[2].knots.copy_(torch.from_numpy(knots[None]))
                layers[2].coef.copy_(torch.from_numpy(outer[None, :, None]))
        return kan

    def _knots(self, intervals: int) -> np.ndarray:
        """Knots of the first layer, (n, intervals + 2 SETTINGS.edge_degree + 1)."""
        inner = _breakpoints(intervals)
        low, high = self.basis.limits.T
        return low[:, None] + (high - low)[:, None] * (_with_ends(inner) + 1) / 2

    def parameter_changes(self, model: KAN, root: np.ndarray) -> np.ndarray:
        """Return the changes (P, K) of all parameters of `to_kan` for changes (p, K) of the coefficients."""
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        parts = {name: np.zeros((*shape, root.shape[1])) for name, shape in shapes.items()}
        intervals = model.config.grid_size[0]
        parts["layers.0.coef"][:] = self._first_layer(intervals, self.curves(root), self.changes(root), self.terms())
        return np.concatenate([part.reshape(-1, root.shape[1]) for part in parts.values()])

    def _first_layer(
        self, intervals: int, curves: list[np.ndarray], factors: list[Term], terms: list[Term]
    ) -> np.ndarray:
        """Spline coefficients of the first layer, (n, G, 1 + all factors, ...), from Legendre coefficients.

        `factors` are those of `terms`, or their changes, of which some may be missing.
        """
        from scipy.interpolate import make_interp_spline

        # Legendre polynomials as splines, by interpolation at the sites; exact up to the degree of the edges.
        inner = _breakpoints(intervals)
        sites = _sites(inner)
        degree = int(self.basis.indices.max())
        splines = make_interp_spline(sites, legendre(sites, degree), SETTINGS.edge_degree, _with_ends(inner)).c
        nodes = sum(len(term) for term in terms)
        # The curve of each input, then its factor in each product node.
        coef = np.zeros((len(curves), len(sites), 1 + nodes, *curves[0].shape[1:]))
        for j, curve in enumerate(curves):
            coef[j, :, 0] = np.tensordot(splines[:, : len(curve)], curve, 1)
        place = 1
        for term, each in zip(terms, factors, strict=True):
            for j in sorted(term):
                if j in each:
                    coef[j, :, place] = np.tensordot(splines[:, : len(each[j])], each[j], 1)
                place += 1
        return coef

    def _link_edge(self, intervals: int) -> tuple[np.ndarray, np.ndarray]:
        """Knots and coefficients of the edge that is the link, dense where its argument or its value moves fast."""
        from scipy.interpolate import make_interp_spline

        ends = np.linspace(*self.bounds, 20 * intervals + 1)
        values = self.link.value(ends)
        even = (ends - ends[0]) / (ends[-1] - ends[0]) + np.abs(values - values[0]) / abs(values[-1] - values[0])
        inner = np.interp(np.linspace(0, 2, intervals + 1), even, ends)
        knots = _with_ends(inner)
        sites = _sites(inner)
        return knots, make_interp_spline(sites, self.outer(sites), SETTINGS.edge_degree, knots).c


def factor_changes(left: np.ndarray, right: np.ndarray, changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return changes of two factors, (a, R, K) and (b, R, K), for changes (a, b, K) of the table, their product.

    W = U V' moves by dU = (dW - U U' dW / 2) V / |V|^2 and likewise dV, which gives every change of W within its rank.
    Each factor, (a, R) and (b, R), has orthogonal columns, and a column is as long in one as in the other.
    """
    root = np.sqrt(np.sqrt((left**2).sum(0) * (right**2).sum(0)))
    u = left / root
    v = right / root
    core = np.einsum("ar,abk,bs->rsk", u, changes, v)
    du = np.einsum("abk,br->ark", changes, v) - 0.5 * np.einsum("as,srk->ark", u, core)
    dv = np.einsum("abk,ar->brk", changes, u) - 0.5 * np.einsum("bs,rsk->brk", v, core)
    return du / root[:, None], dv / root[:, None]


def _breakpoints(intervals: int) -> np.ndarray:
    """Breakpoints on [-1, 1] and a little beyond, dense at the ends."""
    return -np.cos(np.pi * np.arange(intervals + 1) / intervals) * (1 + 2 * SETTINGS.box_margin)


def _with_ends(inner: np.ndarray) -> np.ndarray:
    """Knots of a layer with these breakpoints."""
    return extend(torch.from_numpy(inner)[None], SETTINGS.edge_degree)[0].numpy()


def _sites(inner: np.ndarray) -> np.ndarray:
    """Interpolation points, one per spline on these breakpoints: the breakpoints, and midpoints next to the ends."""
    count = len(inner) - 1
    ends = np.arange(SETTINGS.edge_degree) / 2  # a spline of degree 5 has its middle at a breakpoint
    places = np.concatenate([ends, np.arange(3, count - 2), count - ends[::-1]])
    return np.interp(places, np.arange(count + 1), inner)
