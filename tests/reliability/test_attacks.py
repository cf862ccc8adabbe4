"""A short form of the soak: each attack a few times, and nothing fails."""

import os
import signal

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_an_ended_run_leaves_old_or_new_results(name, tmp_path):
    from .soak import READ_ONLY, Kills, can_mount, mounted

    kills = Kills(tmp_path, seed=1)
    assert kills.attempt(signal.Signals[name]) is None
    assert kills.litter() is None
    if can_mount():
        assert mounted(tmp_path, READ_ONLY) is None


@pytest.mark.slow
def test_a_full_disk_leaves_old_or_new_results(tmp_path):
    from .soak import full_disk

    assert full_disk(tmp_path, 100) is None
