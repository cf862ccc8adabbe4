"""The transformer: causal attention, sizes, initial weights, training by steps and by seconds, sampled text."""

import pytest
import torch

from edgewise_experiments.images.networks import parameters_of
from edgewise_experiments.language.language import SETTINGS
from edgewise_experiments.language.transformer import Schedule, Shape, batch_of, build, continue_text, loss_on, train

SHAPE = Shape(width=16, layers=2, heads=2, context=12)
KINDS = [(kind, SETTINGS[kind][0]) for kind in SETTINGS]
TEXT = torch.arange(3000) % 5


@pytest.mark.parametrize(("kind", "setting"), KINDS)
def test_the_future_is_not_seen(kind, setting):
    model = build(kind, setting, 5, SHAPE, 6000, 0)
    first = TEXT[None, :12]
    other = first.clone()
    other[0, 8:] = 4 - other[0, 8:]
    one, two = model(first), model(other)
    assert one.shape == (1, 12, 5)
    assert torch.allclose(one[0, :8], two[0, :8], atol=1e-6) and not torch.allclose(one[0, 8:], two[0, 8:])
    shorter = model(first[:, :5])
    assert torch.allclose(one[0, :5], shorter[0], atol=1e-6)


@pytest.mark.parametrize("most", [6000, 20_000])
@pytest.mark.parametrize(("kind", "setting"), [(kind, each) for kind in SETTINGS for each in SETTINGS[kind]])
def test_no_wider_block_would_do(kind, setting, most):
    model = build(kind, setting, 5, SHAPE, most, 0)
    sizes = {parameters_of(block.feed_forward) for block in model.blocks}
    assert 0.8 * most < parameters_of(model) <= most and len(sizes) == 1


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    kind, setting = KINDS[0]
    before = torch.random.get_rng_state()
    one, again, other = (build(kind, setting, 5, SHAPE, 6000, seed)(TEXT[None, :9]) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_batches_are_excerpts_of_the_text():
    excerpts = batch_of(torch.arange(50), 40, 12, torch.Generator().manual_seed(0))
    assert excerpts.shape == (40, 13) and (excerpts.diff() == 1).all()
    assert excerpts.min() == 0 and excerpts.max() == 49


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "setting"), KINDS)
def test_a_simple_text_is_learned_and_continued(kind, setting):
    model = build(kind, setting, 5, SHAPE, 6000, 0)
    held_out, events = batch_of(TEXT, 20, 12, torch.Generator().manual_seed(1)), []
    with torch.no_grad():
        start = float(loss_on(model, held_out))
    found = train(model, TEXT, held_out, Schedule(1e-2, 8, 4, steps=80), 0, events.append)
    assert start > 1.2 and found["looks"][-1][2] < 0.3
    assert [look[0] for look in found["looks"]] == [8 * 12 * steps for steps in (20, 40, 60, 80)]
    assert found["steps"] == 80 and [event.share for event in events] == [0.25, 0.5, 0.75, 1]
    sample = continue_text(model, TEXT[None, :12], 10, 0.5, 0)
    assert ((sample - torch.arange(12, 22) % 5) == 0).float().mean() > 0.8


@pytest.mark.slow
def test_training_by_seconds():
    model = build(*KINDS[1], 5, SHAPE, 6000, 0)
    held_out = batch_of(TEXT, 4, 12, torch.Generator())
    found = train(model, TEXT, held_out, Schedule(1e-2, 4, 3, seconds=0.3), 0, lambda progress: None)
    assert 0.3 <= found["trained"] < 1 and 1 <= len(found["looks"]) <= 3 and found["looks"][-1][1] == found["trained"]
