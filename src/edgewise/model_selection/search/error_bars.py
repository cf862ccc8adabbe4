"""Error bars of an additive model as functions of the parameters of the network that it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.model_selection.additive.columns.design import Design
from edgewise.model_selection.additive.model import symmetric_roots
from edgewise.model_selection.search.candidates import Fitted
from edgewise.nn.model import KAN

MOST_NUMBERS = 4_000_000  # of the factor, 32 MB in a file; a choice
CUT_SHARE = 1e-6  # of the variance, which may be cut from the factor; a choice: bars do not change visibly


def parameter_factor(fitted: Fitted, model: KAN) -> Tensor:
    """Return C, (P, K), with C C' the covariance of the network's P parameters.

    The Bayesian covariance of the coefficients, with the uncertainty of the strengths, is carried to the coefficients
    of the curves exactly. Of a pair's tensor U V' = W the factors move by dU = (dW - U U' dW / 2) V / |V|^2 and
    likewise for dV, which gives every change of W within the rank. The functions inside hidden nodes are taken as
    known, and inputs without any curve as without influence.

    Parameters
    ----------
    fitted : Fitted
        Additive model.
    model : KAN
        `fitted.to_kan()`.

    Raises
    ------
    InputError
        The factor would hold too many numbers.
    """
    design = fitted.model.design
    blocks: list[np.ndarray] = []
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    count = sum(shape.numel() for shape in shapes.values())
    for output in range(len(fitted.model.fits)):
        # L, (p, K), with L L' the covariance but for directions of hardly any variance.
        covariance = fitted.model.band_covariance(output)
        values, vectors = np.linalg.eigh(covariance)
        kept = np.cumsum(np.maximum(values, 0)) > CUT_SHARE * max(np.trace(covariance), 0.0)
        root = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
        if sum(block.shape[1] for block in blocks) * count + root.shape[1] * count > MOST_NUMBERS:
            raise InputError(f"model must have fewer parameters for error bars, got {count:,}")
        parts = {name: np.zeros((*shape, root.shape[1])) for name, shape in shapes.items()}
        _fill_curves(parts, design, root, output, fitted)
        if design.pairs:
            _fill_pairs(parts, fitted, root, output)
        blocks.append(np.concatenate([part.reshape(-1, root.shape[1]) for part in parts.values()]))
    return torch.from_numpy(np.concatenate(blocks, 1))


def _fill_curves(parts: dict[str, np.ndarray], design: Design, root: np.ndarray, output: int, fitted: Fitted) -> None:
    """Write the changes of the curves of inputs, and of those of hidden nodes, into the changes of parameters."""
    changes = [design.spline_coef(column[:, None]) for column in root.T]
    curves = np.stack([curve[:, :, 0] for curve, _ in changes], -1)  # (inputs, n, K)
    mean = design.spline_coef(fitted.model.coef[:, output : output + 1])[0][:, :, 0]
    # B-splines add up to 1, so a constant is a constant coefficient, of the curve that `to_kan` gives it to.
    curves[int(np.abs(mean).max(1).argmax())] += np.array([constant[0] for _, constant in changes])
    inputs = len(curves) if fitted.nodes is None else fitted.nodes.coef.shape[0]
    parts["layers.0.coef"][:, :, output] = curves[:inputs]
    if fitted.nodes is not None:
        nodes = fitted.nodes.coef.shape[2]
        last = max(name for name in parts if name.endswith(".coef"))
        outputs = len(fitted.model.fits)
        parts[last][outputs : outputs + nodes, :, output] = curves[inputs:]


def _fill_pairs(parts: dict[str, np.ndarray], fitted: Fitted, root: np.ndarray, output: int) -> None:
    """Write the changes of the factors of product nodes, in the order of `AdditiveModel.to_kan`."""
    model = fitted.model
    hidden = 0 if fitted.nodes is None else fitted.nodes.coef.shape[2]
    place = len(model.fits) + hidden
    for number, pair in enumerate(model.pairs):
        own = model.design.columns_of_pair(number)
        roots = [symmetric_roots(model.design.margins[j].covariance) for j in pair]
        to_splines = [
            model.design.margins[j].change @ root_and_inverse[1]
            for j, root_and_inverse in zip(pair, roots, strict=True)
        ]
        for term_output, (left, right) in enumerate(model.factors(number, 0.0)):
            rank = left.shape[1]
            if term_output == output and rank:
                changes = root[own].reshape(len(left), len(right), -1)
                changes = np.einsum("ai,ijk,jb->abk", roots[0][0], changes, roots[1][0])
                size = np.sqrt((left**2).sum(0) * (right**2).sum(0))  # left and right have equal lengths
                u, v = left / np.sqrt(size), right / np.sqrt(size)
                core = np.einsum("ar,abk,bs->rsk", u, changes, v)
                du = (np.einsum("abk,br->ark", changes, v) - 0.5 * np.einsum("as,srk->ark", u, core)) / np.sqrt(size)[
                    :, None
                ]
                dv = (np.einsum("abk,ar->brk", changes, u) - 0.5 * np.einsum("bs,rsk->brk", v, core)) / np.sqrt(size)[
                    :, None
                ]
                for r in range(rank):
                    parts["layers.0.coef"][pair[0], :, place + 2 * r] = to_splines[0] @ du[:, r]
                    parts["layers.0.coef"][pair[1], :, place + 2 * r + 1] = to_splines[1] @ dv[:, r]
            place += 2 * rank
