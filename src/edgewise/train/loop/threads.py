"""One thread for fits whose steps are too small for two: a second one would wait longer than it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.cost import StepCost, active_parameters
from edgewise.train.objective import unwrapped
from edgewise.train.problems import Problem

# Multiply-adds of a step below which it takes one thread: about 30 milliseconds. Measured on two cores that other
# programs used too: with two threads that wait actively, as OpenMP does by default, steps of 400 samples took 8 to 12
# times the CPU seconds of one thread (`fit` of KAN([6, 3, 1]): 64 instead of 5.5 ms), and 5 to 8 times the wall time.
SMALL_STEP = 1e8


@contextmanager
def threads_for(model: nn.Module, problem: Problem) -> Iterator[None]:
    """Let torch use one thread inside if the steps of a fit are small, and as many as before afterwards.

    The number is a setting of torch for the calling thread, and of its matrix library for the process; other threads of
    the program that compute at the same time may meet it. Without tensors as training data nothing is changed.
    """
    with one_thread(step_work(model, problem) < SMALL_STEP):
        yield


@contextmanager
def one_thread(is_small: bool = True) -> Iterator[None]:
    """Let torch use one thread inside, if the work there is small, and as many as before afterwards."""
    before = torch.get_num_threads()
    if before == 1 or not is_small:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def step_work(model: nn.Module, problem: Problem) -> float:
    """Return the multiply-adds of a step of Levenberg-Marquardt, at most about; infinite without tensors as data."""
    data = problem.train_tensors
    network = unwrapped(model)
    if data is None:
        return float("inf")
    count = sum(p.numel() for p in network.parameters())
    if isinstance(network, KAN | MLP):
        active = active_parameters(network)
    else:
        active = None
    return StepCost().levenberg_marquardt(len(data) * data.y[0].numel(), count, active)
