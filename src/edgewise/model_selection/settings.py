"""Settings of a model search (what the caller fixes) and its policy (the thresholds of the search itself)."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewise.model_selection.candidates import Candidate


@dataclass(frozen=True)
class SearchPolicy:
    """Thresholds and sizes of the search heuristics, in one place so that an ablation can vary them.

    Errors and losses refer to targets of variance 1, so that a loss of 1 is that of predicting the mean.

    Parameters
    ----------
    hidden_sizes : tuple of int
        Nodes of one hidden layer, tried in this order while they lower the held-out loss. A choice: about doublings.
    smooth_sizes : tuple of int
        The same where smoothness is fitted edge by edge. There a shape costs one trial instead of a walk along the
        penalty strengths, and fewer nodes are often enough, so the sizes start at 2.
    smaller_sizes : tuple of (int, int)
        Pairs (size, smaller size): after `smooth_sizes` the smaller layer than the best one is tried. A choice.
    two_layers : tuple of int
        Two hidden layers, tried where two nodes in one layer lower the loss. From samples with 5 % of noise five
        nodes in one layer learned exp(-(t - u)^2 / (2 s^2)) / s to 5 %, ten nodes sqrt(1 + a^2 - 2 a cos(t - u)) to
        5 %; these two layers learned both to 2 %.
    affordable_trials : float
        Trials of the first smooth hidden layer that the budget must hold; with less, the plain candidates, which cost
        a third as much each, get further. A choice.
    strongest, weakest : float
        Range of the penalty strength. A choice: from an almost constant model to no noticeable penalty.
    strongest_hidden : float
        Strongest penalty at which hidden layers start: the strength that suits an additive model that explains
        nothing would flatten them. A choice.
    margin : float
        A larger or less penalised model must lower the held-out loss by this many standard errors of the difference;
        ties go to the simpler model (one-standard-error rule: Breiman et al., "Classification and Regression Trees",
        1984, section 3.4.3).
    race_margin : float
        A candidate that is worse than its rival by this many standard errors on the first folds is not trained on the
        remaining folds, nor at other strengths (a race, as in Maron and Moore, "Hoeffding races", 1994).
    rounding : float
        Held-out loss that float64 cannot improve on.
    noise_free : float
        Held-out loss below which the samples are taken to be free of noise. A choice.
    noise_free_samples : int
        Fewest samples for that conclusion. A choice.
    unseen : float
        Share of noise-free samples that take part in no choice; the error bars are calibrated on them. A choice.
    approximation_gain : float
        An approximation of noise-free samples replaces the model of the search if its held-out loss is below this
        multiple of the search's loss. A choice.
    search_samples : int
        Most samples of a search: more cost more and lead to the same choice; the final fit uses all of them.
    final_starts : int
        Most starts of a final model with hidden layers; the one with the lowest objective is kept. A choice.

    Examples
    --------
    >>> policy = SearchPolicy(hidden_sizes=(3, 6))
    >>> policy.hidden_sizes, policy.margin
    ((3, 6), 1.0)
    """

    hidden_sizes: tuple[int, ...] = (5, 10, 20)
    smooth_sizes: tuple[int, ...] = (2, 5, 10, 20)
    smaller_sizes: tuple[tuple[int, int], ...] = ((2, 1), (5, 3), (10, 7), (20, 14))
    two_layers: tuple[int, ...] = (3, 2)
    affordable_trials: float = 4
    strongest: float = 1.0
    weakest: float = 1e-10
    strongest_hidden: float = 1e-3
    margin: float = 1.0
    race_margin: float = 2.0
    rounding: float = 1e-24
    noise_free: float = 1e-5
    noise_free_samples: int = 100
    unseen: float = 0.1
    approximation_gain: float = 0.25
    search_samples: int = 20_000
    final_starts: int = 5


@dataclass(frozen=True)
class SearchSettings:
    """Settings of one search; None leaves a choice to the search.

    Parameters
    ----------
    outputs : int
        Outputs of the model: the number of classes, or of columns of y.
    hidden : tuple of int, optional
        Nodes of the hidden layers; () is an additive model.
    grid_size : int, optional
        Knot intervals of every edge.
    strength : float, optional
        Strength of the regularisation, see `Candidate`.
    degree : int
        Polynomial degree of the splines.
    budget : float
        Work that may be spent: 1 is `edgewise.settings.TABLE_BUDGET_WORK`, and less for small tables
        (`candidates.reasonable_work`). The work is counted, not timed.
    time_limit : float, optional
        Seconds. The limit only decides between stages, so a limit that is not reached changes nothing.
    seed : int
        Seed of the folds and of the initial weights.
    policy : SearchPolicy
        Thresholds of the search.

    Examples
    --------
    >>> settings = SearchSettings(outputs=1, hidden=(5,))
    >>> settings.searches_hidden, settings.searches_grid
    (False, True)
    >>> settings.start.describe()
    '1 hidden layer of 5 nodes, grid 4, regularisation 1e-04'
    """

    outputs: int
    hidden: tuple[int, ...] | None = None
    grid_size: int | None = None
    strength: float | None = None
    degree: int = 3
    budget: float = 1.0
    time_limit: float | None = None
    seed: int = 0
    policy: SearchPolicy = field(default_factory=SearchPolicy)

    @property
    def searches_hidden(self) -> bool:
        """True if the search chooses the hidden layers."""
        return self.hidden is None

    @property
    def searches_grid(self) -> bool:
        """True if the search chooses the grid size."""
        return self.grid_size is None

    @property
    def searches_strength(self) -> bool:
        """True if the search chooses the strength of the regularisation."""
        return self.strength is None

    @property
    def start(self) -> Candidate:
        """First candidate: the fixed settings, and the defaults of `Candidate` for the others."""
        default = Candidate()
        return Candidate(
            hidden=default.hidden if self.hidden is None else self.hidden,
            grid_size=default.grid_size if self.grid_size is None else self.grid_size,
            strength=default.strength if self.strength is None else self.strength,
            degree=self.degree,
        )
