"""Networks of pykan as networks of Edgewise: `from_pykan` reads the two files that pykan's `saveckpt` writes.

`reading` takes the files apart without running anything in them, `layers` translates one layer, `network` puts the
layers together. Neither pykan nor yaml is needed.
"""

from edgewise.pykan.network import from_pykan

__all__ = ["from_pykan"]
