"""Files of every released version are read and give the numbers that their version gave.

`files/VERSION-KIND.safetensors` were written by that version, `files/VERSION-expected.json` has its outputs at PROBE.
Files are added with each release and never changed.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise import KAN, MLP, KANClassifier, KANRegressor, KANSurvival, load
from edgewise.pde import PDE, Dirichlet, Interval, Solution

FILES = Path(__file__).parent / "files"
PROBE = np.array([[-0.5, 0.25], [0.0, 1.0], [0.75, -1.0]])
POINTS = torch.tensor([[0.25], [0.5], [0.9]], dtype=torch.float64)
KINDS = {
    "kan": (KAN, lambda model: model(torch.tensor(PROBE)).detach()),
    "mlp": (MLP, lambda model: model(torch.tensor(PROBE)).detach()),
    "regressor": (KANRegressor, lambda model: model.predict(PROBE)),
    "classifier": (KANClassifier, lambda model: model.predict_proba(PROBE)),
    "survival": (KANSurvival, lambda model: model.predict(PROBE)),
    "solution": (Solution, lambda solution: solution(POINTS).detach()),
}
STORED = sorted(path.stem for path in FILES.glob("*.safetensors"))


@pytest.mark.parametrize("stem", STORED)
def test_a_file_gives_the_numbers_of_its_version(stem):
    version, kind = stem.split("-")
    problem = {}
    if kind == "solution":
        problem = {"problem": PDE(lambda u, x: u.xx + 1, Interval(0, 1), [Dirichlet(0)])}
    expected = json.loads((FILES / f"{version}-expected.json").read_text(encoding="utf-8"))[kind]
    loaded = load(FILES / f"{stem}.safetensors", **problem)
    assert isinstance(loaded, KINDS[kind][0])
    np.testing.assert_allclose(np.asarray(KINDS[kind][1](loaded)), expected, rtol=1e-6, atol=1e-9)


def test_every_version_has_its_files():
    assert {stem.split("-")[0] for stem in STORED} == {"0.1.0", "0.2.0"}
    for version in ("0.1.0", "0.2.0"):
        kinds = {stem.split("-")[1] for stem in STORED if stem.startswith(version)}
        assert kinds == set(json.loads((FILES / f"{version}-expected.json").read_text(encoding="utf-8")))
