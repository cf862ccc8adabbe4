"""Pure functions of tensors that layers are made of; they know nothing of networks.

`splines` has B-spline bases, knots and exact integrals. `spline_sum` (in `contract`) is the sum of splines of a layer,
differentiable to any order, and `layer_sum` a whole layer at once; `use_kernel` chooses the kernel on which both run,
`kernel_for` gives the name of that one.
`jet` carries derivatives along directions through a function, `normal` multiplies with sparse Jacobians, and
`gauss_newton` solves small nonlinear least-squares problems.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.ops.backend import kernel_for, use_kernel
    from edgewise.ops.contract import spline_sum
    from edgewise.ops.whole_layer import layer_sum

__all__ = ["kernel_for", "layer_sum", "spline_sum", "use_kernel"]

import_on_demand(__name__)
