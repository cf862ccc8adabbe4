"""Low-rank functions of all coordinates: tensor trains of coefficients of splines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import linalg
from torch import nn

from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.problem.fields import Index
from edgewise.pde.spaces.low_rank import LowRankNetwork
from edgewise.pde.tiers.tensor_train.lines import Line
from edgewise.pde.tiers.tensor_train.trains import Train, added, along, entries, orthogonal, rounded, scaled, size_of


class Function:
    """A function of all coordinates. Shapes: train (r, splines, s)."""

    def __init__(self, lines: Sequence[Line], train: Train):
        self.lines = list(lines)
        self.train = train

    @classmethod
    def zero(cls, lines: Sequence[Line]) -> Function:
        """Zero everywhere."""
        return cls(lines, [np.zeros((1, line.axis.count, 1)) for line in lines])

    def __add__(self, other: Function) -> Function:
        return Function(self.lines, added(self.train, other.train))

    def __neg__(self) -> Function:
        return Function(self.lines, scaled(self.train, -1.0))

    def __sub__(self, other: Function) -> Function:
        return Function(self.lines, added(self.train, scaled(other.train, -1.0)))

    @property
    def is_zero(self) -> bool:
        """True if it is zero everywhere by its first core."""
        return not self.train[0].any()

    @property
    def norm(self) -> float:
        """Root of the mean square."""
        return size_of(along(self.train, [line.measured for line in self.lines]))

    def jet(
        self, points: Sequence[np.ndarray], numbers: np.ndarray, indices: Sequence[Index]
    ) -> dict[Index, np.ndarray]:
        """Derivatives at points of a grid, whose lines are given, chosen by numbers (N, d): (N,) each."""
        cores: dict[tuple[int, int], np.ndarray] = {}
        for k, line in enumerate(self.lines):
            for order in {index[k] for index in indices}:
                cores[k, order] = np.einsum("mn,rns->rms", line.table(points[k], order), self.train[k])
        trains = [[cores[k, order] for k, order in enumerate(index)] for index in indices]
        return dict(zip(indices, entries(trains, numbers), strict=True))

    def rounded(self, tolerance: float) -> Function:
        """The function with the smallest ranks for a tolerance relative to its norm."""
        measured = [line.measured for line in self.lines]
        cores = rounded(along(self.train, measured), tolerance)
        return Function(self.lines, along(cores, [linalg.inv(each) for each in measured]))

    def on(self, lines: Sequence[Line]) -> Function:
        """The function on other breakpoints, by least squares along one coordinate after the other."""
        tables = [new.fitted @ old.table(new.nodes, 0) for old, new in zip(self.lines, lines, strict=True)]
        return Function(lines, along(self.train, tables))

    def coarser_errors(self) -> list[float]:
        """For each coordinate the relative error that a grid of half as many intervals would have."""
        # In the basis where norms are those of functions; the core of one coordinate after the other has the norm.
        cores = orthogonal(along(self.train, [line.measured for line in self.lines]))
        errors = []
        for k, line in enumerate(self.lines):
            errors.append(line.coarser_error(np.einsum("mn,rns->rms", linalg.inv(line.measured), cores[k])))
            if k < len(cores) - 1:
                r, n, s = cores[k].shape
                q, upper = np.linalg.qr(cores[k].reshape(r * n, s))
                cores[k], cores[k + 1] = q.reshape(r, n, -1), np.einsum("rs,snt->rnt", upper, cores[k + 1])
        return errors

    def network(self) -> LowRankNetwork:
        """The function as a network."""
        layers = []
        # One layer for each coordinate, with an output for each entry of its core matrix.
        for line, core in zip(self.lines, self.train, strict=True):
            axis = line.axis
            layer = TensorLayer(
                [torch.from_numpy(axis.breakpoints)],
                core.shape[0] * core.shape[2],
                degree=axis.degree,
                periodic=[axis.periodic],
                clamped=True,
            )
            layer.coef = nn.Parameter(
                torch.from_numpy(np.ascontiguousarray(core.transpose(1, 0, 2)).reshape(axis.count, -1))
            )
            layers.append(layer)
        return LowRankNetwork(layers, [1, *(core.shape[2] for core in self.train)])
