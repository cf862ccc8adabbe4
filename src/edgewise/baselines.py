"""Deprecated name of `edgewise.compare.baselines`, kept for one release."""

import warnings

from edgewise.compare.baselines import *  # noqa: F403

warnings.warn("edgewise.baselines is now edgewise.compare.baselines", DeprecationWarning, stacklevel=2)
