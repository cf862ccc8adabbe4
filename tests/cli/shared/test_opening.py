"""MODEL and --out are recognised without importing torch."""

import json

import pytest
from matplotlib.figure import Figure

from edgewise.cli.shared.opening import FIGURE_ENDINGS, Kind, check_ending, check_out, find_written, plan_figure
from edgewise.errors import FileError, InputError
from edgewise.plot import save
from edgewise.plot.style import FORMATS


def test_endings_are_those_of_the_rooms_that_write():
    assert tuple(FORMATS) == FIGURE_ENDINGS


def test_kinds_of_files(tmp_path):
    formulas, other = tmp_path / "f.json", tmp_path / "other.csv"
    formulas.write_text('{"stored": {}}')
    other.write_text("a,b\n1,2\n")
    assert find_written(str(formulas)).kind is Kind.formulas
    with pytest.raises(FileError, match="that edgewise wrote was expected, got a table"):
        find_written(str(other))
    formulas.write_text("{}")
    with pytest.raises(FileError, match="got other JSON"):
        find_written(str(formulas))
    short = tmp_path / "short.safetensors"
    short.write_bytes((1000).to_bytes(8, "little") + b'{"__meta')
    with pytest.raises(FileError, match="a file of 16 bytes that was cut short or damaged"):
        find_written(str(short))
    header = json.dumps({"__metadata__": {"format": "edgewise", "solution": "{}"}}).encode()
    solution = tmp_path / "s.safetensors"
    solution.write_bytes(len(header).to_bytes(8, "little") + header)
    assert find_written(str(solution)).kind is Kind.solution
    for name in ("model.safetensors", "solution.safetensors"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(b"")
        assert find_written(str(folder)).file == folder / name
    with pytest.raises(FileError, match="no such file"):
        find_written(str(tmp_path / "missing"))


def test_places_to_write_to(tmp_path, monkeypatch):
    check_out(None)
    check_out(str(tmp_path / "new.csv"))
    for out, message in ((tmp_path, "got a folder"), (tmp_path / "no" / "x", "there is no folder")):
        with pytest.raises(FileError, match=message):
            check_out(str(out))
    with pytest.raises(InputError, match=r"--out must end in .svg, .pdf or .png, got 'x.bmp'"):
        check_ending("x.bmp", FIGURE_ENDINGS)


def test_a_figure_replaces_only_what_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.json").write_text('{"stored": {}}')
    written = find_written("f.json")
    assert plan_figure(written, None, None, force=False).file == "formulas.svg"
    (tmp_path / "formulas.svg").write_text("mine")
    with pytest.raises(FileError, match="which exists: name a file with --out"):
        plan_figure(written, None, None, force=False)
    assert plan_figure(written, None, None, force=True).file == "formulas.svg"
    with pytest.raises(FileError, match="not one that edgewise wrote; --force replaces it"):
        plan_figure(written, "effects", "formulas.svg", force=False)
    figure = Figure()
    for name in ("formulas.svg", "formulas.pdf", "formulas.png"):
        save(figure, tmp_path / name)
        assert plan_figure(written, "effects", name, force=False).kind == "effects"
    with pytest.raises(InputError, match="--kind must be formulas or effects"):
        plan_figure(written, "network", None, force=False)
