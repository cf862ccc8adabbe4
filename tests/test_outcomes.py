"""One vocabulary of stop reasons and one progress object."""

import json
import math

import pytest

from edgewise.errors import InputError
from edgewise.outcomes import Progress, StopReason, progress_callback


@pytest.mark.parametrize("reason", StopReason)
def test_each_reason_is_a_plain_word_with_a_sentence(reason):
    assert json.loads(json.dumps({"stopped": reason})) == {"stopped": reason.value}
    assert reason.sentence[0].isupper() and reason.sentence.endswith(".")


def test_words_of_older_files_are_understood():
    assert StopReason("finished") is StopReason.CONVERGED
    assert StopReason("time") is StopReason.TIME_LIMIT
    with pytest.raises(ValueError, match="vanished"):
        StopReason("vanished")


def test_time_left_is_proportional_to_the_rest():
    assert Progress("x", share=0.5, seconds=10.0).seconds_left == 10.0
    assert Progress("x", share=1.0, seconds=10.0).seconds_left == 0.0
    assert math.isfinite(Progress("x", share=0.0, seconds=1.0).seconds_left)


def test_former_names_warn():
    progress = Progress("x", share=0.5, best_loss=0.1)
    with pytest.warns(DeprecationWarning, match=r"Progress\.share"):
        assert progress.done == 0.5
    with pytest.warns(DeprecationWarning, match=r"Progress\.best_loss"):
        assert progress.best == 0.1


@pytest.mark.parametrize(
    ("former", "given", "expected"),
    [
        (("stage", "share", "error"), lambda stage, share, error: (stage, share, error), ("grid", 0.25, 0.5)),
        (("stage", "share"), lambda name, done: (name, done), ("grid", 0.25)),
    ],
)
def test_callbacks_of_version_0_1_are_adapted_with_a_warning(former, given, expected):
    with pytest.warns(DeprecationWarning, match="progress must now be a function of one Progress") as caught:
        callback = progress_callback(given, former)
    assert len(caught) == 1
    assert callback(Progress("grid", share=0.25, loss=0.25)) == expected


def test_present_callbacks_are_used_as_they_are():
    events = []
    for callback in (events.append, lambda progress: None, lambda *arguments: None, lambda at, more=0, most=1: None):
        assert progress_callback(callback, ("stage", "share")) is callback
    assert progress_callback(None, ("stage", "share")) is None


@pytest.mark.parametrize("callback", [3, lambda: None, lambda a, b, c, d: None])
def test_other_callbacks_are_refused(callback):
    with pytest.raises(InputError, match=r"^progress must be a function of one Progress"):
        progress_callback(callback, ("stage", "share", "error"))
