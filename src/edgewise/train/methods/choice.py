"""The method of a fit for which none was named, and why that one."""

from torch import nn

from edgewise.train.jacobian.rows import has_segments
from edgewise.train.methods.base import Adam, Method
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.problems.base import Problem
from edgewise.train.problems.classification import CrossEntropyBlock
from edgewise.train.problems.objective import unwrapped

# A step of Levenberg-Marquardt factorises a matrix of the parameters, one of Broyden's updates one; for cross-entropy
# each class is a residual more.
MOST, MOST_CROSS_ENTROPY = 5000, 500


def default_method(model: nn.Module, problem: Problem, batch_size: int | None) -> tuple[Method, str]:
    """The method, and the reason as a sentence.

    Levenberg-Marquardt where the loss has residuals, the layers give Jacobian rows and the matrix stays small: it
    reaches errors that the others don't (`edgewise reproduce mlp-comparison` sets them side by side). Self-scaled
    Broyden where it has none, L-BFGS for more parameters, Adam for minibatches.
    """
    network = unwrapped(model)
    if batch_size is not None or problem.train_loader is not None or network is not model:
        return Adam(), "Adam, since samples come in minibatches."
    count = sum(p.numel() for p in network.parameters() if p.requires_grad)
    blocks = problem.second_order_blocks()
    if not blocks and count <= MOST:
        return (
            SSBroyden(),
            f"Self-scaled Broyden: the loss has no residuals, {count} parameters are no more than {MOST}.",
        )
    if not blocks:
        return LBFGS(), f"L-BFGS: the loss has no residuals, and {count} parameters are more than {MOST}."
    if not has_segments(network):
        return LBFGS(), "L-BFGS, since the model is no chain of layers with Jacobian rows."
    entropy = any(isinstance(block, CrossEntropyBlock) for block in blocks)
    most = MOST_CROSS_ENTROPY if entropy else MOST
    if count > most:
        return LBFGS(), f"L-BFGS, since {count} parameters are more than {most}."
    return LevenbergMarquardt(), f"Levenberg-Marquardt, since {count} parameters are no more than {most}."
