"""The engine: runs the stages of a formula search on a problem and on its reductions, and judges what they yield."""

from edgewise.discovery.engine.running import Engine

__all__ = ["Engine"]
