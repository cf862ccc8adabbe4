"""What follows from the systems that the data do not exclude: forecasts, decision, points of rest, conservation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import root
from scipy.stats import chi2

from edgewise.dynamics.result import Conserved, FixedPoint, Forecast, Motion, System
from edgewise.dynamics.simulation import accurate, together
from edgewise.dynamics.terms import Law
from edgewise.dynamics.trajectories import Kind, Known, Observations, interpolated, no_known
from edgewise.errors import InputError
from edgewise.formulas.expression import (
    Call,
    Expression,
    Multiply,
    Number,
    Variable,
    exact_number,
    monomial,
    sum_of,
    values_and_derivatives,
)
from edgewise.formulas.rewriting import simplify
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class JudgingSettings:
    """Numbers of draws and of starts, and the temper of the draws."""

    # Laws chosen among thousands are seldom the true one: the likelihood of a forecast's draws has the power 1 / 2
    # (Grünwald and van Ommen, Bayesian Anal. 12 (2017) 1069), so that covariances double and rivals weigh more.
    temperature: float = 2.0
    draws: int = 199  # of a forecast's band: of 200 values the tenth and the 190th enclose 90 %
    decision_draws: int = 60  # of laws and constants, a tenth of which may move otherwise
    starts: int = 24  # at which they are compared, half of them within the range of the data


JUDGING = JudgingSettings()


def probabilities(scores: ArrayLike) -> np.ndarray:
    """Probabilities of laws from their scores, which are twice minus the logs of those but for a constant."""
    values = np.asarray(scores, dtype=np.float64)
    # Where no law could be scored, none is more probable than another.
    if not np.isfinite(values).any():
        return np.full(len(values), 1 / len(values))
    weights = np.exp(-(values - values.min()) / 2)
    return weights / weights.sum()


def other_starts(data: Observations) -> np.ndarray:
    """Starts (S, states) around those measured, first near the middle, then up to a range beyond it."""
    low, high = data.box
    random = np.random.default_rng(data.seed)
    inner = random.uniform(low, high, (JUDGING.starts // 2, len(low)))
    outer = random.uniform(2 * low - high, 2 * high - low, (JUDGING.starts // 2, len(low)))
    starts = np.concatenate([inner, outer])
    # What never was negative is counted or weighed: starts stay positive
    return np.where((low >= 0) & (starts < 0), low / 2 + (high - low) * 0.02, starts)


def blows_up(law: Law, data: Observations) -> bool:
    """Whether a state leaves all measure within twice the time, or from starts half as far from the middle again."""
    kind = data.kind
    for run in data.runs:
        z = run.states
        middle = z.mean(axis=0)
        starts = np.stack([z[0], middle + 1.5 * (z[0] - middle), middle + 0.5 * (z[0] - middle)])
        starts = np.where((z.min(axis=0) > 0) & (starts <= 0), z[0] / 2, starts)
        longer = run.t
        if not kind.inputs:
            longer = np.concatenate([run.t, run.t[-1] + (run.t[1:] - run.t[0])])
        path = together(law, kind, starts, longer, substeps=data.substeps, known=run.known)[:, :, : kind.measured]
        limit = 30 * (np.abs(z).max() + np.ptp(z))
        if not np.isfinite(path).all() or (np.abs(path).max() > limit and kind.states > 1):
            return True
    return False


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Explained share of the variance (S,) of all coordinates of paths (n, S, d).

    Minus infinity where one path is lost; 1 where both leave all measure, which is what they then have in common.
    """
    total = ((first - first.mean(axis=0)) ** 2).sum(axis=(0, 2))
    left = ((first - second) ** 2).sum(axis=(0, 2))
    share = np.where(np.isfinite(total + left), 1 - left / np.maximum(total, ABOVE_ZERO), -np.inf)
    are_lost = ~np.isfinite(first).all(axis=(0, 2)) & ~np.isfinite(second).all(axis=(0, 2))
    return np.where(are_lost, 1.0, share)


@dataclass(frozen=True)
class Start:
    """Where a forecast begins: a state with its standard errors, or the end of a trajectory (`run`)."""

    time: float
    state: np.ndarray  # (states,)
    errors: np.ndarray  # (states,), beside the errors of constants, with which those of a trajectory's end go
    run: int | None = None  # the trajectory that goes on; None for a state that was given

    @classmethod
    def after(cls, motion: Motion, run: int) -> Start:
        """The last fitted state of a trajectory."""
        last = motion.evidence.runs[run]
        return cls(float(last.t[-1]), last.states[-1], np.zeros(motion.choice.kind.states), run)

    def drawn(self, system: System, count: int, data: Observations, random: np.random.Generator) -> np.ndarray:
        """States and constants (count, states + p): t distributed as estimated, and a given state normal about it."""
        d = len(self.state)
        freedom = max(int(data.counts.sum()) - len(system.law.theta) - d * len(data.runs), 1)
        mean = np.concatenate([self.state, system.law.theta])
        covariance = np.zeros((len(mean), len(mean)))
        if self.run is not None and system.ends:
            mean[:d], covariance = system.ends[self.run]
        elif np.isfinite(system.covariance).all():  # constants of a law that no trajectory follows have none
            covariance[d:, d:] = system.covariance
        values, vectors = np.linalg.eigh(covariance)
        half = vectors * np.sqrt(np.maximum(values, 0))
        scale = np.sqrt(JUDGING.temperature * freedom / random.chisquare(freedom, (count, 1)))
        drawn = mean + scale * random.standard_normal((count, len(mean))) @ half.T
        drawn[:, :d] += self.errors * random.standard_normal((count, d))
        return drawn


def draws(systems: Sequence[System], start: Start, count: int, data: Observations) -> list[tuple[System, np.ndarray]]:
    """Draws from the laws by their probabilities: of each that has some, states and constants (draws, states + p)."""
    random = np.random.default_rng(data.seed)
    weights = probabilities(np.array([system.score for system in systems]) / JUDGING.temperature)
    counts = random.multinomial(count, weights)
    pairs = zip(systems, counts, strict=True)
    return [(system, start.drawn(system, number, data, random)) for system, number in pairs if number]


def decision(systems: Sequence[System], data: Observations) -> tuple[bool, np.ndarray]:
    """Whether the choice, the first system, and draws from all of them move alike, and the start where they part most.

    The draws are those of a forecast: rivals by their probabilities, and constants as well as they are estimated.
    """
    run = data.runs[0]
    kind = data.kind
    starts = other_starts(data)
    nothing = np.zeros(kind.states)
    shares = []
    with np.errstate(all="ignore"):
        choice = together(systems[0].law, kind, starts, run.t, substeps=data.substeps, known=run.known)
        choice = choice[..., : kind.measured]
        for system, drawn in draws(systems, Start(float(run.t[0]), nothing, nothing), JUDGING.decision_draws, data):
            theta = np.repeat(drawn[:, kind.states :].T, len(starts), axis=1)
            begins = np.tile(starts, (len(drawn), 1))
            path = together(system.law, kind, begins, run.t, theta=theta, substeps=data.substeps, known=run.known)
            share = agreement(np.tile(choice, (1, len(drawn), 1)), path[..., : kind.measured])
            shares.append(share.reshape(len(drawn), -1))
    agreements = np.concatenate(shares)
    # Draws that move otherwise from a quarter of the starts weigh less than one in ten
    differs = np.mean(agreements < 0.9, axis=1) > 0.25
    is_decided = bool(np.mean(differs) < 0.1)
    # The start at which the draws differ most, of those from which the choice stays within measure
    largest = np.abs(np.concatenate([one.states[:, : kind.measured] for one in data.runs])).max(axis=0)
    stays = (np.abs(choice) < 5 * largest).all(axis=(0, 2)) & np.isfinite(choice).all(axis=(0, 2))
    disagreement = np.mean(1 - np.clip(agreements, -1, 1), axis=0)
    best = int(np.argmax(np.where(stays, disagreement, -1.0)))
    return is_decided, starts[best]


def forecast_of(
    motion: Motion, start: Start, times: np.ndarray, level: float, inputs: Mapping[str, np.ndarray] | None
) -> Forecast:
    """The trajectory of the choice, and a band of draws from rivals, constants and start."""
    evidence = motion.evidence
    kind = motion.choice.kind
    known = _inputs_of(motion, times, inputs)
    t = times if times[0] == start.time else np.concatenate([[start.time], times])
    # As fine a grid as the search had, with the times asked for
    spacing = float(np.median(np.concatenate([np.diff(run.t) for run in evidence.runs]))) / evidence.substeps
    parts = np.ceil(np.diff(t) / spacing).astype(int)
    parts = np.minimum(np.maximum(parts, 1), max(20_000 // len(t), 1))
    if kind.is_map:
        parts = np.maximum(np.round(np.diff(t)).astype(int), 1)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(t[:-1], t[1:], parts, strict=True)]
    fine = np.concatenate([*pieces, t[-1:]])
    asked = np.concatenate([[0], np.cumsum(parts)])[len(t) - len(times) :]
    m = kind.measured

    paths = []
    for system, drawn in draws([motion.choice, *motion.rivals], start, JUDGING.draws, evidence):
        theta = drawn[:, kind.states :].T
        path = together(system.law, kind, drawn[:, : kind.states], fine, theta=theta, substeps=1, known=known)
        paths.append(path[asked][:, :, :m])
    # The band lies between order statistics: k of 200 values below, and as many above; a lost path may be at either end
    values = np.concatenate(paths, axis=1)
    is_kept = np.isfinite(values)
    lower, upper = (np.sort(np.where(is_kept, values, lost), axis=1) for lost in (-np.inf, np.inf))
    place = max(round((JUDGING.draws + 1) * (1 - level) / 2), 1) - 1
    if kind.is_map or kind.delays:
        x = together(motion.choice.law, kind, start.state[None], fine, substeps=1, known=known)[asked][:, 0, :m]
    else:
        x = accurate(motion.choice.law, kind, start.state, t, known)[len(t) - len(times) :, :m]
    return Forecast(times, x, lower[:, place], upper[:, -1 - place], level)


def _inputs_of(motion: Motion, t: np.ndarray, inputs: Mapping[str, np.ndarray] | None) -> Known:
    """The inputs of a forecast as a function of time."""
    kind = motion.choice.kind
    names = motion.choice.variables[kind.states : kind.states + kind.inputs]
    if not names:
        return no_known
    if not isinstance(inputs, Mapping) or set(inputs) != set(names):
        raise InputError(f"inputs must map {', '.join(names)} to a number for each time")
    columns = [np.asarray(inputs[name], dtype=np.float64) for name in names]
    if any(column.shape != t.shape for column in columns):
        raise InputError(f"inputs must hold {len(t)} numbers each, one for each time")
    return interpolated(t, columns)


def jacobian(system: System, state: np.ndarray) -> np.ndarray:
    """The Jacobian (states, states) of the right-hand sides at a state, by central differences."""
    kind = system.kind
    d = kind.states
    steps = 1e-5 * (1e-3 + np.abs(state))
    shifts = np.diag(steps)
    variables = np.concatenate([state + shifts, state - shifts]).T
    values = kind.rates(system.law, variables, np.zeros((kind.known, 2 * d)), system.law.theta[:, None])
    return (values[:, :d] - values[:, d:]) / (2 * steps)


def fixed_points_of(motion: Motion) -> list[FixedPoint]:
    """Isolated roots of the right-hand sides from starts in and around the data, each once."""
    system = motion.choice
    kind = system.kind
    low, high = motion.evidence.box
    reach = high - low
    random = np.random.default_rng(motion.evidence.seed)
    guesses = np.concatenate(
        [random.uniform(low - reach / 2, high + reach / 2, (60, len(low))), np.zeros((1, len(low)))]
    )

    def slopes(state: np.ndarray) -> np.ndarray:
        rates = kind.rates(system.law, state, np.zeros(kind.known), system.law.theta)
        return rates - state if kind.is_map else rates

    found: list[FixedPoint] = []
    for guess in guesses:
        with np.errstate(all="ignore"):
            result = root(slopes, guess, method="hybr")
            residual = np.abs(slopes(result.x)).max()
        point = np.where(np.abs(result.x) < 1e-10 * (reach + ABOVE_ZERO), 0.0, result.x)
        is_near = ((point > low - reach) & (point < high + reach)).all()
        is_new = all(np.abs((point - one.state) / (reach + ABOVE_ZERO)).max() > 1e-4 for one in found)
        scale = np.abs(slopes(guess)).max() + 1e-12
        if residual < 1e-7 * scale and is_near and is_new and np.isfinite(point).all():
            matrix = jacobian(system, point)
            rates = matrix - np.eye(len(point)) if kind.is_map else matrix
            if _is_isolated(slopes, point, rates, reach, scale):
                eigenvalues = np.linalg.eigvals(matrix).astype(complex)
                found.append(FixedPoint(point, eigenvalues, _stability(eigenvalues, kind)))
    return sorted(found, key=lambda one: tuple(one.state))


def _is_isolated(
    slopes: Callable[[np.ndarray], np.ndarray], point: np.ndarray, rates: np.ndarray, reach: np.ndarray, scale: float
) -> bool:
    """Whether a root lies on no line of roots: along a null vector of its Jacobian the slopes do not stay zero."""
    _, sizes, directions = np.linalg.svd(rates)
    if sizes[-1] > 1e-6 * (sizes[0] + ABOVE_ZERO):
        return True
    # A twentieth of the range of the data to both sides, in the direction of the smallest singular value.
    step = 0.05 * directions[-1] * np.linalg.norm(reach)
    with np.errstate(all="ignore"):
        along = [np.abs(slopes(point + side * step)).max() for side in (-1, 1)]
    return bool(min(along) > 1e-6 * scale)


def _stability(eigenvalues: np.ndarray, kind: Kind) -> str:
    """The kind of a point of rest by its eigenvalues."""
    growth = eigenvalues.real
    if kind.is_map:
        growth = np.log(np.maximum(np.abs(eigenvalues), ABOVE_ZERO))
    tolerance = 1e-6 * (np.abs(eigenvalues).max() + ABOVE_ZERO)
    if (growth < -tolerance).all():
        return "stable"
    if (growth > tolerance).all():
        return "unstable"
    if (growth > tolerance).any() and (growth < -tolerance).any():
        return "saddle"
    if (np.abs(growth) <= tolerance).all() and (np.abs(eigenvalues.imag) > tolerance).all():
        return "centre"
    return "degenerate"


def conserved_by(motion: Motion) -> Conserved | None:
    """A sum of functions of the states whose derivative along the choice vanishes, with a test by the samples.

    A quantity Q = sum_j c_j q_j is conserved where sum_j c_j (grad q_j . f) = 0 at all states: c is a null vector of
    the matrix of these derivatives at random states (Kaiser, Kutz and Brunton, arXiv:1811.00961).
    """
    system = motion.choice
    kind = system.kind
    low, high = motion.evidence.box
    points = np.random.default_rng(motion.evidence.seed).uniform(low, high, (400, len(low)))
    functions = _conserved_functions(low > 0)
    known = np.zeros((kind.known, len(points)))
    flow = kind.rates(system.law, points.T, known, system.law.theta[:, None]).T
    derivatives = []
    gradients = []
    for function in functions:
        _, by_input = values_and_derivatives(function, points, columns=range(len(low)))
        gradient = by_input[:, by_input.shape[1] - len(low) :]
        derivatives.append((gradient * flow).sum(axis=1))
        gradients.append(np.linalg.norm(gradient * np.abs(flow), axis=1))
    scale = np.array([np.sqrt(np.mean(one**2)) + ABOVE_ZERO for one in gradients])
    matrix = np.column_stack(derivatives) / scale
    chosen = _sparsest_null(matrix)
    if chosen is None:
        return None
    places, weights = chosen
    weights = weights / scale[places]
    weights = weights / weights[int(np.argmax(np.abs(weights) * scale[places]))]
    terms = [Multiply((_round(c), functions[p])) for c, p in zip(weights, places, strict=True)]
    expression = simplify(sum_of(terms))
    return Conserved(expression, system.variables[: kind.states], _constancy(expression, motion))


def _round(value: float) -> Number:
    """A number; a whole one exactly."""
    if abs(value - round(value)) < 1e-6:
        return exact_number(round(value))
    return Number(float(value))


def _conserved_functions(is_positive: np.ndarray) -> list[Expression]:
    """Candidates: monomials up to the fourth degree of few states, logarithms and cosines."""
    d = len(is_positive)
    degree = 4 if d <= 3 else 2
    functions: list[Expression] = []
    for total in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(d), total):
            functions.append(monomial([(k, chosen.count(k)) for k in range(d)]))
    functions += [Call("log", Variable(k)) for k in range(d) if is_positive[k]]
    functions += [Call("cos", Variable(k)) for k in range(d)]
    return functions


def _sparsest_null(matrix: np.ndarray) -> tuple[list[int], np.ndarray] | None:
    """Columns and weights of the shortest sum that vanishes up to rounding: up to four of all, else elimination."""
    count = matrix.shape[1]
    gram = matrix.T @ matrix / len(matrix)
    if float(np.linalg.eigvalsh(gram)[0]) > 1e-10:
        return None
    for size in (1, 2, 3, 4):
        if size == 4 and count > 20:
            break
        for places in combinations(range(count), size):
            own = gram[np.ix_(places, places)]
            values, vectors = np.linalg.eigh(own)
            if values[0] < 1e-10:
                return list(places), vectors[:, 0]
    kept = list(range(count))
    for place in reversed(range(count)):
        rest = [one for one in kept if one != place]
        if np.linalg.eigvalsh(gram[np.ix_(rest, rest)])[0] < 1e-10:
            kept = rest
    return kept, np.linalg.eigh(gram[np.ix_(kept, kept)])[1][:, 0]


def _constancy(expression: Expression, motion: Motion) -> float:
    """The p-value of a chi-squared test that a quantity keeps its value along each trajectory of samples."""
    m = motion.choice.kind.measured
    total = 0.0
    freedom = 0
    for run in motion.evidence.runs:
        rows = run.present.all(axis=1)
        sampled = np.column_stack([run.y, run.states[:, m:]])[rows]
        values, by_input = values_and_derivatives(expression, sampled, columns=range(sampled.shape[1]))
        gradient = by_input[:, by_input.shape[1] - sampled.shape[1] :][:, :m]
        variance = ((gradient * run.sigma[rows]) ** 2).sum(axis=1) + ABOVE_ZERO
        usable = np.isfinite(values) & np.isfinite(variance)
        weights = 1 / variance[usable]
        middle = float(values[usable] @ weights / weights.sum())
        total += float(((values[usable] - middle) ** 2 * weights).sum())
        freedom += int(usable.sum()) - 1
    return float(chi2.sf(total, max(freedom, 1)))
