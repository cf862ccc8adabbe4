"""Least squares over several blocks of residuals, as a differential equation gives them, and in Sobolev norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.train.problems.base import Problem
from edgewise.train.problems.blocks import BlockRole, ResidualBlock, Unknowns
from edgewise.train.problems.data import Data


class BlockProblem(Problem):
    """Least squares over several blocks of residuals, with unknown numbers in them if there are any.

    The loss is the sum of the losses of the blocks, see `ResidualBlock`. Every method minimises all blocks at once;
    there are no minibatches. The points of all blocks together are the training samples `train` (its y is empty): grids
    are laid and edges are measured on them.

    A subclass, for example the collocation problem of a differential equation, passes its blocks to this constructor.
    It may override `metric` (if it knows a solution), `check_model` (if a model must fulfil more than the blocks
    need), and `to` (if it holds further tensors). It finds blocks by their role with `with_role`, never by their name.

    Parameters
    ----------
    blocks : sequence of ResidualBlock
        One or more blocks with different names, of one dtype and one number of inputs.
    unknowns : mapping of str to Parameter, optional
        Parameters of shape (), trained with the model and passed to the residuals by name.

    Raises
    ------
    InputError
        There is no block, or the blocks don't go together.

    Examples
    --------
    u' = u on [0, 1] with u(0) = 1:

    >>> import torch
    >>> from edgewise.train import BlockProblem
    >>> from edgewise.train import Data, ResidualBlock
    >>> from edgewise.train.problems.blocks import BlockRole
    >>> x, start = torch.linspace(0, 1, 20)[:, None], torch.zeros(1, 1)
    >>> equation = ResidualBlock("equation", Data(x, x), lambda jet, part: jet[1] - jet[0], 1.0, torch.ones(1, 1), 1)
    >>> initial = ResidualBlock("start", Data(start, start), lambda jet, part: jet[0] - 1, role=BlockRole.CONDITION)
    >>> problem = BlockProblem([equation, initial])
    >>> len(problem.train), [block.name for block in problem.with_role(BlockRole.CONDITION)]
    (21, ['start'])
    """

    by_blocks = True

    def __init__(self, blocks: Sequence[ResidualBlock], unknowns: Unknowns | None = None) -> None:
        self._blocks = tuple(blocks)
        if not self._blocks:
            raise InputError("blocks must hold at least one ResidualBlock, got none")
        names = [block.name for block in self._blocks]
        if len(set(names)) < len(names):
            raise InputError(f"blocks must have different names, got {names}")
        kinds = {(block.data.x.dtype, block.data.x.shape[1:]) for block in self._blocks}
        if len(kinds) > 1 or self._blocks[0].data.x.ndim != 2:
            came = [f"{tuple(block.data.x.shape)} {block.data.x.dtype}" for block in self._blocks]
            raise InputError(f"blocks must have x of shape (N, in) with one `in` and one dtype, got {came}")
        self.unknowns = dict(unknowns or {})
        for name, value in self.unknowns.items():
            if not isinstance(value, nn.Parameter) or value.ndim != 0:
                raise InputError(f"unknowns must be parameters of shape (), got {name!r}: {type(value).__name__}")
        points = torch.cat([block.data.x for block in self._blocks])
        self.train_tensors = Data(points, points.new_zeros(len(points), 0))

    def blocks(self) -> tuple[ResidualBlock, ...]:
        """All blocks, in the order given."""
        return self._blocks

    def with_role(self, role: BlockRole) -> tuple[ResidualBlock, ...]:
        """Blocks that play one role, in the order given."""
        return tuple(block for block in self._blocks if block.role == role)

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        """Raise InputError: the loss is that of the blocks and no function of a prediction."""
        raise InputError("the loss of a problem of blocks is that of its blocks, not of a prediction")

    def sample_losses(self, model: nn.Module, data: Data) -> Tensor:
        """Raise InputError: residuals on different points are no losses of samples."""
        raise InputError("a problem of residual blocks has no loss of single samples")

    def subset(self, index: Tensor) -> Self:
        """Raise InputError: build another problem from subsets of the blocks instead."""
        raise InputError("a problem of residual blocks has no subset of samples; build it from subsets of its blocks")

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """None: residuals alone give no headline metric."""
        return None

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Accept any output: the residuals find out whether they can be computed from it."""

    def to(self, dtype: torch.dtype) -> Self:
        """Copy in another floating-point dtype; its unknowns are parameters of their own."""
        twin = super().to(dtype)
        twin._blocks = tuple(block.to(dtype) for block in self._blocks)
        return twin
