"""Results as plain JSON: dictionaries, lists, text, numbers and null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import numpy as np


def plain(value: object) -> object:
    """Return a value as JSON has it: None for numbers that are not finite, lists for tuples and arrays."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(item) for item in value]
        case Enum():
            return plain(value.value)
        case Path():
            return str(value)
        case float() if not math.isfinite(value):
            return None
    return value
