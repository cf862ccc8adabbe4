"""The experiment on language: quick run, held-out text, settings chosen before the rest, resuming."""

import math

import pytest

from edgewise_experiments.language import language
from edgewise_experiments.language.language import text_of, unigram_loss
from edgewise_experiments.runner.store import Store


def test_the_best_setting_goes_on(monkeypatch):
    requested = []

    def measured(key, effort, report):
        requested.append(key)
        good = key["setting"] == language.SETTINGS[key["kind"]][-1]
        return {"loss": 1.5 if good else 2.0, "unigram": 3.0, "parameters": 9, "feed_forward": 4, "read": 100} | {
            "a_second": 10,
            "trained": 10.0,
            "looks": [(100, 10.0, 1.5)],
            "said": "so",
        }

    monkeypatch.setattr(language, "measure", measured)
    language.run(quick=False, store=Store(None), seeds=(2,), progress=lambda update: None)
    last = [key for key in requested if key["task"] != "tune"]
    assert len(last) == 4 and all(key["setting"] == language.SETTINGS[key["kind"]][-1] for key in last)
    assert {(key["task"], str(key["given"])) for key in last} == {
        ("equal time", str({"seconds": language.EFFORT.seconds})),
        ("equal text", str({"steps": language.EFFORT.steps})),
    }
    assert {key["seed"] for key in requested} == {2}


def test_the_end_of_the_text_is_held_out():
    whole = "ab" * 450 + "ac" * 50
    text = text_of(whole, 9, 5)
    assert text.symbols == "abc" and len(text.train) == 900 and 2 not in text.train
    assert text.held_out.shape == (5, 10) and 1 not in text.held_out
    assert "".join(text.symbols[number] for number in text.held_out[-1].tolist()) == whole[-10:]


def test_unigram_loss_by_hand():
    text = text_of("aaab" * 250, 3, 20)
    shares = {"a": (675 + 1) / 902, "b": (225 + 1) / 902}
    held_out = ["ab"[number] for number in text.held_out[:, 1:].flatten().tolist()]
    assert unigram_loss(text) == pytest.approx(-sum(math.log(shares[each]) for each in held_out) / len(held_out))
