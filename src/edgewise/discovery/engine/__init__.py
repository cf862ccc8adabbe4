"""The engine: runs the stages of a formula search on a problem and on its reductions, and judges what they yield."""

from edgewise.discovery.engine.archive import Archive, Judged
from edgewise.discovery.engine.running import Branch, Engine, Stages

__all__ = ["Archive", "Branch", "Engine", "Judged", "Stages"]
