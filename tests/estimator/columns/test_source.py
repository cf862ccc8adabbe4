"""The source of an encoder: exported Python and C read rows of the table as the estimator does."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from edgewise.estimator import KANRegressor


def frame_and_model():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 120, 60)
    area[:15] = np.nan
    day = pandas.Timestamp("2020-01-03") + pandas.to_timedelta(rng.integers(0, 99, 60), unit="D")
    city = np.array(["Köln", 'a "b"\\?', None, "Ulm"], dtype=object)[np.arange(60) % 4]
    frame = pandas.DataFrame({"area": area, "city": city, "sold": day, "lift": np.arange(60) % 3 == 0})
    y = np.nan_to_num(area) + np.arange(60) % 4
    return frame, KANRegressor(hidden=(), grid_size=3, regularization=1e-3).fit(frame, y)


def test_python_reads_the_table(tmp_path):
    frame, model = frame_and_model()
    model.export(tmp_path / "m.py")
    space = {}
    exec(compile((tmp_path / "m.py").read_text(), "made", "exec"), space)
    assert "[city is missing]" in space["COLUMNS"]
    rows = frame.to_dict("records")
    np.testing.assert_allclose(space["predict_rows"](rows)[:, 0], model.predict(frame), rtol=1e-11)
    as_text = [{**row, "sold": str(row["sold"].date()), "lift": bool(row["lift"])} for row in rows]
    np.testing.assert_allclose(space["predict_rows"](as_text)[:, 0], model.predict(frame), rtol=1e-11)


@pytest.mark.slow
def test_c_reads_the_table(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    frame, model = frame_and_model()
    model.export(tmp_path / "m.c")
    build = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "m.c", "-o", "m.so", "-lm"]
    subprocess.run(build, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "m.so"))
    numbers, texts = ctypes.c_double * 4, ctypes.c_char_p * 4
    x, y = (ctypes.c_double * len(model.encoder_.feature_names))(), (ctypes.c_double * 1)()
    first = np.datetime64(model.encoder_.inputs[2].first_day)
    values = []
    for _, row in frame.iterrows():
        days = (np.datetime64(row["sold"], "D") - first).astype(int)
        city = row["city"].encode() if isinstance(row["city"], str) else None
        library.inputs(numbers(row["area"], 0, days, 0), texts(None, city, None, str(row["lift"]).encode()), x)
        library.predict(x, y)
        values.append(y[0])
    np.testing.assert_allclose(values, model.predict(frame), rtol=1e-11)
