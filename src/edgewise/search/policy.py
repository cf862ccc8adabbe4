"""Settings of a model search (what the caller fixes) and its policy (every threshold of the search itself)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from edgewise.gam.constraints import Constraints
from edgewise.gam.families.base import Family
from edgewise.gam.families.exponential import Gaussian
from edgewise.gam.policy import AdditivePolicy
from edgewise.outcomes import ProgressCallback

Effort = Literal["low", "normal", "high"]
EFFORTS = get_args(Effort)


@dataclass(frozen=True)
class SearchPolicy:
    """Thresholds and sizes of a search, in one place so that an ablation can vary them."""

    # Losses refer to targets of variance 1, so that a loss of 1 is that of predicting the mean.

    # (rows, parts, repeats): tables of at least `rows` rows are divided `repeats` times into `parts`. Five parts,
    # Breiman and Spector, Int. Stat. Rev. 60 (1992) 291, are as good as ten for choosing models. A small table is
    # divided twice, since the luck of one division is a good part of the error; a large one into three parts, which
    # saves time
    divisions: tuple[tuple[int, int, int], ...] = ((0, 5, 2), (1500, 3, 1))
    # share of the rows that unequal weights must be worth (Kish, "Survey Sampling", 1965, section 11.7), or folds judge
    # the candidates: rows that weigh more have no less noise where weights count copies
    even_weights: float = 0.95
    # rows from which a single part is held out: a fifth of 10,000 rows shows differences of some percent
    single_rows: int = 10_000
    # most rows of the cross-validation, since more lead to the same decision; the final fit uses all rows
    search_rows: int = 20_000
    # rows times inputs that the search handles in a second, for the rows that a time limit allows it, far below what
    # was measured (200,000), since a search makes several fits and machines are busy
    rows_per_second: float = 20_000.0
    # shares of the time that is left which the search may take, and then the final fit: the final fit sees more rows
    # than the search and takes about as long; what then is left is for error bars and reports
    search_share: float = 0.5
    final_share: float = 0.7
    # share of the time that the first additive model may take, see `first_rows`: it is all there is if the search does
    # not come to one
    first_share: float = 0.3
    # the final fit takes as many rows as should take its share of the time divided by this number: on a busy
    # machine the same work takes half as long again
    busy: float = 1.5
    # rows of the first model, which is there if the time limit or Ctrl-C ends a search early, and least rows of a
    # search, however short the time: an additive model of them takes some hundredths of a second
    first_rows: int = 500
    # predictions stay within the range of the fitted values at the rows, widened on either side by this share of it:
    # one input beyond the rows moves its straight continuation by less than a fifth of its curve's range if it is
    # uniform or normal (`AdditivePolicy.reach`); half leaves room for several such inputs and for corners between the
    # rows, and none for a sum over all inputs at once, which no row speaks for
    beyond: float = 0.5
    # the same for samples without noise, whose inputs are followed a whole range beyond the samples
    noise_free_beyond: float = 1.0
    # polynomials of all inputs, hidden nodes and approximations must lower the held-out loss by this many standard
    # errors of the difference (the one-standard-error rule of Breiman et al., "Classification and Regression Trees",
    # 1984, section 3.4.3)
    margin: float = 1.0
    # the same for the additive model against a constant, for pairs, links and bags. 0, so that the lower held-out loss
    # decides: restricted likelihood has required evidence before, and a rule that wants a standard error more loses
    # what true but small effects add up to
    nested_margin: float = 0.0
    # pairs that lower the variance of the noise below this share of it are taken without cross-validation: such a fall
    # is no chance, and on all tables where pairs did harm the variance fell far less
    settled_noise: float = 0.5
    # A candidate that is worse by this many standard errors is not developed further (a race, as in Maron and Moore,
    # "Hoeffding races", 1994)
    race_margin: float = 2.0
    # rows from which parts of a table with several linear predictors keep the strengths, and the pairs, of the whole
    # table, and estimate coefficients alone: the rows of a sample determine strengths well
    held_rows: int = 1000
    # strengths for classes are raised, or else lowered, by this factor as long as that lowers the held-out loss, and at
    # most to this multiple: a held-out loss is flat within a factor of two of its best strength, and 64 times the
    # penalty leave little of a model
    shrinkage: float = 4.0
    most_shrinkage: float = 64.0
    # A logarithmic link is tried where the largest target is over this multiple of the mean: less skewed targets gained
    # nothing where it was tried
    link_skew: float = 3.0
    # Level, and random orders, of the test by which the order of classes that are numbers has a meaning
    order_level: float = 0.05
    orders: int = 1000
    # share by which a logarithmic link, or a mean, must lower the loss: less is worth neither leaving the scale of y
    # nor further models
    least_gain: float = 0.005
    # most rows for which a mean of models is tried. Measured with an earlier version: on three tables of under 700 rows
    # the mean of ten models, each fitted to 80 % of the rows, raised R² by 2, 4 and 10 points; larger tables hardly
    # gained
    bag_rows: int = 1500
    fewest_for_means: int = 10  # rows: parts of fewer determine nothing
    # models of such a mean in the final fit: the mean of ten has a tenth of the variance that resampling brings
    bags: int = 10
    # least loss, as a share of that of a constant, for which a mean is tried: where little is left, models of parts of
    # the rows hardly differ
    bag_loss: float = 0.1
    # share of the rows that each model of a mean sees (subsample bagging, Bühlmann and Yu, Annals of Statistics 30
    # (2002) 927)
    bag_share: float = 0.8
    # hidden nodes, tried in this order while they lower the held-out loss: about doublings
    hidden_sizes: tuple[int, ...] = (2, 4, 8)
    # most inputs of a first additive model
    few_inputs: int = 30
    # fewest rows for hidden nodes, polynomials and conclusions about noise: with fewer, directions and smoothness are
    # chance
    fewest_rows: int = 100
    hidden_folds: int = 3  # most folds on which hidden nodes are compared: each takes some seconds
    # most inputs, and rows, of tables for which a polynomial of all inputs is tried in place of pairs: with four inputs
    # 500 products reach degree 8, and with more rows pairs have margins that are fine enough
    smooth_inputs: int = 4
    smooth_rows: int = 5000
    test_rows: int = 4000  # most rows, and random starting directions, of the test that asks for hidden nodes
    test_starts: int = 4
    growth_rows: int = 2000  # most rows on which directions are trained: training takes time proportional to them
    # most parameters of the nodes in training: a step takes time proportional to their square. More for nodes of
    # straight lines, the fewest that they can have, where each has this number of rows, up to the largest number
    growth_parameters: int = 250
    rows_per_growth: int = 10
    most_growth: int = 600
    # Hidden layers of a network in place of curves: sums of sums of functions, f(g(h)), and as many nodes as most
    # formulas need. Rows times squared parameters, the multiply-adds of one of its steps: about half a second a fold
    deep_shape: tuple[int, ...] = (8, 4)
    deep_work: float = 2e9
    noise_free: float = 1e-5  # held-out loss below which samples are taken to be free of noise
    # held-out loss below which smooth residuals tell of samples without noise: beyond a tenth a model has found too
    # little for its residuals to say anything
    nearly_noise_free: float = 0.1
    # standard errors by which the ratio of von Neumann must lie below 1, its value for noise, for residuals to be
    # smooth: noise does so once in a thousand tables
    smooth_errors: float = 3.0
    # most inputs of samples that are taken to be free of noise: with more, 900 products are of degree 4, and samples
    # hardly cover the domain
    noise_free_inputs: int = 6
    # root mean square error without noise at which no network is tried: it is beyond what networks reach in that time
    resolved: float = 1e-6
    # share of noise-free samples that take part in no choice; the error bars are calibrated on them
    unseen: float = 0.1
    approximation_budget: float = 0.1  # budget of `approximate`: a tenth of its unit is some seconds
    # of networks of a fixed shape: parts of cross-validation, since they take longer than additive models, rows from
    # which a single part is held out, and the factors and the range of their strength, from an almost constant model to
    # no noticeable penalty
    network_parts: int = 3
    network_single_rows: int = 5000
    network_shrinkage: float = 10.0
    network_most_shrinkage: float = 1e6
    final_starts: int = 3  # most starts of a fixed shape with hidden layers; the one with the lowest objective is kept
    additive: AdditivePolicy = field(default_factory=AdditivePolicy)  # choices of the additive core
    left_out: tuple[str, ...] = ()  # names of stages that an ablation leaves out

    def division(self, rows: int) -> tuple[int, int]:
        """Return the parts and repeats of cross-validation for a number of rows, counted once a linear predictor."""
        return next((parts, repeats) for least, parts, repeats in reversed(self.divisions) if rows >= least)

    def may_be_smooth(self, rows: int, inputs: int) -> bool:
        """Return whether a table has few inputs, and rows neither too few nor too many, for a polynomial of all."""
        return 2 <= inputs <= self.smooth_inputs and self.fewest_rows <= rows <= self.smooth_rows

    def growth(self, rows: int) -> int:
        """Return the most parameters of hidden nodes in training for a number of rows."""
        return max(self.growth_parameters, min(rows // self.rows_per_growth, self.most_growth))

    def best_factor(self, is_better: Callable[[float, float], bool], first: float = 1.0) -> float:
        """Return the factor of the strengths at which steps by `shrinkage`, up or else down, no longer help."""
        best = first
        for step in (self.shrinkage, 1 / self.shrinkage):
            while 1 / self.most_shrinkage < best < self.most_shrinkage and is_better(best, best * step):
                best *= step
            if best != first:
                break
        return best

    def for_networks(self) -> SearchPolicy:
        """Return the policy for networks of a fixed shape."""
        return replace(
            self,
            divisions=((0, self.network_parts, 1),),
            single_rows=self.network_single_rows,
            shrinkage=self.network_shrinkage,
            most_shrinkage=self.network_most_shrinkage,
        )

    def for_effort(self, effort: str) -> SearchPolicy:
        """Return the policy for an effort: "high" divides twice as often and allows more nodes and more models."""
        if effort != "high":
            return self
        # Twice the divisions, models and folds, and more rows and work for what a search of normal effort leaves out.
        return replace(
            self,
            divisions=tuple((rows, parts, 2 * repeats) for rows, parts, repeats in self.divisions),
            bags=2 * self.bags,
            bag_rows=4 * self.bag_rows,
            hidden_sizes=(*self.hidden_sizes, 2 * self.hidden_sizes[-1]),
            hidden_folds=2 * self.hidden_folds,
            growth_rows=2 * self.growth_rows,
            growth_parameters=2 * self.growth_parameters,
            most_growth=2 * self.most_growth,
            approximation_budget=1.0,
            final_starts=2 * self.final_starts,
        )


@dataclass(frozen=True)
class SearchSettings:
    """Settings that the caller of a search fixes; None leaves a choice to the search."""

    family: Family = field(default_factory=Gaussian)  # the distribution of the target, or the loss of its errors
    outputs: int = 1  # outputs of the model: the number of classes, or of columns of y
    hidden: tuple[int, ...] | None = None  # nodes of the hidden layers; () is an additive model
    grid_size: int | None = None  # knot intervals of every edge
    strength: float | None = None  # strength of the regularisation
    # "low" fits the additive model alone; "normal" adds pairs, links, means of models, and hidden nodes where the
    # residual asks for them; "high" does so with more folds, nodes and starts
    effort: str = "normal"
    jobs: int = 1  # threads for folds and models
    time_limit: float | None = None  # seconds
    began: float | None = None  # when they began to count, by `time.monotonic`; when the search begins by default
    keep_interrupted: bool = False  # whether Ctrl-C returns the best model so far instead of raising KeyboardInterrupt
    progress: ProgressCallback | None = None  # called with the stages of the fit
    seed: int = 0  # seed of folds, models and initial weights
    policy: SearchPolicy = field(default_factory=SearchPolicy)  # thresholds of the search
    # what every candidate obeys; hidden nodes and approximations without noise are then not tried
    constraints: Constraints | None = None
    # the first pass over a table in batches, of which the search sees a sample; the estimators use it
    survey: Any = None
    # called with a finished fit of one target in memory, `estimator.regressor.RegressionFit`; the command line uses it
    hand_on: Callable[[Any], None] | None = None

    @property
    def is_restricted(self) -> bool:
        """True if something of the model is fixed, or known of it, so that nothing else is tried."""
        return self.is_fixed or self.hidden is not None or self.constraints is not None

    @property
    def is_fixed(self) -> bool:
        """True if a shape, a grid or a strength was given, so that a network of that kind is trained."""
        return bool(self.hidden) or self.grid_size is not None or self.strength is not None
