"""An MLP and gradient boosting with tuned settings, beside the linear model of `edgewise.compare`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from edgewise.compare.baselines import CHEAP, ReportShare, Settings, SplitTable, fit_linear, tree_numbers

MLP_SETTINGS = ({"alpha": 1e-4}, {"alpha": 1.0}, {"alpha": 10.0})  # weight decay: scikit-learn's default, and more
# Without the l2 term the trees of rare classes diverge: on the knot table accuracy fell from 0.89 to 0.36 within 60
# rounds; with it, accuracy still rose at 120.
BOOSTING_SETTINGS = ({"max_leaf_nodes": 15, "l2_regularization": 1.0}, {"max_leaf_nodes": 6, "l2_regularization": 1.0})
# Most epochs of the MLP; epochs (or rounds) between two evaluations; evaluations without improvement that end the
# training of a setting.
EPOCHS = 300
STRIDE = 5
PATIENCE = 6
# Most rows that the MLP and boosting are tuned and fitted on: at 200,000 rows they took six minutes each.
MOST_TUNING_ROWS = 40_000
# Most rounds of boosting with one output, and with several, where each round adds a tree per class.
BOOSTING_ROUNDS = 300
BOOSTING_ROUNDS_OF_MANY = 150


def fit_mlp(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit an MLP with two hidden layers of 64 nodes, with weight decay and epochs chosen on rows held back."""
    data = _drawn(data)

    def start(settings: Settings) -> Any:
        # A RandomState that is shared by all epochs: with a number each epoch would shuffle alike.
        state = np.random.RandomState(data.seed)
        kind = MLPRegressor if data.task == "regression" else MLPClassifier
        return kind(hidden_layer_sizes=(64, 64), **settings, random_state=state)

    def train(model: Any, rows: np.ndarray, count: int) -> None:
        if data.task == "regression":
            extra = {}
        else:
            extra = {"classes": np.arange(len(data.classes))}
        # Batches of one size, about: scikit-learn divides the decay by the rows of a batch, so one left-over row pulls
        # the weights as 200 do. On one fold of the knot table, 6,401 rows, that cost 7 points of accuracy.
        parts = max(1, round(len(rows) / (32 if len(data.X) <= CHEAP else 200)))
        model.set_params(batch_size=math.ceil(len(rows) / parts))
        with warnings.catch_warnings():
            # scikit-learn ends an epoch at Ctrl-C with this warning, and the comparison would go on.
            warnings.filterwarnings("error", message="Training interrupted by user")
            try:
                for _ in range(count):
                    model.partial_fit(data.X[rows], data.y[rows], **extra)
            except UserWarning as swallowed:
                raise KeyboardInterrupt from swallowed

    model, settings = _tuned(data, MLP_SETTINGS, start, train, (EPOCHS, "epochs"), progress)
    return model, sum(w.size for w in (*model.coefs_, *model.intercepts_)), settings


def fit_tuned_boosting(data: SplitTable, progress: ReportShare) -> tuple[Any, int, Settings]:
    """Fit histogram gradient boosting, with size and number of trees chosen on rows held back."""
    data = _drawn(data)

    def start(settings: Settings) -> Any:
        if data.task == "regression":
            kind = HistGradientBoostingRegressor
        else:
            kind = HistGradientBoostingClassifier
        # Its own early stopping stratifies its split and so fails on a class with one row; `_tuned` stops it instead.
        return kind(**settings, early_stopping=False, warm_start=True, random_state=data.seed)

    def train(model: Any, rows: np.ndarray, count: int) -> None:
        model.set_params(max_iter=getattr(model, "n_iter_", 0) + count)
        model.fit(data.X[rows], data.y[rows])

    if data.outputs == 1:
        most = BOOSTING_ROUNDS
    else:
        most = BOOSTING_ROUNDS_OF_MANY
    model, settings = _tuned(data, BOOSTING_SETTINGS, start, train, (most, "rounds"), progress)
    return model, tree_numbers(model), settings


def _drawn(data: SplitTable) -> SplitTable:
    """Return a large table with as many training rows as can be tuned on; a class keeps at least one."""
    if len(data.X) <= MOST_TUNING_ROWS:
        return data
    rows = f"{MOST_TUNING_ROWS:,} of the {len(data.X):,} training rows"
    warnings.warn(f"fitted to {rows}, to bound its time.", stacklevel=3)
    generator = np.random.default_rng(data.seed)
    kept = generator.permutation(len(data.X))[:MOST_TUNING_ROWS]
    if data.task == "classification":
        _, first = np.unique(data.y, return_index=True)
        kept = np.union1d(kept, first)
    kept = np.sort(kept)
    return replace(data, X=data.X[kept], y=data.y[kept])


def _tuned(
    data: SplitTable,
    candidates: Sequence[Settings],
    start: Callable[[Settings], Any],
    train: Callable[[Any, np.ndarray, int], None],
    length: tuple[int, str],
    progress: ReportShare,
) -> tuple[Any, Settings]:
    """Choose settings and length of training on rows held back, then train on all rows.

    `length` is the largest number of epochs or rounds, and its name. The early stopping of scikit-learn is not used: it
    holds back rows of its own for each model, while here the settings and the length are chosen on the same folds.
    """
    most, unit = length
    splits = data.splits()
    best = (math.inf, candidates[0], most // 3)
    planned = len(candidates) * most + most
    for i, settings in enumerate(candidates if splits else ()):
        models = [start(settings) for _ in splits]
        lowest = math.inf
        since = 0
        for done in range(STRIDE, most + 1, STRIDE):
            loss = 0.0
            for model, (fit, judge) in zip(models, splits, strict=True):
                train(model, fit, STRIDE)
                loss += data.loss(model, judge) / len(splits)
            progress((i * most + done) / planned)
            best = min(best, (loss, settings, done), key=lambda choice: choice[0])
            lowest, since = (loss, 0) if loss < lowest else (lowest, since + 1)
            if since >= PATIENCE:
                break
    _, settings, chosen = best
    model = start(settings)
    for done in range(0, chosen, STRIDE):
        train(model, np.arange(len(data.X)), min(STRIDE, chosen - done))
        progress((len(candidates) * most + done) / planned)
    return model, {**settings, unit: chosen}


TUNED = {"linear": fit_linear, "MLP": fit_mlp, "boosting": fit_tuned_boosting}
