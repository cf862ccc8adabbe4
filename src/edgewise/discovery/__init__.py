"""The search for a formula that explains data or a trained model; call `find_formula`."""

from edgewise.discovery.finder import find_formula

__all__ = ["find_formula"]
