"""The models of benchmarks/tables.py: each a function of (task, X, y, seed) that fits and returns `predict`.

`predict(X)` returns predicted values or classes, and for classification probabilities and the classes of their columns.
All run on one thread. TabPFN is missing: its weights do not come with its package but are downloaded when it is used.
"""

from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO

import numpy as np

LEAVES = ({"num_leaves": 4}, {"num_leaves": 12}, {"num_leaves": 31, "feature_fraction": 0.6})
ROUNDS, PATIENCE, RATE = 1000, 50, 0.05  # most rounds of boosting, rounds without gain that end it, learning rate
DECAYS = (1e-4, 1e-1, 10.0)  # weight decay of the MLP: scikit-learn's default, and more
MOST_GAM = 2.5e6  # rows x inputs² up to which pyGAM takes less than about a minute


class TooLargeError(Exception):
    """The model would take too long on this table; it is left out there."""


def kan(task, X, y, seed, groups=None):
    """Edgewise with its defaults, and the groups of rows that no fold divides; the others take no groups."""
    from edgewise import KANClassifier, KANRegressor

    model = (KANRegressor if task == "regression" else KANClassifier)(random_state=seed)
    return _predict(task, model.fit(X, y, groups=groups))


def core(task, X, y, seed):
    """The additive core alone: REML with the pairs that it chooses, with squares or logistic loss, no hidden nodes."""
    from edgewise.gam import fit_additive
    from edgewise.gam.families.categorical import Multinomial
    from edgewise.gam.families.exponential import Bernoulli

    if task == "regression":
        model = fit_additive(X, y)
        return lambda rows: (model.predict_link(rows).ravel(), None, None)
    classes, codes = np.unique(y, return_inverse=True)
    family = Bernoulli() if len(classes) == 2 else Multinomial(len(classes))
    model = fit_additive(X, codes, family=family)

    def predict(rows):
        eta = model.predict_link(rows)
        share = family.mean(eta.ravel() if len(classes) == 2 else eta)
        shares = np.stack([1 - share, share], 1) if len(classes) == 2 else share
        return classes[shares.argmax(1)], shares, classes

    return predict


def linear(task, X, y, seed):
    """Ridge or logistic regression, its strength chosen by five folds."""
    from edgewise.compare.baselines import SplitTable, fit_linear

    split = SplitTable.checked(X, y, X[:1], y[:1], task, seed)
    model, _, _ = fit_linear(split, lambda share: None)
    shift, scale = X.mean(0), X.std(0)
    scale[scale == 0] = 1

    def predict(rows):
        rows = (rows - shift) / scale
        if task == "regression":
            return model.predict(rows) * split.scale + split.shift, None, None
        shares = model.predict_proba(rows)
        return split.classes[shares.argmax(1)], shares, split.classes

    return predict


def pygam(task, X, y, seed):
    """pyGAM with the smoothness of its own grid search."""
    from edgewise_experiments.tables.additive_models import fit_gam

    classes = len(np.unique(y)) if task == "classification" else 2
    if len(X) * X.shape[1] ** 2 * max(classes - 1, 1) > MOST_GAM:
        raise TooLargeError("pyGAM is left out above 2.5 million rows x inputs² x classes")
    with redirect_stdout(StringIO()):  # it prints a line for each grid point that did not converge
        fitted = fit_gam(task, X, y)
    return lambda rows: fitted(rows)[:3]


def boosting(task, X, y, seed):
    """LightGBM; size of the trees and number of rounds chosen by three folds."""
    import lightgbm

    y, classes = (y, None) if task == "regression" else np.unique(y, return_inverse=True)[::-1]
    settings = {"learning_rate": RATE, "verbosity": -1, "num_threads": 1, "seed": seed, "deterministic": True}
    settings["force_row_wise"] = True
    settings["objective"] = "regression"
    if task == "classification":
        settings["objective"] = "binary" if len(classes) == 2 else "multiclass"
        settings |= {} if len(classes) == 2 else {"num_class": len(classes)}
    best = (np.inf, {}, 1)
    for leaves in LEAVES:
        curves = lightgbm.cv(
            {**settings, **leaves},
            lightgbm.Dataset(X, y, free_raw_data=False),
            num_boost_round=ROUNDS,
            nfold=3,
            stratified=task == "classification",
            seed=seed,
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        losses = next(curve for name, curve in curves.items() if name.endswith("-mean"))
        best = min(best, (losses[-1], leaves, len(losses)), key=lambda choice: choice[0])
    _, leaves, rounds = best
    model = lightgbm.train({**settings, **leaves}, lightgbm.Dataset(X, y), num_boost_round=rounds)

    def predict(rows):
        output = model.predict(rows)
        if task == "regression":
            return output, None, None
        shares = np.stack([1 - output, output], 1) if len(classes) == 2 else output
        return classes[shares.argmax(1)], shares, classes

    return predict


def catboost(task, X, y, seed):
    """CatBoost with its defaults."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if task == "regression" else CatBoostClassifier
    model = kind(random_seed=seed, thread_count=1, verbose=0, allow_writing_files=False).fit(X, y)
    return _predict(task, model)


def mlp(task, X, y, seed):
    """Two hidden layers of 64 nodes with early stopping; the weight decay chosen on a seventh of the rows."""
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shift, scale = (y.mean(), y.std() or 1.0) if task == "regression" else (0.0, 1.0)
    target = (y - shift) / scale if task == "regression" else y

    def start(decay):
        kind = MLPRegressor if task == "regression" else MLPClassifier
        network = kind(hidden_layer_sizes=(64, 64), alpha=decay, early_stopping=True, max_iter=500, random_state=seed)
        return make_pipeline(StandardScaler(), network)

    fit, judge = train_test_split(
        np.arange(len(X)), test_size=1 / 7, random_state=seed, stratify=y if task == "classification" else None
    )
    scores = [start(decay).fit(X[fit], target[fit]).score(X[judge], target[judge]) for decay in DECAYS]
    model = start(DECAYS[int(np.argmax(scores))]).fit(X, target)
    if task == "classification":
        return _predict(task, model)
    return lambda rows: (model.predict(rows) * scale + shift, None, None)


def ebm(task, X, y, seed):
    """An explainable boosting machine with its defaults, but on one core."""
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    kind = ExplainableBoostingRegressor if task == "regression" else ExplainableBoostingClassifier
    return _predict(task, kind(random_state=seed, n_jobs=1).fit(X, y))


def small_ebm(task, X, y, seed):
    """The EBM of the panel of fifteen tables, with 4 bags and 1,000 rounds in place of 14 and 50,000."""
    from edgewise_experiments.tables.additive_models import fit_ebm

    fitted = fit_ebm(task, X, y, seed)
    return lambda rows: fitted(rows)[:3]


def _predict(task, model):
    if task == "regression":
        return lambda rows: (np.asarray(model.predict(rows), dtype=float).ravel(), None, None)
    return lambda rows: (np.ravel(model.predict(rows)), model.predict_proba(rows), model.classes_)


MODELS = {  # cheap ones first
    "linear": linear,
    "KAN": kan,
    "core": core,
    "pyGAM": pygam,
    "boosting": boosting,
    "CatBoost": catboost,
    "MLP": mlp,
    "small EBM": small_ebm,
    "EBM": ebm,
}
PACKAGES = {
    "linear": ("scikit-learn",),
    "KAN": ("edgewise", "torch"),
    "core": ("edgewise",),
    "pyGAM": ("pygam",),
    "boosting": ("lightgbm",),
    "CatBoost": ("catboost",),
    "MLP": ("scikit-learn",),
    "small EBM": ("interpret-core",),
    "EBM": ("interpret-core",),
}


def versions(model: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in PACKAGES[model])
