"""Every number that the additive core chooses by itself, each with its source or reason.

Sections are those of Wood, Generalized Additive Models (2nd ed.).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class RemlPolicy:
    """Choices of the maximisation of restricted likelihood."""

    # It ends when a Newton step would raise twice the log of the restricted likelihood by less: a hundredth is far
    # below anything that a decision rests on, and the last step goes well beyond it.
    tolerance: float = 1e-2
    steps: int = 100  # most Newton steps: ten are usual
    halvings: int = 12  # of a step that raises the criterion: 2^-12 of a step is none
    largest_step: float = 4.0  # of the log of a strength: the quadratic model holds no farther
    # First prior variance of a group's sum over the rows, as a share of the residual's: small beside a curve and large
    # beside its uncertainty, and of no consequence for the result.
    first_share: float = 0.3
    vanished: float = 0.05  # effective degrees of freedom below which a group that still shrinks is taken out
    returned: float = 0.2  # effective degrees of freedom of a group that is brought back, above `vanished`
    returns: int = 3  # largest number of times that a removed group may return, so that the iteration ends
    crowded: float = 0.25  # groups per row above which groups must prove themselves: four rows for each strength
    entries: int = 5  # groups that enter at once when groups are crowded
    faintest: float = 1e-10  # strength, as a share of a group's mean diagonal: below it, rounding would be fitted
    rounding: float = 1e-13  # share of the response's square below which a residual is rounding
    prior_variance: float = 10.0  # of the log of a strength, where its likelihood is flat; that of mgcv
    shrinkage_nodes: int = 24  # of Gauss and Legendre for the variance of vanished groups: the integrands are smooth


@dataclass(frozen=True)
class IrlsPolicy:
    """Choices of the iteration."""

    # Most rounds in which REML chooses the strengths anew: five are usual; performance iteration may cycle, and then
    # its last strengths are as good as any of the cycle (Wood, section 6.5). With seven classes 30 rounds took three
    # times as long as 10 and predicted fresh rows no better.
    rounds: int = 12
    # Relative change of the penalised deviance, per row or in all, below which the strengths stay as they are: 1e-5
    # of the deviance is far below its standard deviation.
    settled: float = 1e-5
    # As `rounds`, for several predictors, which move together after each round: strengths hardly change after three,
    # and a round sums a normal matrix for all predictors.
    joint_rounds: int = 4
    # As `joint_rounds`, where the fit starts from an estimate of a part of the design: one step from there is what a
    # score test takes.
    later_rounds: int = 1
    # Most quasi-Newton steps after each round, and pairs of steps that they remember: steps cost a thousandth of a
    # round, and 20 are usual; a memory of 5 to 10 is the advice of Liu and Nocedal (Mathematical Programming 45
    # (1989) 503).
    joint_steps: int = 100
    joint_memory: int = 10
    # Relative fall of the penalised deviance in a step that ends them between rounds, and wherever the fit starts from
    # another: at 3,000 rows of ten classes that is a twentieth of what one degree of freedom is worth. 1e-6, and 1e-10
    # at the end of a round, took twice the steps for the same log loss of fresh rows.
    joint_tolerance: float = 1e-5
    joint_trials: int = 25  # most trials of the line search of such a step
    # Most Newton steps of REML in a round, unless the first round is the whole fit: the approximation moves more than
    # the strengths after these.
    reml_steps: int = 8
    # Most Newton steps with constant strengths after the rounds: five are usual; classes that are nearly separated
    # creep towards the optimum, where fresh rows gain nothing.
    steps: int = 25
    # Relative change of the penalised deviance that ends them: the error of the coefficients is its root.
    tolerance: float = 1e-10
    # Most halvings of a step that raises the penalised deviance; 2^-25 of a step is none.
    halvings: int = 25
    # Share of the penalised deviance by which a step may raise it: 450 units of the last place.
    rounding: float = 1e-13
    # Share of the null deviance below which a deviance is compared with this share.
    small_deviance: float = 1e-8
    # The information of a row is at least this share of the largest one, so that eta + score / information is finite:
    # the fixed point does not depend on it.
    least_information: float = 1e-10
    # Standard deviation, on the scale of eta, that a column of variance one may have at most where the scale is
    # known: a Bayesian prior that keeps coefficients finite where classes are separated (Gelman, Jakulin, Pittau and
    # Su, Annals of Applied Statistics 2 (2008) 1360, use 2.5 on the scale of two deviations; 10 is weaker).
    prior_deviation: float = 10.0

    @classmethod
    def of_passes(cls) -> IrlsPolicy:
        """Return the policy for a table of which each step is a pass, from the estimate of a sample."""
        # Four to eight passes are usual, and where classes are nearly separated the optimum is far off for any number
        # of them. Strengths of the sample are nearly right for several predictors: one round corrects them and another
        # settles them; about ten steps are usual, which sum no matrix. Sums in the space of B-splines round the
        # deviance by more than those in memory, and a pass is too much for that.
        return cls(rounds=6, steps=6, tolerance=1e-8, joint_rounds=2, joint_steps=30, rounding=1e-9)

    def of_part(self) -> IrlsPolicy:
        """Return the policy for a part of the rows, of which only predictions with the strengths held are needed."""
        return replace(self, steps=0, tolerance=self.joint_tolerance)


@dataclass(frozen=True)
class InequalityPolicy:
    """Choices of the least squares under inequalities, of rounding all of them but the weight of the auxiliaries."""

    # Violations below this share of the largest coefficient are rounding: four digits above the solver's.
    violation: float = 1e-11
    digits: float = 1e-14  # share of numbers below which their differences are rounding
    # Weight of the auxiliary numbers of bounds in the quadratic programme, in units of the noise over the square of the
    # response: their cost is a thousandth of what the likelihood can see.
    auxiliary: float = 1e-3
    corrections: int = 6  # most corrections of what rounding left violated: two or three leave nothing
    # Least share of the target that the least-distance problem leaves over. Below it the unit of length grows, by what
    # the share asks for, or its smallest value where it is rounding, at most this often: half of all digits stay.
    least_left: float = 1e-3
    smallest_left: float = 1e-9
    lengths: int = 8


@dataclass(frozen=True)
class InferencePolicy:
    """Choices of the tests of terms and of the curves of the noise."""

    seen: float = 1e-9  # share of the largest eigenvalue below which a direction is not in the data
    nodes: int = 48  # of Gauss and Legendre, along each of two axes, for the tail of a mixture: ten digits
    fewest_residuals: int = 50  # with fewer, the standard error of a log variance is over 0.2 without any curve
    most_residuals: int = 5000  # evenly picked: the standard error of a log variance is then 0.02
    most_cross_fitted: int = 2000  # rows; with more a curve of the noise follows none of them
    most_inputs: int = 20  # of which the noise may depend, beside the prediction
    ranking_bins: int = 8  # of an input, whose mean log squared residuals are compared
    smallest_square: float = 1e-12  # share of the mean squared residual below which one counts as this share
    # Intervals and first wiggly columns of a curve of the noise: a variance is known so roughly that it needs no more.
    intervals: int = 12
    first_wiggly: int = 6


@dataclass(frozen=True)
class AdditivePolicy:
    """Choices of the additive core.

    Parameters
    ----------
    intervals_factor : float
        Knot intervals of every input as a multiple of the cube root of the rows: regression splines need of the order
        of n^(1/5) to n^(1/3) (Li and Ruppert, Biometrika 95 (2008) 415), and REML, not the number of knots, decides how
        wiggly a curve is.
    fewest_intervals, most_intervals : int
        Limits of that number: a cubic spline on eight intervals bends where it needs to on a table of 20 rows; 48 are
        as many as a curve in a table ever used, and keep the normal matrix small.
    knot_mix : (float, float, float)
        Shares of quantiles of the rows, quantiles of the distinct values and even spacing in the knots: quantiles
        follow the rows, distinct values keep heavy ties apart, even spacing within Tukey's fences keeps the knots
        distinct.
    wiggly_columns : int
        Most wiggly columns of all inputs together, and no more than rows: a step of REML takes the cube of it, 0.02 s
        at 1,000.
    first_wiggly : int
        Wiggly columns of each input that are estimated at first; doubled for a curve whose effective degrees of freedom
        exceed half of them, as the check of basis dimensions in mgcv advises (Wood, section 5.9): most curves in tables
        have fewer than six.
    fewest_wiggly : int
        Wiggly columns that every input has at least. mgcv's default basis has ten functions, of which eight are wiggly
        (Wood, "Generalized Additive Models", 2nd ed., section 5.9).
    bent_edf : float
        Effective degrees of freedom of a curve's wiggly part above which a parabola beside it is tried: a parabola
        itself takes one, and its uncertainty two more.
    bent_evidence : float
        The parabola stays if twice the log of the restricted likelihood rises by more: a ratio of 20, strong evidence
        for Kass and Raftery, J. Am. Statist. Assoc. 90 (1995) 773. Without the test, curves in small tables lose one
        to three points of R2 to a column that is nearly free.
    null_share : float
        A wiggly function whose variance over the rows is below this share of the first one's is not seen by the data:
        far above rounding, and below the 1e-7 of the last of 48 functions.
    same_correlation : float
        The part that is straight in ranks is left out where it correlates with the straight one by more.
    tail : float
        The margins of a pair are constant beyond this quantile and its mirror image. Measured with an earlier version:
        products of straight continuations are quadratic where there are no rows, and cost up to nine points of R2.
    margin_intervals : tuple of (int, int)
        Rows from which the margins of pairs have this number of intervals. On Friedman's first function: at 300,
        1,000 and 3,000 rows three or four leave the smallest error, for all products of wiggly functions share one
        strength; more are for tables that can see them.
    used : float
        Share of the products of a margin's wiggly functions that their effective degrees of freedom must exceed for
        twice as many intervals to be tried: a sine needs nine where a product needs three.
    step_bins : int
        Bins of an input whose borders are tried as places of a step; the best one is refined among all rows near it.
    step_rounds : int
        Rounds in which each input may get one step: a checkerboard of 4 by 4 needs three.
    step_intervals : int
        Knot intervals for each step that an input may have: a step takes four knots of those of the curve.
    step_width : float
        Least width of a step as a share of the input's range: single precision keeps four knots apart in it.
    products, rows_per_product : int
        Most columns that pairs with finer margins may have in all, and rows for each: a step of REML takes the cube.
    short_tail : float
        Margins reach the outermost row where the quantiles of `tail` lie within this share of the range from it:
        uniform inputs have 0.01, and no row far out decides what they do; normal ones have 0.1.
    margin_share : float
        As `null_share`, for functions of a margin: margins have few functions, and each is to be visible.
    pair_bins : int
        Bins of every input when pairs are ranked. Lou et al. (KDD 2013) use up to 256; 16 keep 40 rows in a bin of
        10,000 rows.
    quadrant_share, quadrant_rows : float
        Share of the weight, and multiple of the mean weight, that each quadrant of a cut must hold: a contrast of fewer
        rows is decided by one of them.
    pair_screen : float
        The contrast of a pair must exceed this times the log of the number of pairs times `pair_bins`, in variances of
        the noise. The largest of k chi-square variables with one degree of freedom grows as 2 log k, and the best of
        all cuts is about as good as the best of `pair_bins` independent ones.
    pair_level : float
        Level, for all pairs together, of the test by which a pair stays: one per cent keeps tables without pairs free
        of them; on small tables pairs that are none cost more than true ones bring.
    most_pairs, pair_rounds : int
        Most pairs that are tried in a round, and rounds: pairs that matter come first in the ranking.
    most_inputs : int
        Inputs that get a curve; a wider table is screened: a step of REML takes the cube of 14 columns for each, 0.2 s
        for 100, and few tables have more inputs that matter.
    most_straight : int
        Inputs of a linear model; with more, inputs with a curve: a step of REML takes the cube of them.
    pair_inputs : int
        Inputs of which all pairs are ranked; with more inputs those with the largest main effects: 100 inputs have
        4,950 pairs, which take a second at 10,000 rows.
    rank_cut : float
        A pair keeps so few product nodes that the variance of what is cut stays below this share of the variance of its
        estimate: a tenth of the standard error cannot be seen in any band.
    reach : float
        A straight continuation goes as far beyond the outermost row as the quantile of this share lies from that of
        `tail`. The slope at an end is learned from about these rows. A measurement: from the outermost row itself, one
        row far out made a long continuation, which cost 1.5 points of R2 on a table with a heavy tail; on ten others
        nothing changed.
    fence : float
        Even knots end at this multiple of the distance of the quartiles beyond the quartiles: Tukey's fences.
    narrowest : float
        Knots nearer to each other, as a share of the largest number, would coincide in rounding: 2^-52 times 45.
    least_left : float
        Share of a product's mean square below which what the margins leave of it is rounding: sums over the rows lose
        half of the digits at most.
    rank_rounding : float
        Share of a pair's size that may be cut from its product nodes in any case: rounding of sums.
    screening_rounds : int
        Rounds of the screening of inputs: the second finds inputs that others hide; Fan and Lv use a few.
    numbers_kept : int
        Numbers of columns that stay in memory during the iteration, 256 MB.
    numbers_summed : int
        Numbers for which a row of a pass over a table counts at least, so that 2,048 rows are multiplied at a time.
        Measured with ten inputs and a pair, microseconds a row at 1,024, 2,048, 4,096, 8,192 and 65,536 rows: 4.0, 3.8,
        4.2, 5.8 and 10.4; more do not stay in the second-level cache.
    reml : RemlPolicy
        Choices of the maximisation of restricted likelihood.
    inequalities : InequalityPolicy
        Choices of the least squares under constraints.
    inference : InferencePolicy
        Choices of the tests of terms.

    Examples
    --------
    >>> policy = AdditivePolicy()
    >>> policy.intervals(300), policy.intervals(10**6)
    (20, 48)
    """

    intervals_factor: float = 3.0
    fewest_intervals: int = 8
    most_intervals: int = 48
    knot_mix: tuple[float, float, float] = (0.45, 0.45, 0.1)
    wiggly_columns: int = 1000
    first_wiggly: int = 12
    fewest_wiggly: int = 8
    bent_edf: float = 3.0
    bent_evidence: float = 6.0
    null_share: float = 1e-9
    same_correlation: float = 0.999
    tail: float = 0.01
    margin_intervals: tuple[tuple[int, int], ...] = ((0, 3), (500, 4), (10_000, 6), (100_000, 8))
    used: float = 0.25
    step_bins: int = 64
    step_rounds: int = 6
    step_intervals: int = 8
    step_width: float = 1e-5
    products: int = 1000
    rows_per_product: int = 4
    short_tail: float = 0.03
    margin_share: float = 1e-6
    pair_bins: int = 16
    quadrant_share: float = 0.005
    quadrant_rows: float = 5.0
    pair_screen: float = 2.0
    pair_level: float = 0.01
    most_pairs: int = 10
    pair_rounds: int = 2
    most_inputs: int = 100
    most_straight: int = 500
    pair_inputs: int = 100
    rank_cut: float = 0.01
    reach: float = 0.1
    fence: float = 1.5
    narrowest: float = 1e-14
    least_left: float = 1e-8
    rank_rounding: float = 1e-10
    screening_rounds: int = 2
    numbers_kept: int = 1 << 25
    numbers_summed: int = 4096
    reml: RemlPolicy = RemlPolicy()
    inequalities: InequalityPolicy = InequalityPolicy()
    inference: InferencePolicy = InferencePolicy()

    def intervals(self, rows: float) -> int:
        """Return the number of knot intervals of every input for this number of rows."""
        return int(min(max(round(self.intervals_factor * rows ** (1 / 3)), self.fewest_intervals), self.most_intervals))

    def wiggly(self, inputs: int, rows: float) -> int:
        """Return the most wiggly columns of each input: together no more than rows."""
        return max(int(min(self.wiggly_columns, rows)) // max(inputs, 1), self.fewest_wiggly)

    def margin(self, rows: float) -> int:
        """Return the number of intervals of the margins of pairs for this number of rows."""
        return max(size for least, size in self.margin_intervals if rows >= least)

    def varying(self, rows: float) -> int:
        """Return the most wiggly functions of a curve beside two values, so that `most_pairs` curves have room."""
        return max(self.most_products(rows) // self.most_pairs, self.fewest_wiggly)

    def most_products(self, rows: float) -> int:
        """Return the most columns of pairs with finer margins."""
        return min(self.products, int(rows) // self.rows_per_product)
