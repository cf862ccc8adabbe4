"""Makes docs/explorer.gif, the film in the README: the explorer at work on the diabetes table, recorded in Chromium.

    python tools/explorer_film.py [docs/explorer.gif]

It needs `edgewise[explore]`, scikit-learn, Pillow, and Playwright with a Chromium that is installed as `chromium`.
"""

from __future__ import annotations

import io
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_diabetes

from edgewise import KANRegressor
from edgewise.explore import Session
from edgewise.explore.page.api import Requests
from edgewise.explore.page.server import Server

SIZE = {"width": 1080, "height": 660}  # of the page
SHOWN = (972, 594)
FRAME = 130  # milliseconds
COLOURS = 128
LARGEST = 3_000_000  # bytes
LABELS = {
    "bp": "blood pressure",
    "s1": "cholesterol",
    "s2": "LDL",
    "s3": "HDL",
    "s4": "cholesterol ratio",
    "s5": "log triglycerides",
    "s6": "glucose",
}
CURSOR = """() => {
  const dot = document.createElement("div");
  dot.id = "cursor";
  Object.assign(dot.style, {position: "fixed", width: "16px", height: "16px", borderRadius: "50%", zIndex: 9,
    background: "rgba(168, 72, 10, 0.55)", border: "2px solid #a8480a", pointerEvents: "none", marginLeft: "-8px",
    marginTop: "-8px"});
  document.body.append(dot);
  const follow = (e) => Object.assign(dot.style, {left: e.clientX + "px", top: e.clientY + "px"});
  addEventListener("pointermove", follow, true);
}"""


class Film:
    """Frames of a page, with the pointer moved from place to place."""

    def __init__(self, page: Page) -> None:
        self.page, self.frames, self._at = page, [], (500.0, 400.0)

    def frame(self, count: int = 1) -> None:
        """Add a picture of the page, which stays for some frames."""
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        self.frames += [picture] * count

    def move(self, x: float, y: float, steps: int = 6) -> None:
        """Move the pointer in a straight line."""
        (x0, y0), self._at = self._at, (x, y)
        for n in range(1, steps + 1):
            self.page.mouse.move(x0 + (x - x0) * n / steps, y0 + (y - y0) * n / steps)
            self.frame()

    def click(self, name: str, role: str = "button") -> None:
        """Move to an element with this name and click it."""
        found = self.page.get_by_role(role, name=name, exact=True).first
        found.scroll_into_view_if_needed()
        box = found.bounding_box()
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        found.click()
        self.frame(3)


def play(film: Film) -> None:
    """Look at rows, drag a curve, keep the edit, and ask for a map."""
    page = film.page
    chart = page.locator(".chart canvas").first.bounding_box()
    film.frame(6)
    for dx, dy in ((150, 110), (210, 120), (260, 70), (330, 60)):  # rows below the pointer and their paths
        film.move(chart["x"] + dx, chart["y"] + dy, 5)
    place = page.evaluate("edgewisePage.graph.place([0, 9, 0])")
    film.move(*place)
    page.mouse.click(*place)
    film.frame(4)
    film.move(chart["x"] + 90, chart["y"] + 120)
    page.mouse.down()
    film.move(chart["x"] + 90, chart["y"] + 175, 8)
    page.mouse.up()
    page.get_by_role("button", name="Keep").wait_for()
    film.frame(8)
    film.click("Discard")
    film.click("Straighten")
    page.get_by_role("button", name="Keep").wait_for()
    film.frame(8)
    film.click("Keep")
    film.frame(5)
    film.click("Ask", "tab")
    slider = page.get_by_label("bmi")
    box = slider.bounding_box()
    for n in range(8):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.07 * n), box["y"] + box["height"] / 2)
        page.mouse.click(box["x"] + box["width"] * (0.3 + 0.07 * n), box["y"] + box["height"] / 2)
        page.wait_for_timeout(150)
        film.frame()
    film.frame(4)
    film.click("Effects", "tab")
    page.get_by_role("img", name="Arrow keys").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    film.frame(12)


def write(frames: list[Image.Image], path: Path) -> None:
    """Write the frames with one palette; equal neighbours become one frame that stays longer."""
    strip = Image.new("RGB", (SHOWN[0], SHOWN[1] * 4))
    for n in range(4):
        strip.paste(frames[n * (len(frames) - 1) // 3], (0, SHOWN[1] * n))
    palette = strip.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pictures, times = [], []
    for frame, repeats in repeated(frames):
        pictures.append(frame.quantize(palette=palette, dither=Image.Dither.NONE))
        times.append(FRAME * repeats)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path} has {size:,} bytes, at most {LARGEST:,} are allowed: shorten the film.")
    print(f"{path}: {len(pictures)} pictures, {sum(times) / 1000:.0f} seconds, {size:,} bytes")


def repeated(frames: list[Image.Image]) -> Iterator[tuple[Image.Image, int]]:
    """Give each frame with the number of equal ones that follow one another."""
    start = 0
    for n in range(1, len(frames) + 1):
        if n == len(frames) or frames[n].tobytes() != frames[start].tobytes():
            yield frames[start], n - start
            start = n


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "docs" / "explorer.gif"
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X = X.rename(columns=LABELS)
    model = KANRegressor().fit(X, y.rename("progression"))
    server = Server(Requests(Session(model, X, y)))
    threading.Thread(target=server.run, daemon=True).start()
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(server.address)
        page.get_by_role("button", name="Straighten").wait_for()
        page.evaluate(CURSOR)
        page.wait_for_timeout(500)
        film = Film(page)
        play(film)
        browser.close()
    server.stop()
    write(film.frames, path)


if __name__ == "__main__":
    main()
