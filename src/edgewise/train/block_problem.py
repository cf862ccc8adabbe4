"""A problem that is given by its residual blocks alone, as a differential equation is."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import InputError
from edgewise.train.blocks import ResidualBlock, Unknowns
from edgewise.train.data import Data
from edgewise.train.problem import Problem


class BlockProblem(Problem):
    """Least squares over several blocks of residuals, see `ResidualBlock`, and perhaps unknown numbers in them.

    Every method minimises all blocks at once; minibatches are not for it.

    Args:
        blocks: one or more, with names of their own, of one dtype and one number of inputs.
        unknowns: parameters of no dimension, trained with the model and handed to the residuals by name.

    Attributes:
        train: the points of all blocks (y is empty): where grids are laid, and edges are measured.

    Raises:
        InputError: there is no block, or blocks don't go together.
    """

    by_blocks = True

    def __init__(self, blocks: Sequence[ResidualBlock], unknowns: Unknowns | None = None):
        self.train = self.validation = self.train_loader = self.validation_loader = None
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
        self.train = self._all_points()

    def blocks(self) -> tuple[ResidualBlock, ...]:
        return self._blocks

    def loss(self, prediction: Tensor, data: Data) -> Tensor:
        raise InputError("the loss of a problem of blocks is that of its blocks, not of a prediction")

    def metric(self, prediction: Tensor, data: Data) -> tuple[str, float] | None:
        """None: residuals say nothing a person would ask for; a subclass that knows the solution does better."""
        return None

    def check_prediction(self, prediction: Tensor, data: Data) -> None:
        """Whether a model's output fits is seen when residuals are computed from it."""

    def to(self, dtype: torch.dtype) -> "BlockProblem":
        """A copy in another dtype, unknowns included: those of the copy are parameters of their own."""
        twin = super().to(dtype)
        twin._blocks = tuple(block.to(dtype) for block in self._blocks)
        twin.unknowns = {
            name: nn.Parameter(value.detach().to(dtype, copy=True), requires_grad=value.requires_grad)
            for name, value in self.unknowns.items()
        }
        return twin

    def _all_points(self) -> Data:
        x = torch.cat([block.data.x for block in self._blocks])
        return Data(x, x.new_zeros(len(x), 0))
