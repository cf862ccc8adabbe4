"""Wrong arguments of problems, methods, penalties and fits: each is one sentence that names the argument."""

import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise.errors import InputError
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.blocks import Data, ResidualBlock
from edgewise.train.grids import adapt_domain_, enclose, move_hidden_domains_, refine
from edgewise.train.jacobian.linearised import linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.penalties import EdgePenalty, Ridge, Roughness, Sparsity
from edgewise.train.problems import BlockProblem, Classification, CustomLoss, OrdinalClassification, Regression
from edgewise.train.remembering import remember

F64 = {"dtype": torch.float64}
X = torch.arange(12.0, **F64).reshape(6, 2)
Y = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, 3.0], **F64)
LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
LOADER = DataLoader(TensorDataset(X, Y), batch_size=4)
DATA = Regression(X, Y)
BLOCK = ResidualBlock("b", Data(X, X), lambda jet, part: jet[0] - part.y)
STEPS, SEED = "steps must be an integer of at least 0, got ", r"seed must be an integer from 0 to 2\*\*63 - 1"


def kan(width=(2, 2, 1), **settings):
    return KAN(width, 3, **F64, **settings)


def nan(x):
    return torch.where(torch.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1)) == 0, torch.nan, x)


def fitted(model=None, problem=DATA, *arguments, **settings):
    return fit(model or kan(), problem, *arguments, **{"steps": 1, **settings})


def resumed(*, model=None, **settings):
    states = []
    fitted(callbacks=[lambda event: states.append(event.state())])
    return fitted(model, resume=states[0], **settings)


class Absolute(Regression):
    def second_order_blocks(self):
        return ()


PROBLEMS = [
    (lambda: Regression(X.numpy(), Y), "x must be a torch.Tensor, got ndarray"),
    (lambda: Regression(X.long(), Y), "x must be float32 or float64, got torch.int64"),
    (lambda: Regression(X[0], Y), r"x must have shape \(N, in\)"),
    (lambda: Regression(X[:0], Y[:0]), r".*at least one row and column, got \(0, 2\)"),
    (lambda: Regression(X[:, :0], Y), r".*at least one row and column, got \(6, 0\)"),
    (lambda: Regression(X / 0, Y), "x must be finite, got 12 NaN or infinite"),
    (lambda: Regression(X, Y / 0), "y must be finite, got 6 NaN"),
    (lambda: Regression(X, Y[:3]), r"y must have 6 rows like x, got shape \(3,\)"),
    (lambda: Regression(X), "y must be a torch.Tensor, got NoneType"),
    (lambda: Regression(X, Y.float()), "y must have the dtype of x, torch.float64, got torch.float32"),
    (lambda: Regression(X, Y[:, None, None]), r"y must have shape \(N, out\) or \(N,\), got \(6, 1, 1\)"),
    (lambda: Regression(X, Y[:, None][:, :0]), r"y must have shape \(N, out\)"),
    (lambda: Regression(X, Y, weight=Y[:2]), r"weight must be a tensor of shape \(6,\), got \(2,\)"),
    (lambda: Regression(X, Y, weight=[1.0] * 6), r"weight must be a tensor of shape \(6,\), got list"),
    (lambda: Regression(X, Y, weight=Y), "weight must not be negative, got -1"),
    (lambda: Regression(X, Y, weight=nan(Y)), "weight must be finite"),
    (lambda: Regression(X, Y, weight=0 * Y), "weight must have a positive entry, got only zeros"),
    (lambda: Regression(X, Y, validation=1.5), r"validation must be a share in \(0, 1\), got 1.5"),
    (lambda: Regression(X, Y, validation="0.2"), "validation must be a share .* got str"),
    (lambda: Regression(X[:1], Y[:1], validation=0.5), "x must have at least 2 rows"),
    (lambda: Regression(X, Y, validation=(X[:, :1], Y)), r"validation x must have shape \(N, 2\)"),
    (lambda: Regression(X, Y, validation=(X, X)), r"validation y must have shape \(N, 1\), got \(6, 2\)"),
    (lambda: Regression(X, Y, validation=(nan(X), Y)), "validation x must be finite"),
    (
        lambda: Regression(X, Y, validations=0.2),
        r"Regression has no argument 'validations'; did you mean 'validation'\?$",
    ),
    (lambda: Regression(LOADER, Y), "y and weight must be left out where x is a DataLoader"),
    (lambda: Regression(LOADER, validation=0.2), "validation must be a DataLoader or tensors"),
    (lambda: Regression(LOADER).batch(X), r"the DataLoader must yield \(x, y\)"),
    (lambda: Classification(X, Y), "classes must be given where y is not a tensor of integer labels"),
    (lambda: Classification(X, Y, classes=3), "y must hold integer labels"),
    (lambda: Classification(X, LABELS, classes=2), r"y must hold labels 0 .. 1, got 0 .. 2"),
    (lambda: Classification(X, LABELS - 1), r"y must hold labels 0 .. 1, got -1 .. 1"),
    (lambda: Classification(X, LABELS[:, None]), "y must hold integer labels"),
    (lambda: Classification(X, LABELS, classes=True), "classes must be an integer of at least 2, got True"),
    (lambda: Classification(LOADER), "classes must be given"),
    (lambda: OrdinalClassification(X, Y), "classes must be given where y is not a tensor of integer labels"),
    (lambda: OrdinalClassification(X, LABELS, classes=1), "classes must be an integer of at least 2, got 1"),
    (lambda: CustomLoss(X, Y, loss=3.0), "loss must be a function"),
    (lambda: BlockProblem([]), ".*at least one ResidualBlock"),
    (lambda: BlockProblem([BLOCK, BLOCK]), ".*different names"),
    (
        lambda: BlockProblem([BLOCK], {"k": torch.nn.Parameter(torch.zeros(2))}),
        r"unknowns must be parameters of shape \(\)",
    ),
    (lambda: BlockProblem([BLOCK]).subset(torch.tensor([0])), ".*no subset of samples"),
    *((lambda seed=seed: Regression(X, Y, validation=0.34, seed=seed), SEED) for seed in (-1, 2**63, 1.5, True, "a")),
]

SETTINGS = [
    (lambda: Adam(lr=0), "lr must be a positive number, got 0"),
    (lambda: Adam(lr=True), "lr must be a positive number, got True"),
    (lambda: Adam(betas=(0.9,)), r"betas must be two numbers in \[0, 1\)"),
    (lambda: Adam(betas=(0.9, 1)), r"betas must be two numbers in \[0, 1\)"),
    (lambda: Adam(weight_decay=-1), "weight_decay must be a number of at least 0"),
    (lambda: Adam(schedule="linear"), 'schedule must be "cosine" or None'),
    (lambda: LBFGS(history=0), "history must be an integer of at least 1, got 0"),
    (lambda: LevenbergMarquardt(damping=0), "damping must be a positive number"),
    (lambda: SSBroyden(evaluations=0), "evaluations must be an integer of at least 1"),
    (lambda: Sparsity(-1), "weight must be a number of at least 0, got -1"),
    (lambda: Sparsity(1, entropy="a"), "entropy must be a number of at least 0, got 'a'"),
    (lambda: Roughness(math.nan), "weight must be a number"),
    (lambda: Ridge(True), "weight must be a number of at least 0, got True"),
    (lambda: Sparsity(1.0).value(KAN([1, 1])), "trace must be given for Sparsity, got None"),
    (lambda: Sparsity(1.0).bind(torch.nn.Linear(1, 1)), "Sparsity needs a model with a trace"),
    (lambda: Roughness(1.0).bind(MLP([1, 1])), "Roughness needs a model with spline layers"),
    (lambda: EdgePenalty.uniform(kan()).bind(kan((2, 1))), "model must have the spline layers that the strengths of"),
    (
        lambda: linearise(kan(), DATA.train, Sparsity(1.0)),
        "penalty must be quadratic, as Ridge and Roughness, got Sparsity$",
    ),
    (
        lambda: remember(MLP([2, 9_000, 1]), Regression(X.float(), Y.float())),
        "model must have at most .* parameters, got 36,001",
    ),
    (lambda: enclose(MLP([2, 3, 1]).double(), X), "model must be a KAN of spline layers, got MLP"),
    (
        lambda: move_hidden_domains_(MLP([2, 3, 1]).double(), X, margin=0.1),
        "model must be a KAN of spline layers, got MLP",
    ),
    (lambda: refine(kan(), (6, 6, 6)), "grid_size must be a positive integer, or one for each of the 2 layers, got"),
    (lambda: refine(kan(), 2.0), "grid_size must be a positive integer, or one for each of the 2 layers, got 2.0$"),
    (lambda: adapt_domain_(kan(), X[:, [0, 1, 1]]), r"x must have shape \(\*batch, 2\), got \(6, 3\)$"),
    (lambda: adapt_domain_(kan(), np.zeros((4, 2))), "x must be a torch tensor, got ndarray$"),
]

FITS = [
    (lambda: fit(None, DATA), r"model must be a network, as KAN\(\[2, 5, 1\]\), got NoneType"),
    (lambda: fit(kan(), X, Y), r".*must be a Problem, as Regression\(x, y\), got Tensor"),
    (lambda: fitted(method="adam"), r"method must be a Method, as Adam\(\), got str"),
    (lambda: fitted(method=Adam), r"method must be a Method, as Adam\(\), got the class Adam; write Adam\(...\)"),
    (lambda: fitted(penalty=0.1), r"penalty must be a Penalty, as Sparsity\(0.1\), or None, got float"),
    (lambda: fitted(callbacks=print), r"callbacks must be a list of functions of a StepEvent, as \[print\], got print"),
    (lambda: fitted(callbacks=[3]), "callbacks must be a list of functions of a StepEvent"),
    (lambda: fitted(steps=-1), f"{STEPS}-1"),
    (lambda: fitted(steps=2.5), f"{STEPS}2.5"),
    (lambda: fitted(seed=None), "seed must be an integer of at least 0, got None"),
    (lambda: fitted(patience=0), "patience must be an integer of at least 1, got 0"),
    (lambda: fitted(evaluate_every=0), "evaluate_every must be an integer of at least 1, got 0"),
    (lambda: fitted(evalute_every=3), r"fit has no option 'evalute_every'; did you mean 'evaluate_every'\?"),
    (lambda: fitted(tolerance=-1), "tolerance must be a number of at least 0, got -1"),
    (lambda: fitted(metrics=[max]), "metrics must"),
    (lambda: fitted(metrics={"max": 3}), "metrics must"),
    (
        lambda: fitted(batch_size=8, method=LBFGS()),
        "batch_size must be None for LBFGS, which needs all samples at once, got 8",
    ),
    (lambda: fitted(batch_size=0, method=Adam()), "batch_size must be an integer of at least 1, got 0"),
    (
        lambda: fitted(None, BlockProblem([BLOCK]), Adam(), batch_size=4),
        "batch_size must be None for a problem of residual blocks",
    ),
    (lambda: fitted(resume=fitted()), r"resume must be a report of fit\(..., keep_state=True\)"),
    (lambda: fitted(resume={"step": 3}), "resume must be the dict that event.state"),
    (lambda: resumed(method=Adam()), "resume must come from a fit with method = "),
    (lambda: resumed(seed=1), "resume must come from a fit with seed = 1, got 0"),
    (lambda: resumed(model=KAN([2, 2, 1], 6, **F64)), r"resume must hold layers.0.coef as \(2, 9, 2\)"),
    (lambda: resumed(model=MLP([2, 1], **F64)), "resume must hold the tensors"),
    (lambda: fitted(None, Regression(X[:, :1], Y)), r"x must have shape \(N, 2\) to fit the model, got \(6, 1\)"),
    (
        lambda: fitted(None, Regression(X.float(), Y.float())),
        "x must have the model's dtype torch.float64, got torch.float32",
    ),
    (lambda: fitted(None, Regression(X, X)), r"y must have shape \(N, 1\) to fit the model's output, got \(N, 2\)"),
    (lambda: fitted(None, Classification(X, LABELS)), "the model must have 3 outputs, one per class, got 1"),
    (
        lambda: fitted(kan((2, 3)), OrdinalClassification(X, LABELS)),
        "the model must have 1 output for ordered classes, got 3",
    ),
    (lambda: fitted(torch.nn.Flatten(0)), "model must have a trainable parameter, got none"),
    (
        lambda: fitted(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0)).double()),
        r"model must map \(N, in\) to a tensor \(N, out\), got \(2,\)",
    ),
    (
        lambda: fitted(None, Absolute(X, Y), LevenbergMarquardt()),
        ".*needs a sum of squares or a cross-entropy on tensors, got Absolute",
    ),
    (
        lambda: fitted(None, DATA, LevenbergMarquardt(max_parameters=10)),
        ".*at most max_parameters = 10 trainable parameters",
    ),
    (
        lambda: fitted(torch.nn.Linear(2, 1).double(), DATA, LevenbergMarquardt(factorised=2)),
        ".*chain of layers, as KAN and MLP, for more than factorised = 2 parameters",
    ),
    (
        lambda: fitted(None, DATA, SSBroyden(max_parameters=5)),
        ".*at most max_parameters = 5 trainable parameters, got .* use LBFGS",
    ),
    (
        lambda: fitted(None, CustomLoss(X, Y, loss=torch.nn.MSELoss())),
        "loss must give one number for each of (2|6) rows",
    ),
    (
        lambda: fitted(None, CustomLoss(X, Y, loss=lambda p, y: p[:3])),
        "loss must give one number for each of (2|6) rows",
    ),
]

MISTAKES = [*PROBLEMS, *SETTINGS, *FITS]


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises(InputError, match=f"^{message}"):
        make()
