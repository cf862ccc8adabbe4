"""One vocabulary of stop reasons and one progress object."""

import json
import math

import pytest

from edgewise.outcomes import Progress, StopReason


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
