"""Edits as pure functions: what they do to the curve, what they cost, and what they refuse."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from edgewise import KAN, Regression, explore
from edgewise.errors import InputError
from edgewise.explore.editing import apply_edit
from edgewise.interpret import edit
from edgewise.interpret.edits import EDITS

EDGE = [0, 0, 0]
ROOT = Path(__file__).parents[2]


def wavy(x):
    return torch.sin(3 * x) + 0.5 * x


@pytest.fixture(scope="module")
def problem():
    x = torch.rand(120, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = wavy(x[:, 0]) + x[:, 1] ** 2
    return Regression(x[:90], y[:90], validation=(x[90:], y[90:]))


@pytest.fixture(scope="module")
def model(problem):
    network = KAN([2, 1], 8, dtype=torch.float64, domain=(-1, 1))
    return apply_edit(network, problem, {"kind": "refit", "refit": 3, "train": "all"}).model


def curve(model, points, i=0):
    """Edge (0, i, 0) by scipy's B-splines, with the base function."""
    layer = model.layers[0]
    spline = BSpline(layer.knots[i].numpy(), layer.coef[i, :, 0].detach().numpy(), layer.degree)
    silu = points / (1 + np.exp(-points))
    return spline(points) + float(layer.base[i, 0].detach()) * silu


def test_a_dragged_curve_passes_through_its_points_and_moves_little_elsewhere(model, problem):
    points = [[-0.5, 1.25], [-0.45, 1.2]]
    done = apply_edit(model, problem, {"kind": "drag", "edge": EDGE, "points": points})
    assert curve(done.model, np.array([-0.5, -0.45])) == pytest.approx([1.25, 1.2], abs=1e-9)
    far = np.linspace(0.4, 1, 20)
    assert np.abs(curve(done.model, far) - curve(model, far)).max() < 0.05
    assert done.costs["held-out"].rise > 0 and done.costs["held-out"].rows == 30
    assert done.text == "The curve of edge (0, 0, 0) was moved at 2 points."


@pytest.mark.parametrize("shape", ["increasing", "decreasing", "convex", "concave"])
def test_shapes_hold_everywhere(model, problem, shape):
    done = apply_edit(model, problem, {"kind": "shape", "edge": EDGE, "shape": shape})
    points = np.linspace(-1, 1, 400)
    values = curve(done.model, points)
    differences = np.diff(values, 2 if shape in ("convex", "concave") else 1)
    sign = 1 if shape in ("increasing", "convex") else -1
    assert (sign * differences > -1e-9).all()
    other = "decreasing" if shape == "increasing" else "increasing"
    worse = apply_edit(model, problem, {"kind": "shape", "edge": EDGE, "shape": other})
    if shape == "increasing":  # the truth increases over most rows, so the nearest decreasing curve is farther
        assert done.costs["training"].after < worse.costs["training"].after


def test_ranges_become_flat_or_straight_and_the_rest_stays(model, problem):
    inner, outer = np.linspace(0, 0.75, 30), np.linspace(-1, -0.75, 9)
    for kind, order in (("flatten", 1), ("straighten", 2)):
        edit = {"kind": kind, "edge": EDGE, "range": [-0.02, 0.74]}  # the knots beside are taken
        changed = apply_edit(model, problem, edit).model
        assert np.abs(np.diff(curve(changed, inner), order)).max() < 1e-9
        assert np.abs(np.diff(curve(model, inner), order)).max() > 0.001
        assert curve(changed, outer) == pytest.approx(curve(model, outer), abs=1e-5)
    whole = apply_edit(model, problem, {"kind": "straighten", "edge": EDGE}).model
    assert np.abs(np.diff(curve(whole, np.linspace(-1, 1, 50)), 2)).max() < 1e-9


def test_a_fixed_edge_is_trained_on_training_rows_alone_and_can_be_freed(model, problem):
    before = [parameter.clone() for parameter in model.parameters()]
    done = apply_edit(model, problem, {"kind": "fix", "edge": [0, 1, 0], "function": "x^2"})
    assert done.model.config.functions == ((("",), ("x^2",)),)
    assert done.costs["held-out"].after < 2 * done.costs["held-out"].before + 1e-3
    assert all(p.requires_grad for p in done.model.parameters())
    spline = done.model.layers[0]
    assert torch.equal(spline.coef[0], model.layers[0].coef[0])  # the refit trains the functions alone
    snapped = apply_edit(done.model, problem, {"kind": "snap", "edge": [0, 1, 0], "constant": "b", "value": 0})
    assert snapped.model.layers[0].affine[1, 1, 0].item() == 0
    beside = edit(done.model, problem, "add_splines", where=[(0, 1, 0)], refit=0).model
    with torch.no_grad():
        beside.layers[0].base[1, 0] = 0.5
    alone = apply_edit(beside, problem, {"kind": "free", "edge": [0, 1, 0]})
    assert abs(alone.costs["training"].rise) < 1e-3  # the spline is the function with what was beside it
    freed = apply_edit(done.model, problem, {"kind": "free", "edge": [0, 1, 0]})
    assert freed.model.config.functions == ()
    dragged = apply_edit(done.model, problem, {"kind": "drag", "edge": [0, 1, 0], "points": [[0.0, 0.5]]})
    assert float(curve(dragged.model, np.array([0.0]), 1)[0]) == pytest.approx(0.5, abs=1e-9)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_a_drag_with_a_width_moves_a_smooth_bump_and_nothing_beyond_it(model, problem):
    edit = {"kind": "drag", "edge": EDGE, "points": [[0.1, 0.5]], "width": 0.8}
    points = np.linspace(-1, 1, 401)
    moved = curve(apply_edit(model, problem, edit).model, points) - curve(model, points)
    at = float(moved[np.abs(points - 0.1).argmin()])
    assert float(curve(apply_edit(model, problem, edit).model, np.array([0.1]))[0]) == pytest.approx(0.5, abs=1e-9)
    shares = moved / at
    assert np.abs(shares).max() < 1.1 and (shares > -1e-9).all()  # one bump, of one sign
    layer = model.layers[0]
    gap = float((layer.knots[0, 1:] - layer.knots[0, :-1]).max())
    far = np.abs(points - 0.1) > max(0.4, gap) + 2 * gap  # B-splines reach two gaps beyond the means of their knots
    assert np.abs(moved[far]).max(initial=0.0) < 1e-12
    wider = curve(apply_edit(model, problem, {**edit, "width": 1.6}).model, points) - curve(model, points)
    assert (np.abs(wider) > np.abs(at) / 2).sum() > (np.abs(moved) > np.abs(at) / 2).sum()


def test_removed_parts_are_gone(model, problem):
    both = apply_edit(
        KAN([3, 1], 5, dtype=torch.float64),
        Regression(torch.rand(40, 3, dtype=torch.float64), torch.zeros(40, dtype=torch.float64)),
        {"kind": "remove_node", "node": [0, 0, 2]},
    )
    assert both.model.layers[0].mask[:, 0].tolist() == [0, 1, 0] and both.text == "Nodes (0, 0, 2) are removed."
    assert apply_edit(model, problem, {"kind": "remove_edge", "edge": EDGE}).model.layers[0].mask[0, 0] == 0
    done = apply_edit(model, problem, {"kind": "remove_node", "node": [0, 1]})
    assert done.model.layers[0].mask[1, 0] == 0 and done.costs["training"].rise > 0


def test_merged_levels_have_one_effect_their_mean_over_the_rows():
    on = torch.eye(3, dtype=torch.float64)[torch.tensor([0] * 30 + [1] * 10 + [2] * 20)]
    y = on @ torch.tensor([1.0, 3.0, 7.0], dtype=torch.float64)
    problem = Regression(on, y)
    network = KAN([3, 1], 2, 1, base="zero", dtype=torch.float64, domain=(0, 1))
    network = apply_edit(network, problem, {"kind": "refit", "refit": 20, "train": "all"}).model
    merged = apply_edit(network, problem, {"kind": "merge", "inputs": [0, 1]}).model
    values = merged(torch.eye(3, dtype=torch.float64)).detach()[:, 0]
    assert values.tolist() == pytest.approx([1.5, 1.5, 7.0], abs=1e-5)


def test_what_a_callback_cancels_is_not_made(model, problem):
    seen = []

    def cancel(share):
        seen.append(share)
        return len(seen) == 2

    with pytest.raises(explore.CancelledError):
        apply_edit(model, problem, {"kind": "refit", "refit": 9, "train": "all"}, progress=cancel)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "edit, words",
    [
        ({"kind": "paint"}, "edit must be a dictionary whose kind is one of fix"),
        ({"kind": []}, "edit must be a dictionary whose kind is one of fix"),
        ({"kind": "fix", "edge": EDGE}, "got one without function"),
        ({"kind": "fix", "edge": EDGE, "function": ["sin"]}, "function must be one of"),
        ({"kind": "fix", "edge": EDGE, "function": "sin", "constants": [1, 2, 3]}, "constants must be four numbers"),
        ({"kind": "fix", "edge": EDGE, "function": "sin", "constants": 1}, "constants must be a list"),
        ({"kind": "free", "edge": 1}, "edge must be a list"),
        ({"kind": "drag", "edge": EDGE, "points": [[10**400, 0]]}, "points must be finite"),
        ({"kind": "free", "edge": EDGE, "colour": "red"}, "got one with 'colour'"),
        ({"kind": "free", "edge": [0, 5, 0]}, "edge must be one of layer 0"),
        ({"kind": "drag", "edge": EDGE, "points": [[0, float("nan")]]}, "points must be finite"),
        ({"kind": "drag", "edge": EDGE, "points": [1, 2]}, "points must be pairs"),
        ({"kind": "drag", "edge": EDGE, "points": [[0, 1]], "width": -1}, "width must be a positive number"),
        ({"kind": "shape", "edge": EDGE, "shape": "round"}, "shape must be one of increasing"),
        ({"kind": "flatten", "edge": EDGE, "range": [1, 0]}, "range must be two numbers"),
        ({"kind": "flatten", "edge": EDGE, "range": [0.01, 0.02]}, "middle of a knot interval"),
        ({"kind": "snap", "edge": EDGE, "constant": "a", "value": 1}, "edge must be an elementary function"),
        ({"kind": "merge", "inputs": [0, 1]}, "two values each"),
        ({"kind": "refit", "refit": -1}, "refit must be"),
        ({"kind": "refit", "refit": 1, "train": "none"}, "train must be one of functions, all"),
        ({"kind": "remove_node", "node": [7, 0]}, "node must be an input"),
    ],
)
def test_wrong_edits_are_refused_with_one_sentence(model, problem, edit, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        apply_edit(model, problem, edit)


def test_training_everything_ends_before_it_follows_the_noise():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(80, 3, dtype=torch.float64, generator=generator) * 2 - 1
    y = x[:, :1] + 0.5 * torch.randn(80, 1, dtype=torch.float64, generator=generator)
    problem = Regression(x[:60], y[:60], validation=(x[60:], y[60:]))
    model = KAN([3, 1], grid_size=20, domain=(-1, 1), base="identity", seed=0, dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].coef.zero_()
        model.layers[0].base.copy_(torch.tensor([[1.0], [0.0], [0.0]]))
    done = apply_edit(model, problem, {"kind": "refit", "refit": 20, "train": "all"})
    held_out = done.costs["held-out"]
    assert held_out.after < 1.5 * held_out.before  # 69 numbers on 60 rows pass through the noise otherwise


def test_the_page_has_the_edits_of_the_table():
    names = runpy.run_path(str(ROOT / "tools" / "edit_kinds.py"))
    assert names["KINDS"].read_text(encoding="utf-8") == names["kinds"](), "run tools/edit_kinds.py"
    page = (ROOT / "web" / "src" / "edits.ts").read_text(encoding="utf-8")
    buttons = set(re.findall(r'(?:kind: |make\()"(\w+)"', page))
    assert buttons == set(EDITS) - {"add_splines", "add_products"}  # these are calls of Python alone
