"""Deprecated name of `edgewise.compare.advice`, kept for one release."""

import warnings

from edgewise.compare.advice import *  # noqa: F403

warnings.warn("edgewise.advise is now edgewise.compare.advice", DeprecationWarning, stacklevel=2)
