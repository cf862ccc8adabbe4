"""Comparison of a KAN with other models of a table, and advice on which kind of model a table needs.

`iterate_baselines` trains a linear model, gradient boosting and an MLP on the same rows; `advise` answers the question
"KAN or MLP?" for a table, with the evidence of small models of both kinds.
"""

from importlib.util import find_spec

from edgewise.errors import missing_extra

if find_spec("sklearn") is None:
    raise missing_extra("scikit-learn", "sklearn", "Comparing models")

from edgewise.compare.advice import Advice, Branch, advise
from edgewise.compare.baselines import BaselineResult, iterate_baselines

__all__ = ["Advice", "BaselineResult", "Branch", "advise", "iterate_baselines"]
