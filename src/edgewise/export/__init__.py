"""Networks as files and functions that work without Edgewise: ONNX, torch.export, Python with NumPy, C, scipy.

`to_onnx`, `to_program`, `to_python` and `to_c` write a network to a file; `to_scipy` returns its edges as functions.
All are equal to the network up to rounding. `Units` gives a file the scaling of a table, so that it takes and returns
the user's units.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.export.c_code import to_c
    from edgewise.export.numpy_code import to_python
    from edgewise.export.onnx import to_onnx
    from edgewise.export.program import to_program
    from edgewise.export.scipy_edges import EdgeFunction, to_scipy
    from edgewise.export.steps import Units

__all__ = ["EdgeFunction", "Units", "to_c", "to_onnx", "to_program", "to_python", "to_scipy"]

import_on_demand(__name__)
