"""The page in a real browser: edit, undo, save, repeat; a file alone; names of columns that look like HTML."""

import json
import re
import runpy
import shutil
import threading

import numpy as np
import pandas
import pytest

import edgewise
from edgewise import KANRegressor
from edgewise.explore import Session
from edgewise.explore.page.api import Requests
from edgewise.explore.page.server import Server
from edgewise.explore.page.static import write_static

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives a browser, is not installed")
pytest.importorskip("uvicorn", reason="the extra explore is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,  # starts a browser
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium, in which the page is tested"),
]
HOSTILE = "<img src=x onerror=alert(1)>"
WAIT = 60_000  # milliseconds; only a page that hangs takes as long


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    x = np.random.default_rng(0).uniform(-1, 1, (80, 2))
    frame = pandas.DataFrame(x, columns=["speed", HOSTILE])
    target = pandas.Series(np.sin(3 * x[:, 0]) + x[:, 1] ** 2, name="<b>lift</b>")
    model = KANRegressor(hidden=(), grid_size=5, regularization=1e-3).fit(frame, target)
    edgewise.save(model, folder / "model.safetensors")
    frame.assign(**{target.name: target}).to_csv(folder / "rows.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


def new_page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.set_default_timeout(WAIT)
    page.wrong = []  # dialogs, errors, and requests of the page
    page.asked = []
    page.on("dialog", lambda dialog: (page.wrong.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda line: page.wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: page.asked.append(request.url))
    return page


def until(page, expression):
    """Wait until an expression is true, and return it; the policy of the page forbids Playwright's own way."""
    for _ in range(WAIT // 50):
        if found := page.evaluate(expression):
            return found
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def bits(network):
    return b"".join(value.numpy().tobytes() for value in network.state_dict().values())


@pytest.fixture
def served(files, tmp_path):
    session = Session.open(files / "model.safetensors", files / "rows.csv")
    session.keep_in(tmp_path / "edits.json")
    server = Server(Requests(session, str(tmp_path)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield session, server.address, tmp_path
    server.stop()
    thread.join(60)


def test_an_edge_becomes_a_function_and_the_script_gives_the_same_model(browser, served):
    session, address, folder = served
    page = new_page(browser)
    page.goto(address)
    place = until(page, "window.edgewisePage && edgewisePage.graph.place([0, 1, 0])")
    page.mouse.click(*place)
    assert page.get_by_label("Part of the model").input_value() == "0,1,0"
    page.get_by_label("Function").select_option("x^2")
    page.get_by_role("button", name="Try", exact=True).first.click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text(f"Kept: Edge {HOSTILE} to <b>lift</b> is x^2.").wait_for()
    assert [edit["kind"] for edit in session.edits] == ["fix"]

    # The keys alone: the curve moves at the cursor, Ctrl+Z and Ctrl+Y take it back and bring it again.
    page.get_by_label("Part of the model").select_option("0,0,0")
    page.locator(".chart canvas").first.focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("edgewisePage.store.dragged !== null")
    page.keyboard.press("Escape")
    box = page.locator(".chart canvas").first.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=4)
    drawn = page.evaluate("EdgewiseExplorer.output(edgewisePage.store.dragged, [0.2, 0.3])[0]")
    page.mouse.up()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Kept: The curve of edge speed to <b>lift</b> was moved at 1 point.").wait_for()
    kept = page.evaluate("EdgewiseExplorer.output(edgewisePage.store.state.network, [0.2, 0.3])[0]")
    assert kept == pytest.approx(drawn, rel=1e-9)  # what was shown while dragging is what was made
    for keys, count in (("Control+z", 1), ("Control+z", 0), ("Control+y", 1), ("Control+y", 2)):
        page.keyboard.press(keys)
        # A key pressed while the page waits for an answer is not heard
        held = f"edgewisePage.store.state.edits.filter((one) => one.holds).length === {count}"
        until(page, f"!edgewisePage.store.busy && {held}")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Wrote").wait_for()
    page.close()
    assert page.wrong == [] and all(url.startswith((address.split("?")[0], "data:")) for url in page.asked)

    saved = (folder / "edited.safetensors").read_bytes()
    (folder / "edited.safetensors").unlink()
    runpy.run_path(str(folder / "repeat.py"))
    assert (folder / "edited.safetensors").read_bytes() == saved
    assert bits(edgewise.load(folder / "edited.safetensors").model_) == bits(session.network)


def numbers_of(texts):
    return [float(text.replace("−", "-")) for text in texts]


def test_a_row_below_the_pointer_shows_numbers_that_add_up(browser, served):
    session, address, _ = served
    page = new_page(browser)
    page.goto(address)
    until(page, "window.edgewisePage")
    page.get_by_role("tab", name="Rows").click()
    plot = page.get_by_label("A dot for each row, held-out rows in orange and larger.")
    plot.hover(position={"x": 150, "y": 150})
    for x in range(100, 380, 4):  # along the diagonal, until a dot is near
        if page.evaluate("edgewisePage.store.hovered") >= 0:
            break
        plot.hover(position={"x": x, "y": 240 - x / 2})
    row = page.evaluate("edgewisePage.store.subject.rows.numbers[edgewisePage.store.hovered]")
    *parts, total = numbers_of(page.locator(".sum .number").all_inner_texts())
    data = pandas.read_csv(session._origin[1]).iloc[[row - 1], :2]
    assert len(parts) == 3 and round(sum(parts) - total, 9) == 0
    assert total == pytest.approx(session.model.predict(data)[0], abs=2e-3 * max(map(abs, parts)))
    page.get_by_role("tab", name="Ask").click()
    page.get_by_text("as predict_interval gives it" if session.model.error_bars_ else "held-out rows").wait_for()
    page.get_by_role("tab", name="Effects").click()
    page.get_by_label("Rows by").select_option(label="speed")
    page.get_by_label("Shown").select_option("joint")
    page.get_by_text("Nothing: the model adds up what each of the two does.").wait_for()
    for kind, start in (("SVG", b"<svg"), ("PDF", b"%PDF-1.4")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Picture of the network as {kind}").click()
        written = download.value.path().read_bytes()
        assert written.startswith(start) and b"speed" in written
    places = re.findall(rb"(\d{10}) 00000 n", written)
    assert all(written[int(at) :].startswith(b"%d 0 obj" % (n + 1)) for n, at in enumerate(places))
    page.close()
    assert page.wrong == []


def test_two_pages_keep_both_edits(browser, served):
    session, address, _ = served
    pages = [new_page(browser), new_page(browser)]
    for page in pages:
        page.goto(address)
        page.get_by_role("button", name="increasing").wait_for()
    pages[0].get_by_role("button", name="increasing").click()
    pages[0].get_by_role("button", name="Keep").click()
    pages[0].get_by_text("Kept:").wait_for()
    pages[1].get_by_text("Another page changed the model").wait_for()  # by itself
    pages[1].get_by_role("button", name="Train all").click()
    pages[1].get_by_role("button", name="Keep").click()
    pages[1].get_by_text("Kept:").wait_for()
    assert [edit["kind"] for edit in session.edits] == ["shape", "refit"]
    for page in pages:
        page.close()
        assert page.wrong == []


def test_a_file_alone_asks_nobody_and_gives_its_edits(browser, files, tmp_path):
    session = Session.open(files / "model.safetensors", files / "rows.csv")
    write_static(session, tmp_path / "page.html")
    page = new_page(browser)
    page.goto((tmp_path / "page.html").as_uri())
    before = page.locator(".scores").inner_text()
    page.get_by_role("button", name="Remove the input speed").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Kept: speed is removed.").wait_for()
    measures = [re.sub(r"[−\d.]+", "", text) for text in (before, page.locator(".scores").inner_text())]
    assert measures[0] == measures[1] and "RMSE" in before  # one measure
    shown = page.evaluate("EdgewiseExplorer.output(edgewisePage.store.state.network, [0.2, 0.3])[0]")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    session.replay(json.loads(download.value.path().read_text()))
    network = session.network
    assert network(network.layers[0].knots.new_tensor([[0.2, 0.3]])).item() == pytest.approx(shown, abs=0.05)
    # The page with the edit and its cost, as another file.
    with page.expect_download() as download:
        page.get_by_role("button", name="Share").click()
    (tmp_path / "shared.html").write_bytes(download.value.path().read_bytes())
    page.goto((tmp_path / "shared.html").as_uri())
    page.get_by_role("tab", name="Edits").click()
    page.get_by_text("speed is removed.").wait_for()
    assert "worse" in page.locator(".history").inner_text()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone: speed is removed.").wait_for()
    assert page.locator(".scores").inner_text() == before
    page.get_by_role("tab", name="Ask").click()
    assert "<b>lift</b> =" in page.locator(".prediction").inner_text()
    page.close()
    assert page.wrong == [] and [url.split(":")[0] for url in page.asked if not url.startswith("data:")] == [
        "file",
        "file",
    ]
