"""Slots of parameters, one behind the other."""

import torch

from edgewise.train.jacobian.rows import ParameterSlots


def test_slots_follow_each_other():
    slots = ParameterSlots({"a": torch.nn.Parameter(torch.zeros(2, 3)), "b": torch.nn.Parameter(torch.zeros(()))})
    assert slots.slots == {"a": slice(0, 6), "b": slice(6, 7)}
    assert slots.shapes == {"a": (2, 3), "b": ()}
    assert slots.size == 7
