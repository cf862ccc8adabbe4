"""What `find_dynamics` returns: systems of equations from short to accurate, and what follows from the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgewise.checks import check_number
from edgewise.dynamics.terms import Law, variables_of
from edgewise.dynamics.trajectories import Kind, Observations
from edgewise.errors import InputError
from edgewise.formulas.expression import (
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    complexity,
    exact_number,
    exchanged,
    product_of,
    sum_of,
)
from edgewise.formulas.printing import as_written
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import StopReason
from edgewise.presentation import enumeration, number_text, text_with_error, typed_text

if TYPE_CHECKING:
    from edgewise.dynamics.network import MotionNetwork
    from edgewise.plot.style import Figure
    from edgewise.report import Report


@dataclass(frozen=True)
class Constant:
    """A constant of a system, in the units of data."""

    symbol: str  # its letter in the printed equations
    value: float
    error: float  # standard error
    equation: str  # the coordinate in whose equation it stands

    def __str__(self) -> str:
        # A constant of equations that no trajectory follows has no error
        is_fitted = np.isfinite(self.error)
        return f"{self.symbol} = {text_with_error(self.value, self.error) if is_fitted else number_text(self.value, 6)}"


@dataclass(frozen=True)
class Forecast:
    """Trajectory of the choice from a start, with a band of the rivals and of the errors of constants and start.

    Parameters
    ----------
    t : ndarray, shape (n,)
        Times.
    x : ndarray, shape (n, d)
        Coordinates; NaN after a blow-up.
    lower, upper : ndarray, shape (n, d)
        The band at the given level, of the state and not of a noisy sample.
    level : float
        Probability of the band.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.zeros((2, 1))
    >>> Forecast(np.arange(2.0), line, line - 1, line + 1, 0.9).upper.ravel()
    array([1., 1.])
    """

    t: np.ndarray
    x: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float


@dataclass(frozen=True)
class System:
    """Equations of motion with fitted constants.

    Parameters
    ----------
    names, variables : tuple of str
        The coordinates, and all variables that right-hand sides may have: states, inputs, delayed coordinates.
    kind : Kind
        How right-hand sides move the states.
    law : Law
        The right-hand sides as sums of terms.
    covariance : ndarray, shape (p, p)
        Covariance of the constants, in the order of `constants`.
    score : float
        Schwarz's criterion with the prior and the price of a blow-up; lower is better, and 6 is a Bayes factor of 20.
    error : ndarray, shape (d,)
        Root mean squared residual of each coordinate, in the units of data.
    blows_up : bool
        Whether a trajectory leaves all measure soon after, or beside, the measured ones.
    ends : tuple of (ndarray, ndarray)
        Of each trajectory its last fitted state, and the covariance of that state beside the constants.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import find_dynamics
    >>> t = np.linspace(0, 4, 60)
    >>> system = find_dynamics(t, np.exp(-t)).choice
    >>> system.lines()
    ["x' = -a x"]
    >>> system.complexity
    3
    """

    names: tuple[str, ...]
    variables: tuple[str, ...]
    kind: Kind
    law: Law
    covariance: np.ndarray = field(repr=False)
    score: float
    error: np.ndarray
    blows_up: bool = False
    ends: tuple[tuple[np.ndarray, np.ndarray], ...] = field(default=(), repr=False)

    @cached_property
    def equations(self) -> dict[str, Expression]:
        """The right-hand side of each coordinate, of `variables`."""
        return {name: simplify(self.law.expression(k)) for k, name in enumerate(self.names)}

    @property
    def complexity(self) -> int:
        """Symbols of all right-hand sides, see `edgewise.formulas.complexity`."""
        return sum(complexity(self.law.expression(k)) for k in range(len(self.names)))

    @cached_property
    def constants(self) -> tuple[Constant, ...]:
        """All constants with their standard errors, named by letters in the order of the printed equations."""
        errors = np.sqrt(np.maximum(np.diag(self.covariance), 0))
        signs, owners = self._signs_and_owners
        values = zip(self._symbols, self.law.theta, errors, signs, owners, strict=True)
        return tuple(Constant(one, float(sign * value), float(error), name) for one, value, error, sign, name in values)

    @property
    def _signs_and_owners(self) -> tuple[list[int], list[str]]:
        """The sign that is written before each constant, and its coordinate: coefficients are written positive."""
        signs: list[int] = []
        owners: list[str] = []
        for name, equation in zip(self.names, self.law.equations, strict=True):
            for term, c in equation:
                signs += [-1 if c < 0 else 1, *([1] * len(term.inner))]
                owners += [name] * term.constants
        return signs, owners

    @property
    def _symbols(self) -> list[str]:
        # Without e, i, j, t, x and y, which mean something else
        letters = [letter for letter in "abcdfghklmnopqrsuvwz" if letter not in self.variables]
        letters += [f"c{k}" for k in range(1, len(self.law.theta) + 1)]
        return letters[: len(self.law.theta)]

    @property
    def left_sides(self) -> tuple[str, ...]:
        """What each equation is for: x', x'' or x(n + 1)."""
        if self.kind.is_map:
            return tuple(f"{name}(n + 1)" for name in self.names)
        return tuple(name + "'" * self.kind.order for name in self.names)

    def lines(self, digits: int | None = None) -> list[str]:
        """The equations as a person writes them: with letters for constants, or with so many digits of them."""
        if digits is not None:
            shown = [exchanged(one, lambda part: _shown(part, digits)) for one in self.equations.values()]
            texts = [as_written(simplify(expression), self.variables, digits) for expression in shown]
        else:
            names = (*self.variables, *self._symbols)
            place = len(self.variables)
            texts = []
            for equation in self.law.equations:
                parts: list[Expression] = []
                for term, c in equation:
                    sign = [exact_number(-1)] if c < 0 else []
                    coefficient, *inner = (Variable(place + k) for k in range(term.constants))
                    place += term.constants
                    parts.append(product_of([*sign, coefficient, *term.with_letters(inner).factors]))
                texts.append(as_written(sum_of(parts), names))
        return [f"{left} = {text}" for left, text in zip(self.left_sides, texts, strict=True)]

    def __str__(self) -> str:
        constants = ", ".join(str(constant) for constant in self.constants)
        return "\n".join([*self.lines(), *([constants] if constants else [])])

    def rhs(self, x: np.ndarray) -> np.ndarray:
        """Values (N, d) of the right-hand sides at variables x (N, variables); of one row (variables,), (d,)."""
        x = np.asarray(x, dtype=np.float64)
        if x.ndim not in (1, 2) or x.shape[-1] != len(self.variables):
            raise InputError(f"x must have shape (N, {len(self.variables)}), got {x.shape}")
        rows = np.atleast_2d(x)
        with np.errstate(all="ignore"):
            values = self.law.function(list(rows.T), self.law.theta)
        out = np.column_stack([np.broadcast_to(value, len(rows)) for value in values])
        return out if x.ndim == 2 else out[0]

    @property
    def is_autonomous(self) -> bool:
        """Whether right-hand sides depend on the present state alone."""
        return all(index < self.kind.states for index in variables_of(self.law))


def _shown(node: Expression, digits: int) -> Expression | None:
    """Exactly 1 or -1 for a free number that is so to some digits, x^c for exp(c log x); None for anything else."""
    match node:
        case Call("exp", Multiply((Number(value=exponent, exact=None), Call("log", base)))):
            return Power(base, float(f"{exponent:.{digits}g}"))
        case Number(value=value, exact=None) if typed_text(abs(value), digits) == "1":
            return exact_number(round(value))
    return None


@dataclass(frozen=True)
class FixedPoint:
    """A point of rest of a system, or of a map."""

    state: np.ndarray  # (states,) coordinates and, of second order, velocities
    eigenvalues: np.ndarray  # (states,) complex, of the Jacobian there
    # "stable", "unstable", "saddle", or "centre" where no real part is told from zero
    stability: str


@dataclass(frozen=True)
class Conserved:
    """A quantity that a system keeps along every trajectory, and whether the data agree."""

    expression: Expression  # of `variables`
    variables: tuple[str, ...]  # names of the states
    # Of the test that its values at the samples vary along each trajectory by their noise alone
    p_value: float

    @property
    def agrees(self) -> bool:
        """Whether the data do not contradict, at 1 %."""
        return self.p_value > 0.01

    def __str__(self) -> str:
        return as_written(self.expression, self.variables, 4)


@dataclass(frozen=True, repr=False)
class Motion:
    """Laws of motion found from trajectories; see `find_dynamics`.

    Parameters
    ----------
    systems : tuple of System
        From short to accurate; none is both longer and less accurate than another.
    choice : System
        The recommended one.
    rivals : tuple of System
        Others that the data do not exclude, best first.
    decided : bool
        Whether the choice follows the data, and draws from it, its errors and its rivals move as it does from other
        starts.
    adequate : bool
        Whether the choice leaves no more than the noise.
    noise : ndarray, shape (d,)
        Standard deviation of the noise of each coordinate.
    next_start : ndarray, shape (states,) or None
        The start from which these draws differ most; None where no system follows the trajectories, or where the search
        was ended before any were drawn.
    stopped : StopReason
        Why the search ended.
    messages : tuple of str
        Sentences on the data and the search.
    evidence : Observations
        Trajectories that the search has seen, with the states that the choice fits.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import find_dynamics
    >>> t = np.linspace(0, 6, 80)
    >>> motion = find_dynamics([t, t], [1 / (1 + 9 * np.exp(-t)), 2 / (2 - np.exp(-t))])
    >>> print(motion.choice.lines(3)[0])
    x' = x - x^2
    >>> motion.decided
    True
    """

    systems: tuple[System, ...]
    choice: System
    rivals: tuple[System, ...]
    decided: bool
    adequate: bool
    noise: np.ndarray
    next_start: np.ndarray | None
    stopped: StopReason
    messages: tuple[str, ...]
    evidence: Observations = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return self.choice.names

    @property
    def says(self) -> str:
        """What the data decide, in a sentence or two."""
        if self.decided:
            return "These trajectories decide: " + "; ".join(self.choice.lines(4)) + "."
        sentences = []
        if not self.adequate:
            sentences.append("The equations leave more than the noise.")
        if self.stopped.is_out_of_time:
            sentences.append("Whether these trajectories decide was not asked, since the search was ended.")
            return " ".join(sentences)
        sentence = "These trajectories do not decide"
        if self.rivals:
            laws = ["; ".join(system.lines(3)) for system in (self.choice, *self.rivals[:2])]
            sentence += f" between: {' | '.join(laws)}"
        elif self.adequate:
            law = "; ".join(self.choice.lines(3))
            sentence = f"Only {law} follows these trajectories, but its constants are too uncertain for other starts"
        if self.next_start is not None:
            names = self.choice.variables[: self.choice.kind.states]
            start = enumeration([f"{n} = {number_text(v, 3)}" for n, v in zip(names, self.next_start, strict=True)])
            sentence += f"; measure from a start such as {start}"
        return " ".join([*sentences, sentence + "."])

    def __repr__(self) -> str:
        equations = "; ".join(self.choice.lines(3))
        return f"<Motion of {len(self.systems)} systems: {equations}>"

    def __str__(self) -> str:
        lines = []
        for system in self.systems:
            mark = "* " if system is self.choice else "  "
            error = ", ".join(number_text(value, 2) for value in system.error)
            head = f"{mark}{system.complexity} symbols, error {error}"
            lines += [head, *(f"    {line}" for line in str(system).splitlines())]
        return "\n".join([*lines, self.says, *self.messages])

    def forecast(
        self,
        x0: np.ndarray | None,
        t: np.ndarray,
        level: float = 0.9,
        inputs: Mapping[str, np.ndarray] | None = None,
        *,
        error: float | np.ndarray = 0.0,
        run: int = 0,
    ) -> Forecast:
        """Continue from a start, or a trajectory after its last sample.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (states,), or None
            The state at t[0]; of second order coordinates and then velocities, which are 0 where they are left out. It
            is also the history of delayed coordinates. None goes on from the last fitted state of the trajectory `run`.
        t : array_like, shape (n,)
            Increasing times, in steps for a map; none before the last sample where x0 is None.
        level : float
            Probability of the band.
        inputs : mapping of str to array_like, shape (n,)
            Inputs at these times, where the search had some.
        error : float or array_like, shape of x0
            Standard error of the start: of a sample its noise, 0 for a start that is known. Not used where x0 is None.
        run : int
            Number of the trajectory that goes on where x0 is None; the first has number 0.

        Returns
        -------
        Forecast
            The trajectory of the choice, and a band of draws from the rivals by their probabilities, from the errors of
            their constants and from that of the start. The likelihood of the draws has the power 1 / 2, since a law was
            chosen among many: where the choice is the true law the band is wider than its level needs.

        Raises
        ------
        InputError
            An argument is not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 4, 60)
        >>> motion = find_dynamics(t, np.exp(-t))
        >>> motion.forecast([2.0], [0.0, 1.0]).x.round(3).ravel()
        array([2.   , 0.736])
        >>> motion.forecast(None, [5.0, 6.0]).x.round(4).ravel()
        array([0.0067, 0.0025])
        """
        from edgewise.dynamics.judging import Start, forecast_of

        times = np.asarray(t, dtype=np.float64).ravel()
        kind = self.choice.kind
        check_number(level, "level", positive=True)
        if level >= 1:
            raise InputError(f"level must be a probability below 1, got {level!r}")
        if len(times) < 2 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise InputError("t must hold two or more increasing times")
        if x0 is not None:
            state = np.asarray(x0, dtype=np.float64).ravel()
            errors = np.asarray(error, dtype=np.float64)
            if errors.ndim > 1 or errors.size not in (1, len(state)) or not (errors >= 0).all():
                raise InputError(f"error must be a standard error, or one for each number of x0, got {error!r:.80}")
            errors = np.broadcast_to(errors.ravel(), len(state))
            if kind.order == 2 and len(state) == kind.measured:
                state = np.concatenate([state, np.zeros(kind.measured)])
                errors = np.concatenate([errors, np.zeros(kind.measured)])
            if len(state) != kind.states or not np.isfinite(state).all():
                raise InputError(f"x0 must hold {kind.states} finite numbers, got {x0!r:.80}")
            return forecast_of(self, Start(times[0], state, errors), times, level, inputs)
        count = len(self.evidence.runs)
        if isinstance(run, bool) or run not in range(count):
            raise InputError(f"run must be the number of a trajectory, 0 to {count - 1}, got {run!r}")
        if kind.delays:
            raise InputError("x0 must be a state where the motion has delays: it is their history")
        last = float(self.evidence.runs[run].t[-1])
        if times[0] < last:
            raise InputError(f"t must begin at the last sample, {number_text(last, 6)}, or later where x0 is None")
        return forecast_of(self, Start.after(self, run), times, level, inputs)

    def fixed_points(self) -> list[FixedPoint]:
        """Points of rest of the choice near the data, with eigenvalues and stability.

        Returns
        -------
        list of FixedPoint
            Those within three times the range of the trajectories.

        Raises
        ------
        InputError
            The choice depends on inputs or on delayed coordinates, so that it has none.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 4, 60)
        >>> find_dynamics(t, 1 + np.exp(-t)).fixed_points()[0].state.round(6)
        array([1.])
        """
        from edgewise.dynamics.judging import fixed_points_of

        if not self.choice.is_autonomous:
            raise InputError("fixed points need equations of the present state alone; the choice has inputs or delays")
        return fixed_points_of(self)

    def conserved(self) -> Conserved | None:
        """A quantity that the choice keeps along every trajectory, with a test by the data.

        Returns
        -------
        Conserved or None
            The shortest sum of powers, logarithms and cosines of the states, if there is one; maps have none here.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 9, 120)
        >>> motion = find_dynamics(t, np.column_stack([np.cos(2 * t), np.sin(2 * t)]), names=["x", "y"])
        >>> print(motion.conserved())
        x^2 + y^2
        """
        from edgewise.dynamics.judging import conserved_by

        if self.choice.kind.is_map or not self.choice.is_autonomous:
            return None
        return conserved_by(self)

    def figure(self) -> Figure:
        """Draw trajectories with fit and forecast, the phase portrait with fixed points, and the front of systems.

        Returns
        -------
        matplotlib.figure.Figure
            `edgewise.plot.save` writes it to a file.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 4, 60)
        >>> len(find_dynamics(t, 1 + np.exp(-t)).figure().axes)
        3
        """
        from edgewise.plot.results.motions import motion_figure

        return motion_figure(self)

    def report(self) -> Report:
        """Lay out a page: equations, figure, constants, forecast, points of rest and what the data do not decide.

        Returns
        -------
        Report
            It shows in a notebook; ``report.save("motion.html")`` writes one self-contained file.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 4, 60)
        >>> "x&#x27; = -x" in find_dynamics(t, np.exp(-t), names=["x"]).report().html
        True
        """
        from edgewise.dynamics.report import report_of

        return report_of(self)

    def network(self, hidden: int | None = None, seed: int = 0) -> MotionNetwork:
        """Train a KAN for the right-hand sides, for a motion without a short law.

        Parameters
        ----------
        hidden : int, optional
            Nodes of a hidden layer, 0 for an additive network; by default one of 2 d + 1 where it foresees better.
        seed : int
            Seed of the start and of the held-out stretches.

        Returns
        -------
        MotionNetwork
            Its `model` is drawn and read as any other KAN; its `forecast` integrates it.

        Raises
        ------
        InputError
            The motion has inputs or delays.

        Examples
        --------
        >>> import numpy as np
        >>> from edgewise import find_dynamics
        >>> t = np.linspace(0, 4, 60)
        >>> network = find_dynamics(t, np.exp(-t)).network(hidden=0)
        >>> network.forecast([1.0], [0.0, 1.0]).x.round(2).ravel()
        array([1.  , 0.37])
        """
        from edgewise.dynamics.network import network_of

        return network_of(self, hidden, seed)
