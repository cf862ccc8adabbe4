"""The notebook of the first hour runs from top to bottom, and what its cells show is a picture or a short table."""

import ast
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "first_hour.ipynb"
# Methods by which IPython shows the value of a cell's last line, the richest first.
SHOWN_BY = ("_repr_mimebundle_", "_repr_html_", "_repr_svg_", "_repr_png_", "_repr_latex_")


def cells():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_stored_without_outputs_and_names_no_magic():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in content["cells"])
    assert not any(line.startswith(("%", "!")) for source in cells() for line in source.splitlines())


@pytest.mark.nightly
def test_every_cell_runs_and_shows_something(monkeypatch, tmp_path):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "notebook"}
    for source in cells():
        *first, last = ast.parse(source.replace("time_limit=10", "time_limit=2")).body
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(ast.Module(first, []), str(NOTEBOOK), "exec"), names)
            assert isinstance(last, ast.Expr), source
            value = eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
            shown = [getattr(value, way)() for way in SHOWN_BY if hasattr(value, way)]
        if source.endswith("flats.head()"):
            continue  # pandas shows itself
        assert any(shown), source
        assert len(repr(value)) < 5_000  # never a wall of numbers
    assert list(tmp_path.iterdir()) == []
    best = names["laws"].best.formula
    x = np.array([[1.5, 0.5]])
    assert best(x)[0] == pytest.approx(1.5 * np.exp(-0.5) + 1, rel=1e-6)


@pytest.mark.nightly
def test_jupyter_shows_figures_and_tables(monkeypatch, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    places = [str(NOTEBOOK.parents[1] / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "import numpy as np\nfrom edgewise import KANRegressor\nX = np.linspace(0, 1, 60)[:, None]\n"
            "model = KANRegressor(hidden=(), grid_size=3, regularization=1e-4).fit(X, X[:, 0] ** 2)\nmodel",
            "model.plot(0)",
            "model.plot().show()",
            "model.report()",
        )
    ]
    try:
        nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    except (OSError, RuntimeError) as error:  # no kernel can be started here, for want of sockets
        pytest.skip(f"Jupyter cannot start a kernel: {error}")
    kinds = [set().union(*(output.get("data", {}) for output in cell.outputs)) for cell in book.cells]
    assert "text/html" in kinds[0] and "text/html" in kinds[3]
    assert {"image/png", "image/svg+xml"} <= kinds[1] and "image/png" in kinds[2]
