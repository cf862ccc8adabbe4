"""Edgewise: Kolmogorov-Arnold networks that are accurate, fast, and can be read edge by edge."""

from edgewise.errors import (
    CheckpointError,
    EdgewiseError,
    EdgewiseWarning,
    FileError,
    InputError,
    MissingExtraError,
)
from edgewise.nn.config import KANConfig, MLPConfig
from edgewise.nn.layer import KANLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.nn.trace import Trace

__version__ = "0.1.0"

__all__ = [
    "KAN",
    "MLP",
    "CheckpointError",
    "EdgewiseError",
    "EdgewiseWarning",
    "FileError",
    "InputError",
    "KANConfig",
    "KANLayer",
    "MLPConfig",
    "MissingExtraError",
    "Trace",
]
