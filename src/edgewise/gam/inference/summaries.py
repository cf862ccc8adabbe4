"""The summary of an additive model that R's mgcv prints: all terms with their tests, and the fit (`summarise`).

References
----------
.. [1] S. N. Wood, "On p-values for smooth components of an extended generalized additive model", Biometrika 100 (2013),
   221-228.
.. [2] S. N. Wood, Generalized Additive Models, 2nd ed., CRC Press, 2017: effective degrees of freedom 6.1.2, tests
   6.12, REML 6.2.6. Freedom is the trace of (X'WX + S)^-1 X'WX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.checks import check_names
from edgewise.gam.design import Design
from edgewise.gam.families.base import squeezed
from edgewise.gam.inference.wald import smooth_test
from edgewise.gam.model import AdditiveModel
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reml import RemlFit
from edgewise.gam.rows import NeededColumns, null_deviance, working_normal
from edgewise.presentation import enumeration, html_table, p_value_text, percent_text

STRAIGHT = ("straight", "straight x straight")  # kinds of columns that have no penalty in the tests of all terms
UNPENALISED = (*STRAIGHT, "levels")  # kinds of columns that have no penalty in the test of their own term


@dataclass(frozen=True)
class TermTest:
    """Test of the hypothesis that one term is zero."""

    name: str  # of the input, or of all inputs of a product
    predictor: int  # place of the linear predictor, 0 if there is one
    # "constant", "line" (an input with two values), "levels" (a category), "curve", "pair", or "product" of three
    # inputs or more in a polynomial
    kind: str
    edf: float  # effective degrees of freedom of the term in the model
    reference: float  # degrees of freedom of the test
    statistic: float  # of a line or the constant t, or z where the scale is known; of other terms F, or chi-square
    p_value: float  # probability of a statistic of this size if the term were zero
    # Slope of a line and its standard error, in units of the predictor per unit of the input.
    estimate: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class AdditiveSummary:
    """Summary of an additive model; `print(summary)` shows it as R's mgcv does.

    Attributes
    ----------
    family, link : str
        The loss, and the function of the mean that is the sum of the terms.
    terms : tuple of TermTest
        The constants, then the terms; of a polynomial only the terms.
    r2_adjusted : float or None
        Share of the variance explained, corrected for degrees of freedom; None where y is no number.
    explained : float
        Share of the deviance explained.
    reml : float
        Minus the log restricted likelihood, by Laplace's approximation where it is not exact; comparable between models
        of the same rows and loss.
    scale : float
        Dispersion: the variance of the noise for squared errors.
    scale_known : bool
        Whether the loss gives the scale, so that tests are chi-square and not F tests.
    rows : float
        Sum of the weights.
    predictors : tuple of str
        Names of several linear predictors: the classes. Empty for a single one, and where they have no names.
    constants : int
        Constants that are free: one, and of three classes or more one less than there are classes.
    sums : tuple of tuple of str
        Names of inputs that follow from each other in every row, as parts and their total do: tests of the straight
        part of each, beside the others, do not say which of them matter.
    """

    family: str
    link: str
    terms: tuple[TermTest, ...]
    r2_adjusted: float | None
    explained: float
    reml: float
    scale: float
    scale_known: bool
    rows: float
    predictors: tuple[str, ...] = ()
    constants: int = 1
    sums: tuple[tuple[str, ...], ...] = ()

    def predictor_name(self, place: int) -> str:
        """Return the name of a linear predictor, its number from 1 on where it has none."""
        if 0 <= place < len(self.predictors):
            return self.predictors[place]
        return f"predictor {place + 1}"

    @property
    def edf(self) -> float:
        """Effective degrees of freedom of the free constants and of all other terms together.

        Of three classes or more it is an upper bound: a term of one class follows from those of the others.
        """
        return self.constants + sum(term.edf for term in self.terms if term.kind != "constant")

    @property
    def strongest_first(self) -> list[TermTest]:
        """The tests of each predictor: the constant, then the terms from the smallest p-value on."""
        return sorted(self.terms, key=lambda t: (t.predictor, t.kind != "constant", t.p_value, -abs(t.statistic)))

    def __str__(self) -> str:
        # Width of the column of names, and the names of the statistics.
        lines = [f"Family: {self.family}   Link: {self.link}"]
        width = max([10, *(len(term.name) for term in self.terms)])
        several = len({term.predictor for term in self.terms}) > 1
        statistics = ("z", "chi-sq") if self.scale_known else ("t", "F")
        # For each predictor the terms of one coefficient with their standard errors, then the smooth terms.
        for predictor in sorted({term.predictor for term in self.terms}):
            own = [term for term in self.strongest_first if term.predictor == predictor]
            if several:
                lines += ["", f"Terms of {self.predictor_name(predictor)}"]
            smooth = [term for term in own if term.estimate is None]
            if len(smooth) < len(own):
                lines += ["", f"{'':{width}}{'estimate':>12}{'std. error':>12}{statistics[0]:>10}{'p':>10}"]
            for term in own:
                if term.estimate is not None and term.std is not None:
                    estimate = f"{term.estimate:12.4g}{term.std:12.3g}"
                    cells = f"{estimate}{_statistic(term):>10}{p_value_text(term.p_value):>10}"
                    lines.append(f"{term.name:{width}}{cells}")
            if smooth:
                lines += ["", f"{'':{width}}{'edf':>12}{'ref. df':>12}{statistics[1]:>10}{'p':>10}"]
            for term in smooth:
                cells = f"{term.edf:12.3f}{term.reference:12.3f}{_statistic(term):>10}{p_value_text(term.p_value):>10}"
                lines.append(f"{term.name:{width}}{cells}")
        # Inputs that the tests cannot separate.
        for members in self.sums:
            lines += ["", f"{enumeration(members)} follow from each other in every row: beside the others the straight"]
            lines.append("part of none is missed, so that their p-values do not say which of them matter.")
        # What the whole model explains.
        if self.r2_adjusted is None:
            adjusted = ""
        else:
            adjusted = f"R2 (adjusted) = {self.r2_adjusted:.3f}   "
        lines += ["", f"{adjusted}Deviance explained = {percent_text(self.explained, 3)}"]
        lines.append(f"-REML = {self.reml:.2f}   Scale = {self.scale:.5g}   n = {self.rows:g}")
        return "\n".join(lines)

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the titles and the rows of a short table of the tests, as texts."""
        several = len({term.predictor for term in self.terms}) > 1
        of_lines, of_smooths = ("z", "chi-square") if self.scale_known else ("t", "F")
        rows: list[tuple[str, ...]] = []
        for term in self.strongest_first:
            name = term.name
            if several:
                name += f", of {self.predictor_name(term.predictor)}"
            letter = of_smooths
            if term.estimate is not None:
                letter = of_lines
            statistic = f"{letter} = {term.statistic:.2f}".replace("= -", "= \N{MINUS SIGN}")
            rows.append((name, f"{term.edf:.3g}", statistic, p_value_text(term.p_value)))
        return ("term", "degrees of freedom", "statistic", "p"), rows

    def _repr_html_(self) -> str:
        head, rows = self.table()
        return html_table(head, rows, caption="Tests of the terms")


def _statistic(term: TermTest) -> str:
    if abs(term.statistic) < 1e5:
        return f"{term.statistic:.3f}"
    return f"{term.statistic:.3g}"


def summarise(
    model: AdditiveModel,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    units: np.ndarray | None = None,
) -> AdditiveSummary:
    """Test every term of an additive model and measure the fit.

    The test of a term is Wood's [1]_: f' V^- f with f the term at the rows, V its Bayesian covariance and V^- a
    pseudo-inverse whose rank is the term's degrees of freedom. For the tests the straight parts of all terms have no
    penalty, as in the paper: a part that REML has shrunk is no evidence about the hypothesis, and what is shrunk of one
    term shows in another that is correlated with it. Where there are fewer than four rows for each straight part, only
    that of the tested term has none. p-values of curves are approximate: the curves of the other terms keep their
    penalties, so that with fewer than 200 rows and inputs correlated by .95 they are too small. Those of pairs are too
    small, because the pairs were chosen by the same rows.

    Parameters
    ----------
    model : AdditiveModel
        A fitted model of one response.
    x, y : ndarray
        The rows (N, inputs) and responses that it was fitted to.
    weight : ndarray of shape (N,), optional
        Their weights.
    names : sequence of str, optional
        Names of the inputs; x1, x2, ... if left out.
    units : ndarray of shape (inputs,), optional
        Length of a unit of each column of x in the units in which slopes are to be stated.

    Returns
    -------
    AdditiveSummary
        The summary.

    Examples
    --------
    >>> from edgewise.gam import fit_additive
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((300, 2))
    >>> y = np.sin(6 * x[:, 0]) + 0.3 * rng.standard_normal(300)
    >>> summary = summarise(fit_additive(x, y, pairs=()), x, y)
    >>> [(term.name, term.p_value < 0.01) for term in summary.terms[1:]]
    [('x1', True), ('x2', False)]
    """
    design = model.design
    labels = check_names(names, len(design.inputs))
    if weight is None:
        weight = np.ones(len(x))
    if units is None:
        units = np.ones(len(labels))
    if y.ndim == 2:
        y = squeezed(y)
    family = model.family.prepared(y, weight)
    eta = model.predict_link(x)
    shaped = squeezed(eta)
    rows = float(weight.sum())
    fits = model.fits
    residual_df = max(rows - sum(fit.total_edf for fit in fits), 1.0)
    noise_df = None  # of the estimate of the scale; None where it is known
    if family.scale is None:
        noise_df = residual_df
    # Wald tests of the terms of each predictor. A single one has the normal matrix of its estimate: that of a mean of
    # models is at other coefficients, where its covariance would not belong. Several ones share the estimate's, and
    # have one of their own at the fit, of the columns that the estimate or a test needs.
    kept = np.any([np.diag(fit.covariance) > 0 for fit in fits], axis=0) | (design.groups < 0)
    kept |= np.isin(design.groups, [g for g, (kind, _) in enumerate(design.labels) if kind in UNPENALISED])
    needed = NeededColumns(design, x, None, design.policy.reml.steps, kept)
    terms: list[TermTest] = []
    determinants = 0.0
    for k, fit in enumerate(fits):
        normal = model.normal
        if len(fits) > 1:
            normal = working_normal(needed, np.arange(len(x)), y, weight, family, eta, k).embedded(kept)
        centre = float(normal.moment[0, 0] / normal.gram[0, 0])
        constant = family.shared_information(y, shaped, weight) is None
        block = _Normal(design, fit, normal, centre, noise_df)
        terms += block.tests(k, labels, units, constant)
        determinants += block.log_determinant(constant)
    # Laplace's approximation of the restricted likelihood.
    deviance = float(weight @ family.deviance(y, shaped))
    null = null_deviance(family, y, weight)
    scale = fits[0].dispersion
    likelihood = float(weight @ family.log_likelihood(y, shaped, scale))
    penalty = 0.0
    for fit in fits:
        penalty += float(fit.ridge(design.groups) @ fit.coef**2) / fit.dispersion
    reml = -likelihood + (penalty + determinants) / 2
    # Share of the deviance explained, and R2, corrected for degrees of freedom.
    explained = 0.0
    if null > 0:
        explained = 1 - deviance / null
    adjusted = None
    if family.has_mean:
        mean = np.average(y, weights=weight)
        errors = weight @ (y - family.mean(shaped)) ** 2 / residual_df
        spread = weight @ (y - mean) ** 2 / max(rows - 1, 1)
        if spread > 0:
            adjusted = float(1 - errors / spread)
    return AdditiveSummary(
        family=family.name,
        link=family.link_name,
        terms=tuple(terms),
        r2_adjusted=adjusted,
        explained=explained,
        reml=float(reml),
        scale=float(scale),
        scale_known=family.scale is not None,
        rows=rows,
        constants=family.free_constants,
        sums=_sums(design, x, labels),
    )


def _sums(design: Design, x: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Names of numbers that follow from each other in every row; levels of a category, whose sum is 1, are left out."""
    from edgewise.gam.inference.sums import exact_sums  # imported late: `import edgewise` stays light

    levels = {j for kind, inputs in design.labels if kind == "levels" for j in inputs}
    moving = [j for j in range(len(names)) if j not in levels and np.ptp(x[:, j]) > 0]
    if len(x) <= 2 * len(moving):
        return ()
    columns = [names[j] for j in moving]
    return tuple(tuple(columns[k] for k in places) for places, _ in exact_sums(x[:, moving], columns))


class _Normal:
    """Normal matrix of one predictor, with the columns that its estimate needed."""

    def __init__(
        self, design: Design, fit: RemlFit, normal: NormalMatrix, centre: float, residual_df: float | None
    ) -> None:
        self.design = design
        self.fit = fit
        self.residual_df = residual_df
        self.gram = normal.gram
        self.moment = normal.moment[:, 0] - centre * normal.gram[:, 0]  # centred numbers keep their digits
        self.kept = np.diag(fit.covariance) > 0
        self.ridge = fit.ridge(design.groups)
        # The penalised normal matrix beside which terms are tested. Straight parts have no penalty in it, but for a
        # rounding error that separates equal ones, unless there are too many of them for the rows.
        straight = np.isin(design.groups, [g for g, (kind, _) in enumerate(design.labels) if kind in STRAIGHT])
        straight &= np.diag(self.gram) > 0
        self.beside = self.kept
        self.penalty = self.ridge
        if straight.sum() <= design.policy.reml.crowded * normal.rows:
            self.beside = self.kept | straight
            self.penalty = np.where(straight, design.policy.inference.seen * np.diag(self.gram), self.ridge)
        self.used = np.flatnonzero(self.beside)
        penalised = self.gram[np.ix_(self.used, self.used)] + np.diag(self.penalty[self.used])
        root = np.sqrt(np.diag(penalised))
        self.inverse = np.linalg.inv(penalised / np.outer(root, root)) / np.outer(root, root)

    def tests(self, predictor: int, names: Sequence[str], units: np.ndarray, constant: bool) -> list[TermTest]:
        """Test the constant, if there is one, and every term."""
        found = []
        if constant:
            estimate = float(self.fit.coef[0])
            std = float(np.sqrt(max(self.fit.covariance[0, 0], 0.0)))
            found.append(self._line("(constant)", predictor, "constant", 1.0, (estimate, std)))
        done = set()
        for label, inputs in self.design.labels:
            if inputs in done:
                continue
            done.add(inputs)
            name = " x ".join(names[j] for j in inputs)
            if label == "levels":
                name = _shared_name(names, inputs)
                kind = "levels"
            elif " x " in label:
                kind = "pair"
            else:
                kind = "curve"
            found.append(self._test(name, predictor, kind, inputs, units))
        return found

    def _test(self, name: str, predictor: int, kind: str, inputs: tuple[int, ...], units: np.ndarray) -> TermTest:
        # Columns of the term, those whose penalty the test takes away, and all others that the estimate needed.
        policy = self.design.policy.inference
        groups = [g for g, (_, members) in enumerate(self.design.labels) if members == inputs]
        free = [g for g in groups if self.design.labels[g][0] in UNPENALISED]
        mine = np.isin(self.design.groups, groups)
        own = np.flatnonzero(mine & (self.kept | np.isin(self.design.groups, free)))
        projected, moment = self._without(own, mine[self.used])
        # The term's estimate beside the others, its covariance and its degrees of freedom.
        ridge = np.where(np.isin(self.design.groups[own], free), 0.0, self.ridge[own])
        inverse = np.linalg.pinv(projected + np.diag(ridge), rcond=policy.seen, hermitian=True)
        coef = inverse @ moment
        covariance = self.fit.dispersion * inverse
        share = inverse @ projected
        edf = float(self.fit.edf[groups].sum())
        trace = float(np.trace(share))
        # A line of two values has a t-test, all other terms Wood's test of their rank.
        if kind == "curve" and self.design.inputs[inputs[0]].distinct == 2:
            slope = self._slope(int(inputs[0]), own[0]) / units[inputs[0]]
            pair = float(coef[0] * slope), float(np.sqrt(max(covariance[0, 0], 0.0)) * abs(slope))
            return self._line(name, predictor, "line", edf, pair)
        rank = min(2 * trace - float(np.sum(share * share.T)), len(own))
        if kind == "levels":
            rank = float(np.linalg.matrix_rank(projected, tol=policy.seen * np.abs(projected).max(), hermitian=True))
        own_gram = self.gram[np.ix_(own, own)]
        statistic, p_value = smooth_test(coef, covariance, own_gram, max(rank, 1e-8), self.residual_df, policy)
        return TermTest(name, predictor, kind, edf, rank, statistic, p_value)

    def _line(self, name: str, predictor: int, kind: str, edf: float, pair: tuple[float, float]) -> TermTest:
        from scipy.special import ndtr, stdtr  # imported late: `import edgewise` stays light

        estimate, std = pair
        ratio = 0.0
        if std > 0:
            ratio = estimate / std
        # Both tails of the normal distribution, or of Student's t where the scale is estimated.
        if self.residual_df is None:
            p_value = 2 * ndtr(-abs(ratio))
        else:
            p_value = 2 * stdtr(self.residual_df, -abs(ratio))
        return TermTest(name, predictor, kind, edf, 1.0, ratio, float(p_value), estimate, std)

    def _slope(self, j: int, column: int) -> float:
        """Slope of a straight column in its input."""
        ends = np.tile(self.design.knots[:, 3], (2, 1))
        ends[1, j] = self.design.knots[j, -4]
        low, high = self.design.columns(ends)[:, column]
        return float((high - low) / (ends[1, j] - ends[0, j]))

    def _without(self, own: np.ndarray, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gram matrix and moments of the term's columns after the penalised fit of all others.

        `mine` (used,) are those of the used columns that are the term's.
        """
        # The inverse without the term is a Schur complement, which only the few rows of `link` are multiplied by.
        link = np.where(mine, 0.0, self.gram[np.ix_(own, self.used)])
        cross = self.inverse[:, mine]
        solved = link @ self.inverse - (link @ cross) @ np.linalg.solve(cross[mine], cross.T)
        solved[:, mine] = 0.0
        projected = self.gram[np.ix_(own, own)] - solved @ link.T
        return (projected + projected.T) / 2, self.moment[own] - solved @ self.moment[self.used]

    def log_determinant(self, constant: bool) -> float:
        """Log |X'WX + S| - log |S|+ - (number of free columns) log(2 pi scale), of the columns that were needed."""
        used = self.kept.copy()
        used[0] &= constant
        matrix = self.gram[np.ix_(used, used)] + np.diag(self.ridge[used])
        penalised = self.ridge[used] > 0
        free = int((~penalised).sum())
        value = np.linalg.slogdet(matrix)[1] - np.log(self.ridge[used][penalised]).sum()
        return float(value - free * np.log(2 * np.pi * self.fit.dispersion))


def _shared_name(names: Sequence[str], inputs: tuple[int, ...]) -> str:
    """Name of a category: what the names of its levels begin with, or the first and the last of them."""
    own = [names[j] for j in inputs]
    column, word, _ = own[0].partition(" is ")  # as the encoder of tables names levels
    if word and all(name.startswith(column + word) for name in own):
        return column
    low = min(own)
    high = max(own)
    same = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:same].rstrip("=_: ") or f"{own[0]} to {own[-1]}"
