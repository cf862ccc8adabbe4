"""Networks of pykan as networks of Edgewise: `from_pykan` reads the two files that pykan's `saveckpt` writes.

`reading` takes the files apart without running anything in them, `layers` translates one layer, `network` puts the
layers together. Neither pykan nor yaml is needed.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pykan.network import from_pykan

__all__ = ["from_pykan"]

import_on_demand(__name__)
