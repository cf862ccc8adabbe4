"""Constants of the search for laws of motion, each with its unit and its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DynamicsSettings:
    """Limits, prices and tolerances of `find_dynamics`.

    Parameters
    ----------
    usual_seconds : float
        Seconds for which a core works where no time limit is set.
    judging_seconds : float
        Seconds after a time limit in which the laws that were found are still judged.
    formula_seconds : float
        Seconds of `find_formula` for an equation that no sum of terms explains.
    most_knots : int
        Knots of a smoothing spline, at most.
    time_pieces : int
        Places in time between which the strength of the smoothing changes.
    most_terms : int
        Terms of an equation, at most.
    shared_cost : float
        Price of a term that another equation has too, in units of twice the log prior.
    blow_up_cost : float
        Price of a system that blows up soon after, or beside, the measured times.
    rival_gap : float
        Difference of scores up to which a system is a rival that the data do not exclude: 6 is a Bayes factor of 20
        (Kass and Raftery, J. Am. Statist. Assoc. 90 (1995) 773).
    exchanges : int
        Laws with one term exchanged that are fitted beside the choice, at most, to see whether the data exclude them.
    adequate : float
        Mean squared residual, in units of the noise, up to which a system is said to follow the data.

    Examples
    --------
    >>> from edgewise.dynamics import DynamicsSettings
    >>> DynamicsSettings(most_terms=4).most_terms
    4
    """

    usual_seconds: float = 40.0
    judging_seconds: float = 1.0
    formula_seconds: float = 6.0
    most_knots: int = 400
    time_pieces: int = 6
    most_terms: int = 8
    shared_cost: float = 2.5
    blow_up_cost: float = 10.0
    rival_gap: float = 6.0
    exchanges: int = 8
    adequate: float = 1.5
