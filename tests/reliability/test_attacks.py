"""A short form of the soak: each attack a few times, and nothing fails."""

import os
import signal

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@pytest.mark.slow
def test_ended_runs_leave_old_or_new_results(tmp_path):
    from .soak import READ_ONLY, Kills, can_mount, full_disk, mounted

    kills = Kills(tmp_path, seed=1)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        assert kills.attempt(number) is None
    assert kills.litter() is None
    assert full_disk(tmp_path, 100) is None
    if can_mount():
        assert mounted(tmp_path, READ_ONLY) is None
