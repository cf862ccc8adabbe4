"""What the two estimators share: parameters, scaling, training, and the way from rows to the network's output."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from edgewise.errors import InputError
from edgewise.nn.config import check_width
from edgewise.nn.trace import Trace
from edgewise.tables.scaling import AffineScaling
from edgewise.train.auto import AutoResult, auto_fit
from edgewise.train.candidate import train_candidate
from edgewise.train.problem import Problem
from edgewise.train.search import ProgressEvent

ROWS = 65_536  # pass through the network at a time, so that predicting needs bounded memory


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
        progress: Callable[[ProgressEvent], None] | None = None,
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
        return torch.from_numpy(self.input_scaling_.transform(X))

    def _train(self, problem: Problem, outputs: int, warm: bool) -> None:
        settings = self._settings()
        if warm:
            model, report = train_candidate(
                problem, self.search_.chosen, outputs=outputs, seed=settings["seed"], warm=self.model_, final=True
            )
            result = AutoResult(model, report, self.search_)
        else:
            result = auto_fit(problem, outputs=outputs, progress=self.progress, **settings)
        self.model_, self.report_, self.search_ = result.model, result.report, result.search
        self.n_iter_ = max(result.report.steps, 1)

    def _can_continue(self, X: np.ndarray, outputs: int) -> bool:
        """Whether a warm start has a network of the right shape to go on from."""
        if not (self.warm_start and hasattr(self, "model_")):
            return False
        width = self.model_.config.width
        return width[0] == X.shape[1] and width[-1] == outputs

    def _settings(self) -> dict:
        """The parameters as `auto_fit` takes them, each checked once."""
        hidden = self.hidden
        if not (isinstance(hidden, str) and hidden == "auto"):
            if not isinstance(hidden, list | tuple):
                raise InputError(f"hidden must be 'auto' or a tuple of positive integers as (5,), got {hidden!r}")
            hidden = check_width((1, *hidden, 1))[1:-1]
        number = isinstance(self.regularization, int | float) and not isinstance(self.regularization, bool)
        if not (self.regularization == "auto" or (number and 0 <= self.regularization < np.inf)):
            raise InputError(f"regularization must be 'auto' or a number of at least 0, got {self.regularization!r}")
        for name, value in (("budget", self.budget), ("time_limit", self.time_limit)):
            if value is None and name == "time_limit":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
                raise InputError(f"{name} must be a positive number, got {value!r}")
        return {
            "hidden": None if isinstance(hidden, str) else hidden,
            "grid_size": None if isinstance(self.grid_size, str) and self.grid_size == "auto" else self.grid_size,
            "strength": None if self.regularization == "auto" else float(self.regularization),
            "degree": self.degree,
            "budget": float(self.budget),
            "time_limit": self.time_limit,
            "seed": _seed(self.random_state),
        }

    def _scaled(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.input_scaling_.transform(X)

    def _network_output(self, X) -> np.ndarray:
        """X (N, d) in the user's units -> the network's output (N, out)."""
        scaled = torch.from_numpy(self._scaled(X))
        with torch.no_grad():
            return torch.cat([self.model_(part) for part in scaled.split(ROWS)]).numpy()


def _seed(random_state) -> int:
    """A seed from what scikit-learn allows as random_state. None draws one, without moving numpy's global state."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        draw = getattr(random_state, "integers", None) or random_state.randint
        return int(draw(2**31 - 1))
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer) or random_state < 0:
        raise InputError(f"random_state must be None, a non-negative integer or a generator, got {random_state!r}")
    return int(random_state)
