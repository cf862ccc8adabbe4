"""Deprecated name of `edgewise.compare.baselines`, kept for one release."""

import warnings

from edgewise.compare import baselines

warnings.warn("edgewise.baselines is now edgewise.compare.baselines", DeprecationWarning, stacklevel=2)


def __getattr__(name: str) -> object:
    return getattr(baselines, name)
