"""Networks in the notations of others, equal to them: ONNX, torch.export, NumPy, C, scipy."""

from edgewise.export.c_source import to_c
from edgewise.export.numpy_source import to_python
from edgewise.export.onnx import to_onnx
from edgewise.export.program import to_program
from edgewise.export.scipy_edges import EdgeFunction, to_scipy
from edgewise.export.steps import Units

__all__ = ["EdgeFunction", "Units", "to_c", "to_onnx", "to_program", "to_python", "to_scipy"]
