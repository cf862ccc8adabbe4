"""Tests of the choice between the model of the search and an approximation of samples without noise."""

from types import SimpleNamespace

import numpy as np
import torch

from edgewise import search
from edgewise.outcomes import Budget, StopReason
from edgewise.search.candidates import Samples
from edgewise.search.noise_free import Leader, approximated
from edgewise.search.policy import SearchPolicy, SearchSettings
from edgewise.search.records import SearchReport, Trial
from edgewise.search.validation import held_out_rows


def test_the_losses_in_the_sentence_are_those_of_the_same_rows(monkeypatch):
    """The search has held out half of the rows, and the network errs most on the others: its loss there is no part."""
    zero = SimpleNamespace(model=lambda x: torch.zeros(len(x), 1), work=0.0)
    monkeypatch.setattr(search.approximation, "approximate_by_plan", lambda *arguments: zero)
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    unseen = np.array(held_out_rows(SearchPolicy().unseen, 200, 0))
    y = np.full(200, 0.5)
    losses = np.full(200, np.nan)
    losses[unseen[::2]] = 0.16
    y[unseen[1::2]] = 2.0
    report = SearchReport(
        "additive", (Trial("additive", 0.05, 0.0, 3, 5, taken=True),), (), 5, 0.0, StopReason.CONVERGED
    )
    leader = Leader(report, lambda: losses, lambda: True)
    result, sentence = approximated(Samples(x, y[:, None], np.ones(200)), leader, SearchSettings(), Budget())
    assert result is None
    assert "loss 0.25 on rows that it did not see, 0.16 without" in sentence
