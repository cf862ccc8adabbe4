"""The method of a fit for which none was given, and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from edgewise.settings import MOST_FACTORISED
from edgewise.train.blocks import CrossEntropyBlock
from edgewise.train.jacobian.rows import has_segments
from edgewise.train.methods.base import Adam, Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.objective import unwrapped
from edgewise.train.problems import Problem


@dataclass(frozen=True)
class MethodLimits:
    """Largest numbers of parameters for which `method_for` takes a method that factorises or stores a square matrix."""

    least_squares: int = MOST_FACTORISED  # for Levenberg-Marquardt on sums of squares
    # For Levenberg-Marquardt on cross-entropies, where every class is one more residual of each sample, so that forming
    # the matrix costs as much as for a sum of squares with that many times more samples: 500 parameters with 10 classes
    # cost about what 1,600 do with one output.
    cross_entropy: int = 500
    likelihood: int = MOST_FACTORISED  # for Levenberg-Marquardt on other likelihoods, such as those of ordered classes
    quasi_newton: int = MOST_FACTORISED  # for self-scaled Broyden on other losses


# Limits of a search over many small models of one table, where time counts more than the last digits of each. Measured
# on fifteen real tables: up to here Levenberg-Marquardt gives better scores than L-BFGS at equal work. The matrices of
# likelihoods and of other losses are not formed there at all.
SEARCH_LIMITS = MethodLimits(1200, cross_entropy=0, likelihood=0, quasi_newton=0)


def default_method(model: nn.Module, problem: Problem, batch_size: int | None) -> tuple[Method, str]:
    """Choose the method of a fit.

    Adam for minibatches and wrapped models, L-BFGS for models that are no chain of layers with Jacobian rows, and
    `method_for` for all others.

    Parameters
    ----------
    model : nn.Module
        The model to be trained.
    problem : Problem
        What it is trained on.
    batch_size : int or None
        As in `fit`.

    Returns
    -------
    method : Method
    reason : str
        Why this one, as a sentence.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN, Regression
    >>> problem = Regression(torch.rand(20, 1), torch.rand(20, 1))
    >>> default_method(KAN([1, 1]), problem, batch_size=None)[1]
    'Levenberg-Marquardt, since 9 parameters are no more than 5000.'
    """
    network = unwrapped(model)
    if batch_size is not None or problem.train_loader is not None:
        return Adam(), "Adam, since samples come in minibatches."
    if problem.second_order_blocks() and not has_segments(network):
        return LBFGS(), "L-BFGS, since the model is no chain of layers with Jacobian rows."
    return method_for(problem, sum(p.numel() for p in network.parameters() if p.requires_grad))


def method_for(
    problem: Problem, parameters: int, *, is_linear: bool = False, limits: MethodLimits | None = None
) -> tuple[Method, str]:
    """Choose the method for a chain of layers, from the loss and the number of parameters; also return why.

    A model that is linear in its parameters needs hardly any damping in Levenberg-Marquardt.
    """
    # Without residuals, or a curvature that stands for them: quasi-Newton methods.
    limits = limits or MethodLimits()
    blocks = problem.second_order_blocks()
    if not blocks:
        loss = "the loss has no residuals"
        most = limits.quasi_newton
        if parameters <= most:
            return SSBroyden(), f"Self-scaled Broyden: {loss}, {parameters} parameters are no more than {most}."
        return LBFGS(), f"L-BFGS: {loss}, and {parameters} parameters are more than {most}."
    # Levenberg-Marquardt while its matrix stays small: it reaches errors that the others do not (the experiment
    # `mlp-comparison` compares them).
    if problem.blocks():
        most = limits.least_squares
    elif any(isinstance(block, CrossEntropyBlock) for block in blocks):
        most = limits.cross_entropy
    else:
        most = limits.likelihood
    if parameters > most:
        return LBFGS(), f"L-BFGS, since {parameters} parameters are more than {most}."
    method = LevenbergMarquardt()
    if is_linear:
        # The first step then solves it: small enough to leave no trace in the solution, large enough for the
        # factorisation of a matrix that is singular without it.
        method = LevenbergMarquardt(damping=1e-9)
    return method, f"Levenberg-Marquardt, since {parameters} parameters are no more than {most}."
