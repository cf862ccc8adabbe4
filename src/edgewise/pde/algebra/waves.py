"""Coupled fields on even grids of periodic coordinates: one small system for each wave.

The vortices of Taylor and Green have no solution without it. Other measured rows of several fields in a periodic plane
use it: pulses (GS), a fifth quicker with it, and shocks (Burgers2d-C).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from edgewise.native import interruptible
from edgewise.outcomes import check_time
from edgewise.pde.algebra.system import LinearSystem, Preconditioner
from edgewise.pde.spaces.axis import dense


@dataclass(frozen=True)
class WaveSettings:
    """Memory and rounding of the systems of waves."""

    most_entries: float = 3e7  # of the inverses of all waves: half a gigabyte
    # of the largest singular value of a wave's system, which rows of size one have: rounding
    least_singular_value: float = 1e-11


SETTINGS = WaveSettings()


class WaveByWave(Preconditioner):
    """Solver of a system whose entries of the Jacobian are replaced by means over the periodic coordinates [1].

    On an even grid a discrete Fourier transform turns it into a system for each wave, of all fields and all splines of
    the other coordinate. It is exact where entries of the Jacobian depend on that coordinate alone. What a wave's
    system leaves undetermined, as the mean of a pressure of which only derivatives occur, is zero.

    [1] C. Canuto, M. Hussaini, A. Quarteroni, T. Zang, "Spectral Methods: Fundamentals in Single Domains", 2006,
    section 4.2.
    """

    @classmethod
    def for_system(cls, system: LinearSystem) -> WaveByWave | None:
        """The solver; None where a second coordinate is not periodic, a grid is not even or a wave has no solution."""
        axes = system.blocks[0].axes
        lines = [number for number, axis in enumerate(axes) if axis.periodic]
        if len(lines) < max(1, len(axes) - 1):
            return None
        # Translation invariance: the table of each periodic coordinate is a circulant matrix.
        for block in system.blocks:
            for number in lines:
                table = dense(block.table(number, 0))
                if not np.allclose(table, linalg.circulant(table[:, 0]), rtol=0, atol=1e-8):
                    return None
        # Memory of the inverses.
        entries = (system.unknowns / math.prod(axes[number].count for number in lines)) * system.unknowns / 2
        if entries > SETTINGS.most_entries:
            return None
        try:
            return cls(system, lines)
        except np.linalg.LinAlgError:
            return None

    def __init__(self, system: LinearSystem, lines: list[int]):
        self.blocks = system.blocks
        self.shape = system.shape
        self.lines = lines
        # Periodic coordinates, and the other one.
        axes = system.blocks[0].axes
        fields = system.shape[-1]
        self.counts = [axes[number].count for number in lines]
        self.other = next((number for number in range(len(axes)) if number not in lines), None)
        splines = 1
        if self.other is not None:
            splines = axes[self.other].count
        size = fields * splines
        # Symbols: a small matrix for each wave, with the rows of all blocks.
        waves = (*self.counts[:-1], self.counts[-1] // 2 + 1)  # the others are complex conjugates
        matrices = np.zeros((*waves, size, size), dtype=complex)
        row = 0
        for block, jacobian in zip(system.blocks, system.jacobian, strict=True):
            moments = 1
            if self.other is not None:
                moments = len(block.points[self.other])
            for (number, slot, index), slope in jacobian.items():
                # Product of the mean slope, the table of the other coordinate, and the transforms of circulant tables.
                part = slope.mean(tuple(lines)).reshape(moments, 1)
                if self.other is not None:
                    part = part * dense(block.table(self.other, index[self.other]))
                symbol = np.ones((), dtype=complex)
                for line in lines:
                    symbol = np.multiply.outer(symbol, np.fft.fft(dense(block.table(line, index[line]))[:, 0]))
                rows = slice(row + number * moments, row + (number + 1) * moments)
                columns = slice(slot * splines, (slot + 1) * splines)
                matrices[..., rows, columns] += symbol[..., : waves[-1], None, None] * part
            row += len(block.numbers) * moments
        # Rows are scaled to size one, so that singular values are comparable.
        scale = 1 / np.maximum(np.abs(matrices).max((*range(len(waves)), -1)), np.finfo(float).tiny)
        matrices *= scale[:, None]
        # Odd derivatives vanish for constants and for the shortest waves, so that a field may be undetermined there.
        special = np.ix_(*[[k for k in range(n) if 2 * k in (0, c)] for n, c in zip(waves, self.counts, strict=True)])
        left, sizes, right = np.linalg.svd(matrices[special])
        is_determined = sizes > SETTINGS.least_singular_value * sizes.max()
        left = left * is_determined[..., None, :]
        matrices[special] = np.eye(size)
        # Inverses of the others, and pseudoinverses of these.
        check_time()
        self.inverses = interruptible(lambda: np.linalg.inv(matrices))
        shares = np.where(is_determined, 1 / np.maximum(sizes, np.finfo(float).tiny), 0.0)
        self.inverses[special] = (right.conj().swapaxes(-1, -2) * shares[..., None, :]) @ left.conj().swapaxes(-1, -2)
        self.inverses *= scale
        self._special = None if is_determined.all() else special
        self._solvable = (left @ left.conj().swapaxes(-1, -2)) * scale / scale[:, None]
        system.work += math.prod(waves) * float(size) ** 3

    def __call__(self, rhs: np.ndarray) -> np.ndarray:
        """Coefficients, flat, for a right-hand side with the rows of the system."""
        parts = range(len(self.lines))
        found = (self.inverses @ self._transformed(rhs)[..., None])[..., 0]
        coef = np.fft.irfftn(found, self.counts, axes=parts).reshape(*self.counts, self.shape[-1], -1)
        coef = np.moveaxis(coef, -2, -1)  # (*waves, splines, fields)
        if self.other is None:
            return coef.ravel()
        return np.moveaxis(coef, len(self.lines), self.other).ravel()

    def solvable(self, rhs: np.ndarray) -> np.ndarray:
        """The right-hand side without what no solution has, as the mean of a divergence, which rounding leaves."""
        if self._special is None:
            return rhs
        # Projection on the range of the singular systems of waves, then the inverse Fourier transform.
        waves = self._transformed(rhs)
        waves[self._special] = (self._solvable @ waves[self._special][..., None])[..., 0]
        parts = range(len(self.lines))
        start = 0
        rows = []
        for block in self.blocks:
            width = block.rows // math.prod(self.counts)
            values = np.fft.irfftn(waves[..., start : start + width], self.counts, axes=parts)
            start += width
            shape = [len(block.numbers), *(n for k, n in enumerate(block.shape) if k not in self.lines)]
            values = np.moveaxis(values.reshape(*self.counts, *shape), parts, [line + 1 for line in self.lines])
            rows.append(values.ravel())
        return np.concatenate(rows)

    def _transformed(self, rhs: np.ndarray) -> np.ndarray:
        """Fourier transform of the rows, (*waves, rows of a wave)."""
        parts = range(len(self.lines))
        start = 0
        transformed = []
        for block in self.blocks:
            values = rhs[start : start + block.rows].reshape(len(block.numbers), *block.shape)
            start += block.rows
            values = np.moveaxis(values, [line + 1 for line in self.lines], parts)
            transformed.append(np.fft.rfftn(values, axes=parts).reshape(*self.inverses.shape[: len(parts)], -1))
        return np.concatenate(transformed, -1)
