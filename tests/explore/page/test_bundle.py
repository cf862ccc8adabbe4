"""The page evaluates networks as the library does: the bundle that is shipped, run by node."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from edgewise import KAN
from edgewise.explore import Session
from edgewise.explore.page.description import network_fields, subject_fields
from edgewise.explore.page.server import BUNDLE, bundled
from edgewise.interpret.transform.shapes import CURVE_SHAPES
from edgewise.nn.config import BASE_NAMES
from edgewise.nn.elementary import ELEMENTARY

LARGEST = 700_000  # bytes of the bundle, as web/build.mjs demands
ASK = """
const [path, data] = process.argv.slice(1);
(0, eval)(require("fs").readFileSync(path, "utf8"));
const cases = JSON.parse(require("fs").readFileSync(data, "utf8"));
console.log(JSON.stringify(cases.map(([network, xs]) => xs.map((x) => EdgewiseExplorer.output(network, x)))));
"""


def outputs_of_the_page(cases, folder):
    """Outputs that the script of the page gives for pairs of a network and points."""
    (folder / "explore.js").write_text(bundled("explore.js"), encoding="utf-8")
    (folder / "cases.json").write_text(json.dumps([(network_fields(model), x.tolist()) for model, x in cases]))
    command = ["node", "-e", ASK, str(folder / "explore.js"), str(folder / "cases.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [np.array(one, dtype=float) for one in json.loads(done.stdout)]


@pytest.mark.slow  # starts node
@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the script of the page, is missing")
def test_the_page_computes_the_same_outputs_inside_and_outside_the_domain(tmp_path):
    generator, cases = torch.Generator().manual_seed(0), []
    x = torch.rand(60, 2, generator=generator, dtype=torch.float64) * 5 - 2.5
    x[:4] = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [0.0, 0.4], [-0.6, 0.2]])  # ends and knots
    for degree in (0, 1, 2, 3, 5, 10):
        for base in BASE_NAMES:
            cases.append((KAN([2, 3, 2], 5, degree, base=base, seed=degree, domain=(-1, 1), dtype=torch.float64), x))
    cases.append((KAN([2, (1, 2), 1], 4, seed=1, domain=(-1, 1), dtype=torch.float64), x))
    mixed = [[["+sin", "x^2"], ["", "0"]], None]
    cases.append((KAN([2, 2, 1], 4, functions=mixed, seed=1, domain=(-1, 1), dtype=torch.float64), x))
    for name, function in ELEMENTARY.items():
        low, high = max(function.low, -3.0), min(function.high, 3.0)
        points = low + (high - low) * torch.rand(40, 1, generator=generator, dtype=torch.float64)
        cases.append((KAN([1, 1], 0, functions=[[[name]]], dtype=torch.float64), points))
    for (model, points), found in zip(cases, outputs_of_the_page(cases, tmp_path), strict=True):
        expected = model(points).detach().numpy()
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12), model


EDIT = """
const [path, data] = process.argv.slice(1);
(0, eval)(require("fs").readFileSync(path, "utf8"));
const cases = JSON.parse(require("fs").readFileSync(data, "utf8"));
const made = cases.map(([network, subject, edit, xs]) => {
  const done = EdgewiseExplorer.edited(network, subject, edit);
  return typeof done === "string" ? done : [done[1], xs.map((x) => EdgewiseExplorer.output(done[0], x))];
});
console.log(JSON.stringify(made));
"""


@pytest.mark.slow  # starts node
@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the script of the page, is missing")
def test_edits_of_the_page_alone_give_the_models_of_the_library(tmp_path):
    generator = np.random.default_rng(0)
    x = np.column_stack([generator.uniform(-1, 1, (60, 2)), generator.integers(0, 2, (60, 2))])
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2 + x[:, 2] - x[:, 3]
    plain, deep = (
        Session(KAN(width, 6, base=base, seed=1, domain=(-1, 1), dtype=torch.float64), torch.from_numpy(x), target)
        for width, base, target in (([4, 1], "silu", y), ([4, 2, 2], "zero", np.column_stack([y, y**2])))
    )
    with torch.no_grad():
        for layer in plain.network.layers:
            layer.coef += 0.3 * torch.from_numpy(generator.normal(size=layer.coef.shape))
    fixed = Session(plain.network, torch.from_numpy(x), y)
    fixed.edit("fix", edge=[0, 0, 0], function="sin")
    edge = {"edge": [0, 0, 0]}
    cases = [
        (plain, {"kind": "drag", **edge, "points": [[0.25, 0.5], [-0.5, 0.1]]}),
        (plain, {"kind": "drag", **edge, "points": [[0.25, 0.5], [-0.5, 0.1]], "width": 0.6}),
        (plain, {"kind": "drag", **edge, "points": [[-1.0, 0.5]], "width": 0.01}),
        (plain, {"kind": "straighten", **edge}),
        (plain, {"kind": "straighten", **edge, "range": [-0.4, 0.5]}),
        (plain, {"kind": "flatten", **edge, "range": [-1.0, 0.1]}),
        *((plain, {"kind": "shape", **edge, "shape": shape}) for shape in CURVE_SHAPES),
        (plain, {"kind": "merge", "inputs": [2, 3]}),
        (plain, {"kind": "remove_edge", **edge}),
        (deep, {"kind": "remove_edge", "edge": [1, 1, 0]}),
        (deep, {"kind": "shape", "edge": [1, 0, 0], "shape": "concave"}),
        (plain, {"kind": "remove_node", "node": [0, 1]}),
        (plain, {"kind": "remove_node", "node": [0, 1, 3]}),
        (fixed, {"kind": "snap", **edge, "constant": "a", "value": 3}),
    ]
    points = torch.from_numpy(generator.uniform(-1.2, 1.2, (40, 4)))
    (tmp_path / "explore.js").write_text(bundled("explore.js"), encoding="utf-8")
    asked = [(network_fields(s.network), subject_fields(s.subject), edit, points.tolist()) for s, edit in cases]
    asked.append((*asked[0][:2], {"kind": "refit", "refit": 3}, []))
    (tmp_path / "cases.json").write_text(json.dumps(asked))
    command = ["node", "-e", EDIT, str(tmp_path / "explore.js"), str(tmp_path / "cases.json")]
    *made, refused = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for (session, edit), (text, found) in zip(cases, made, strict=True):
        done = session.preview(edit)
        assert text == done.text
        assert np.allclose(found, done.model(points).detach(), rtol=0, atol=1e-6), edit
    assert "edits without training" in refused


def test_the_bundle_is_small_and_names_its_authors():
    texts = [bundled(name) for name in (*BUNDLE, "index.html")]
    assert sum(len(text.encode()) for text in texts) < LARGEST
    assert all(word in texts[0] for word in ("Mike Bostock", "Khan Academy", "MIT"))
    assert not any("https://" in line and "@import" in line for text in texts for line in text.splitlines())
