"""The page of a solution: values along its coordinates, by a server and from one file."""

import json
import shutil

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.explore.page.solution import SolutionRequests
from edgewise.explore.page.static import static_page
from edgewise.pde import PDE, Box, Initial, solve

pytestmark = pytest.mark.slow  # solves an equation, starts a browser
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def decay():
    """u = exp(-k t), with the rate k as a coordinate."""
    return solve(PDE(lambda u, k: u.t + k * u, Box(k=(1, 2), t=(0, 1)), [Initial(1.0)]), tolerance=1e-6)


def test_a_slice_holds_the_values_of_the_solution(decay):
    requests = SolutionRequests(decay, {"statement": "u_t = -k u"})
    fields = requests.answer("state", {})["solution"]
    assert [(one["name"], one["time"]) for one in fields["coordinates"]] == [("k", False), ("t", True)]
    assert fields["statement"] == "u_t = -k u" and fields["message"] == decay.message
    curve = requests.answer("slice", {"axes": ["t"], "at": {"k": 1.5}})["slice"]
    t = np.linspace(0, 1, curve["counts"][0])
    assert np.allclose(curve["values"][0], np.exp(-1.5 * t), atol=1e-5)
    for axes in (["k", "t"], ["t", "k"]):
        found = requests.answer("slice", {"axes": axes, "at": {}})["slice"]
        k, t = np.meshgrid(np.linspace(1, 2, 61), np.linspace(0, 1, 61), indexing="ij")
        values = np.array(found["values"][0]).reshape(61, 61)
        assert np.allclose(values if axes[0] == "k" else values.T, np.exp(-k * t), atol=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"axes": ["z"], "at": {}},
        {"axes": ["t"], "at": {"k": "1"}},
        {"axes": ["t", "t"]},
        {"axes": [{}]},
        {"axes": [["t"]]},
        {"axes": "t"},
        {"axes": ["t"], "at": {"k": 10**400}},
    ],
)
def test_requests_that_do_not_fit_are_refused(decay, body):
    assert "must" in SolutionRequests(decay, {}).answer("slice", body)["error"]


def test_one_file_holds_the_values_on_a_grid(decay, monkeypatch):
    page = static_page(SolutionRequests(decay, {}))
    fields = json.loads(page.split('id="explorer-data">')[1].split("</script>")[0])
    count = fields["stored"]["count"]
    values = np.array(fields["stored"]["values"][0]).reshape(count, count)
    k, t = np.meshgrid(np.linspace(1, 2, count), np.linspace(0, 1, count), indexing="ij")
    assert np.allclose(values, np.exp(-k * t), atol=1e-5)
    monkeypatch.setattr("edgewise.explore.page.solution.MOST_STORED", 102**2)
    assert SolutionRequests(decay, {}).stored()["count"] == 97  # 101 intervals would leave a map its corners alone
    monkeypatch.setattr("edgewise.explore.page.solution.MOST_STORED", 80)
    with pytest.raises(InputError, match="at most 1 coordinates, got 2"):
        static_page(SolutionRequests(decay, {}))


@pytest.mark.nightly
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, in which the page is tested")
def test_sliders_move_time_and_parameters(decay, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    (tmp_path / "page.html").write_text(static_page(SolutionRequests(decay, {})), encoding="utf-8")
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        page.get_by_label("Along", exact=True).select_option("t")
        page.get_by_label("k", exact=True).press("End")
        assert page.evaluate("edgewisePage.at.k") == 2
        page.get_by_role("img", name="u at k = 2 along t").wait_for()
        page.get_by_label("Along", exact=True).select_option("k,t")
        map_ = page.get_by_role("img", name="Arrow keys")
        map_.focus()
        for _ in range(45):
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowUp")
        assert "k 2, t 1: 0.1353" in page.get_by_text("k 2, t 1").inner_text()  # exp(-2)
        browser.close()
    assert wrong == []
