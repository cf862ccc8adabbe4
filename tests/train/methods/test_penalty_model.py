"""A penalty's derivatives as second-order methods see them, against autograd."""

import torch

from edgewise.nn.model import KAN
from edgewise.train.jacobian import rows
from edgewise.train.methods.levenberg_marquardt import penalty_curvature
from edgewise.train.objective import Objective
from edgewise.train.parameters import ParameterSlots, add_curvature_
from edgewise.train.penalties import Sparsity
from edgewise.train.problems import Regression

X = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def objective_of(penalty):
    model = KAN([2, 2, 1], 4, dtype=torch.float64)
    model.layers[0].mask[1, 0] = 0
    return Objective(model, Regression(X, X[:, :1], weight=X[:, 1]), penalty)


def curvature_matrix(objective):
    slots = ParameterSlots(objective.parameters)
    matrix = torch.zeros(slots.size, slots.size, dtype=torch.float64)
    for entry in penalty_curvature(objective, slots, objective.problem.train):
        add_curvature_(matrix, slots, entry)
    return matrix


def test_sparsity_has_a_positive_curvature_in_any_chunks(monkeypatch):
    objective = objective_of(Sparsity(0.1))
    whole = curvature_matrix(objective)
    assert float(torch.linalg.eigvalsh(whole).min()) > -1e-14
    assert float(whole.diagonal().max()) > 0
    monkeypatch.setattr(rows, "ROW_CHUNK_NUMBERS", 300)
    assert torch.allclose(curvature_matrix(objective), whole, rtol=1e-11, atol=1e-15)
