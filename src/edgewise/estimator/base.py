"""What the two estimators share: parameters, scaling, training, and the way from rows to the network's output."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from edgewise.errors import InputError
from edgewise.model_selection.automatic import AutoResult, auto_fit
from edgewise.model_selection.candidates import train_candidate
from edgewise.model_selection.settings import SearchSettings
from edgewise.nn.prediction import predict_in_batches
from edgewise.nn.trace import Trace
from edgewise.outcomes import ProgressCallback
from edgewise.tables.scaling import AffineScaling
from edgewise.train.problems.base import Problem
from edgewise.train.smoothing import penalty_of

# Scaled inputs, [-1, 1] for typical rows, end here: a row a thousand widths away would outweigh all the others, in
# training and in held-out losses. Nearer ends cut off real tails: with y linear in log-normal inputs, 2 gave R2 0.87
# where 8 and a linear model give 0.98; one input of 1e3 among 400 normal ones left 0.9997 with 2 and 0.996 with 8.
FARTHEST = 8.0


class KANEstimator(BaseEstimator):
    """Parameters and machinery of `KANRegressor` and `KANClassifier`; see there."""

    def __init__(
        self,
        hidden="auto",
        grid_size="auto",
        degree: int = 3,
        regularization="auto",
        budget: float = 1.0,
        time_limit: float | None = None,
        random_state=0,
        warm_start: bool = False,
        progress: ProgressCallback | None = None,
    ):
        self.hidden = hidden
        self.grid_size = grid_size
        self.degree = degree
        self.regularization = regularization
        self.budget = budget
        self.time_limit = time_limit
        self.random_state = random_state
        self.warm_start = warm_start
        self.progress = progress

    @property
    def parameter_count_(self) -> int:
        """Trainable numbers of the network."""
        check_is_fitted(self)
        return sum(p.numel() for p in self.model_.parameters() if p.requires_grad)

    def trace(self, X) -> Trace:
        """The inputs and outputs of every edge for X (N, d) in the user's units; edges see scaled inputs."""
        with torch.no_grad():
            return self.model_.trace(torch.from_numpy(self._scaled(X)))

    def _checked_weight(self, sample_weight, X: np.ndarray) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not (weight > 0).any():
            raise InputError("sample_weight must have a positive entry, got only zeros")
        return weight

    def _scale_inputs(self, X: np.ndarray, weight: np.ndarray, warm: bool) -> torch.Tensor:
        """Fits the scaling (a warm start keeps the old one: the network knows no other) and applies it."""
        if not warm:
            self.input_scaling_ = AffineScaling.fit(X, weight)
        return torch.from_numpy(self._to_network(X))

    def _to_network(self, X: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # far beyond, where it ends anyway
            return np.clip(self.input_scaling_.transform(X), -FARTHEST, FARTHEST)

    def _train(self, problem: Problem, outputs: int, warm: bool, settings: dict) -> AutoResult:
        if warm:
            report_progress = self.progress
            progress = (
                None
                if report_progress is None
                else lambda at: report_progress(replace(at, stage=f"warm start: {at.stage}"))
            )
            model, report = train_candidate(
                problem,
                self.search_.chosen,
                outputs=outputs,
                seed=settings["seed"],
                warm=self.model_,
                final=True,
                progress=progress,
            )
            result = AutoResult(model, report, self.search_, penalty_of(report) or self.search_.chosen.penalty())
        else:
            result = auto_fit(problem, SearchSettings(outputs, **settings), self.progress)
        self.model_, self.report_, self.search_ = result.model, result.report, result.search
        self.n_iter_ = max(result.report.steps, 1)
        return result

    def _can_continue(self, X: np.ndarray, outputs: int) -> bool:
        """Whether a warm start has a network of the right shape to go on from."""
        if not (self.warm_start and hasattr(self, "model_")):
            return False
        width = self.model_.config.width
        return width[0] == X.shape[1] and width[-1] == outputs

    def _settings(self) -> dict:
        """The parameters as `auto_fit` takes them, each checked once."""
        hidden = self.hidden
        if not _is_auto(hidden):
            listed = isinstance(hidden, list | tuple)
            if not (listed and all(_is_number(nodes, Integral) and nodes > 0 for nodes in hidden)):
                raise InputError(f"hidden must be 'auto' or a tuple of positive integers as (5,), got {hidden!r}")
            hidden = tuple(int(nodes) for nodes in hidden)
        if not (_is_auto(self.grid_size) or (_is_number(self.grid_size, Integral) and self.grid_size > 0)):
            raise InputError(f"grid_size must be 'auto' or a positive integer, got {self.grid_size!r}")
        if not (_is_number(self.degree, Integral) and 0 <= self.degree <= 5):
            raise InputError(f"degree must be an integer from 0 to 5, got {self.degree!r}")
        strength = self.regularization
        if not (_is_auto(strength) or (_is_number(strength, Real) and 0 <= strength < np.inf)):
            raise InputError(f"regularization must be 'auto' or a number of at least 0, got {strength!r}")
        for name, value in (("budget", self.budget), ("time_limit", self.time_limit)):
            if value is None and name == "time_limit":
                continue
            if not (_is_number(value, Real) and 0 < value < np.inf):
                raise InputError(f"{name} must be a positive number, got {value!r}")
        if not isinstance(self.warm_start, bool | np.bool_):
            raise InputError(f"warm_start must be True or False, got {self.warm_start!r}")
        if self.progress is not None and not callable(self.progress):
            raise InputError(f"progress must be a function of a Progress or None, got {self.progress!r}")
        return {
            "hidden": None if isinstance(hidden, str) else hidden,
            "grid_size": None if _is_auto(self.grid_size) else int(self.grid_size),
            "strength": None if _is_auto(strength) else float(strength),
            "degree": int(self.degree),
            "budget": float(self.budget),
            "time_limit": None if self.time_limit is None else float(self.time_limit),
            "seed": _seed(self.random_state),
        }

    def _scaled(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self._to_network(X)

    def _network_output(self, X) -> np.ndarray:
        """X (N, d) in the user's units -> the network's output (N, out)."""
        scaled = torch.from_numpy(self._scaled(X))
        return predict_in_batches(self.model_, scaled).numpy()


def _is_auto(value) -> bool:
    return isinstance(value, str) and value == "auto"


def _is_number(value, kind: type) -> bool:
    """Whether it is a number of the kind, numpy's (from a grid of parameters, say) included; a bool is none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _seed(random_state) -> int:
    """A seed from what scikit-learn allows as random_state. None draws one, without moving numpy's global state."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        draw = getattr(random_state, "integers", None) or random_state.randint
        return int(draw(2**31 - 1))
    if not (_is_number(random_state, Integral) and 0 <= random_state < 2**32):
        raise InputError(
            f"random_state must be None, an integer from 0 to 2**32 - 1 or a generator, got {random_state!r}"
        )
    return int(random_state)
