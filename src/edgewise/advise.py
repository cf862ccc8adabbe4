"""Deprecated name of `edgewise.compare.advice`, kept for one release."""

import warnings

from edgewise.compare import advice

warnings.warn("edgewise.advise is now edgewise.compare.advice", DeprecationWarning, stacklevel=2)


def __getattr__(name: str) -> object:
    return getattr(advice, name)
