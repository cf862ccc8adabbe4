"""`edgewise export`: files that predict what the model predicts."""

import numpy as np

from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.source import open_source


def test_python_source_predicts_in_the_units_of_the_table(edgewise, models, tmp_path):
    for name in ("numbers", "kinds"):
        out = tmp_path / f"{name}.py"
        done = edgewise("export", models / name, "--out", out)
        assert done.code == 0 and ", in this order:" in done.out and "x[0]: a" in done.out
        opened = open_model(models / name / "model.safetensors")
        rows, _ = opened.inputs(open_source(str(models / f"{name}.csv"), None).table)
        space = {}
        exec(compile(out.read_text(), "made", "exec"), space)
        expected = opened.estimator._predicted(opened.estimator._codes(rows))
        np.testing.assert_allclose(space["predict"](opened.estimator._inputs(rows)), expected, rtol=1e-10, atol=1e-12)
        assert space["COLUMNS"] == list(opened.names)
        if name == "numbers":
            assert "For rows of the table call predict_rows([{column: value, ...}])" in done.out
            assert "predict_rows([{'a': ..., 'b': ..., 'colour': ...}])" in out.read_text().splitlines()[1].replace(
                "\\", ""
            )
            row = {"a": 1.0, "b": 0.5, "colour": "red"}
            assert np.isfinite(space["predict_rows"]([row])).all()
    assert "y[0]: probability of high" in done.out


def test_another_ending(edgewise, models, tmp_path):
    out = tmp_path / "m.c"
    assert edgewise("export", models / "numbers", "-o", out).code == 0
    assert out.stat().st_size > 500
