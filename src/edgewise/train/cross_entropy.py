"""Cross-entropy to second order: the generalised Gauss-Newton matrix of a softmax, factorised into rows."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from edgewise.train.blocks import LocalModel
from edgewise.train.data import Data


@dataclass(frozen=True, eq=False)
class CrossEntropyBlock:
    """What `ResidualBlock` is to a sum of squares, for mean over samples of (data.weight *) -log p(label).

    Its second derivative by the logits is diag(p) - p p', whatever the label: N. Schraudolph, "Fast curvature
    matrix-vector products for second-order gradient descent", Neural Computation 14 (2002).
    """

    name: str
    data: Data
    is_plain = True

    def to(self, dtype: torch.dtype) -> "CrossEntropyBlock":
        return replace(self, data=self.data.to(dtype))

    def jet(self, network: nn.Module, x: Tensor) -> Tensor:
        return network(x)[None]

    def local(self, jet: Tensor, part: Data, unknowns: dict) -> LocalModel:
        """The loss on a part, summed over samples, to second order in the logits."""
        share = jet[0].softmax(1)
        slope = share - one_hot(part.y, share.shape[1])
        rows = softmax_factor(share) * 0.5**0.5  # 2 row row' is meant
        if part.weight is not None:
            slope = slope * part.weight[:, None]
            rows = rows * part.weight.sqrt()[:, None]
        return LocalModel(rows[:, None], {}, None, slope[None])


def softmax_factor(share: Tensor) -> Tensor:
    """Rows (classes - 1, b, classes) with sum_r row_r row_r' = diag(p) - p p' for each p of `share` (b, classes).

    The Cholesky factor of a multinomial's covariance in closed form: K. Tanabe, M. Sagae, J. R. Statist. Soc. B 54
    (1992) 211. With q_r = sum of p_k over k > r, row r is sqrt(p_r q_r / q_(r-1)) (e_r - sum_(k > r) p_k / q_r e_k).
    """
    tails = share.flip(1).cumsum(1).flip(1)  # q_(r-1), by sums of positive numbers: nothing cancels
    after, before = tails[:, 1:], tails[:, :-1]
    tiny = torch.finfo(share.dtype).tiny
    size = (share[:, :-1] * after / before.clamp(min=tiny)).sqrt()
    others = -(share[:, None, :] / after.clamp(min=tiny)[..., None]).triu(1)
    others[:, torch.arange(after.shape[1]), torch.arange(after.shape[1])] = 1.0
    return (size[..., None] * others).transpose(0, 1)
