"""Sessions: undo and redo, records, scripts that give the same bits, and files that survive."""

import json
import runpy

import numpy as np
import pytest
import torch

import edgewise
from edgewise import KAN, KANClassifier, KANRegressor
from edgewise.errors import FileError, InputError
from edgewise.explore import Session

FIX = {"kind": "fix", "edge": [0, 1, 0], "function": "x^2", "refit": 3}
DRAG = {"kind": "drag", "edge": [0, 0, 0], "points": [[0.25, 0.5]]}


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).uniform(-1, 1, (80, 2))
    return x, np.sin(3 * x[:, 0]) + x[:, 1] ** 2


@pytest.fixture(scope="module")
def estimator(rows):
    return KANRegressor(hidden=(), grid_size=5, regularization=1e-3).fit(*rows)


@pytest.fixture
def session(estimator, rows):
    return Session(estimator, *rows, seed=3)


def bits(model):
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def test_undo_and_redo_lead_through_all_states(session):
    states = [bits(session.network)]
    for edit in (FIX, DRAG, {"kind": "remove_edge", "edge": [0, 0, 0]}):
        session.edit(**edit)
        states.append(bits(session.network))
    assert len(set(states)) == 4
    for state in states[-2::-1]:
        assert session.undo() and bits(session.network) == state
    assert not session.undo()
    for state in states[1:3]:
        assert session.redo() and bits(session.network) == state
    assert [holds for _, holds in session.steps] == [True, True, False]
    session.edit(**DRAG)  # forgets the removal
    assert not session.redo() and [edit["kind"] for edit in session.edits] == ["fix", "drag", "drag"]


def test_the_estimator_and_the_network_that_were_given_stay(estimator, rows):
    before, prediction = bits(estimator.model_), estimator.predict(rows[0])
    session = Session(estimator, *rows)
    session.edit(**FIX)
    assert bits(estimator.model_) == before
    edited = session.model
    assert isinstance(edited, KANRegressor) and edited.error_bars_ is None
    assert not np.array_equal(edited.predict(rows[0]), prediction)
    with pytest.raises(InputError, match="edited by hand"):
        edited.predict_interval(rows[0])
    session.undo()
    assert session.model is session.subject.estimator and np.array_equal(session.model.predict(rows[0]), prediction)


def test_a_record_repeats_the_same_bits_and_knows_its_model(session, estimator, rows):
    session.edit(**FIX)
    session.edit(**DRAG)
    session.undo()
    record = json.loads(json.dumps(session.record()))
    again = Session(estimator, *rows, seed=3)
    again.replay(record)
    assert bits(again.network) == bits(session.network) and again.redo()
    other = Session(estimator, *rows, seed=4)  # other held-out rows
    with pytest.raises(InputError, match="made for this model and these rows"):
        other.replay(record)
    with pytest.raises(InputError, match="format 1"):
        again.replay({**record, "format": 2})
    with pytest.raises(InputError, match="lists edits and undone"):
        again.replay({"edits": 3})


def test_every_edit_is_in_the_file_before_it_counts(session, estimator, rows, tmp_path):
    path = tmp_path / "edits.json"
    session.keep_in(path)
    session.edit(**FIX)
    session.edit(**DRAG)
    session.undo()
    again = Session(estimator, *rows, seed=3)  # as after a crash
    again.keep_in(path)
    assert bits(again.network) == bits(session.network)
    assert again.redo() and len(again.edits) == 2
    path.write_text("[")
    with pytest.raises(InputError, match="edits as JSON"):
        Session(estimator, *rows, seed=3).keep_in(path)
    session._history.file = str(path / "edits.json")  # below a file
    with pytest.raises(FileError):
        session.edit(**DRAG)
    assert len(session.edits) == 1  # what could not be written is not kept


def test_the_script_gives_the_same_file(tmp_path, rows):
    import pandas

    frame = pandas.DataFrame(rows[0], columns=["left", "right"])
    target = pandas.Series(rows[1], name="sum")
    model = KANRegressor(hidden=(), grid_size=5, regularization=1e-3).fit(frame, target)
    edgewise.save(model, tmp_path / "model.safetensors", extra={"unit": "mm"})
    frame.assign(sum=target).to_csv(tmp_path / "rows.csv", index=False)
    session = Session.open(tmp_path / "model.safetensors", tmp_path / "rows.csv", seed=5)
    assert session.subject.note == "" and len(session.subject.held_out) == 16
    session.edit(**FIX)
    session.edit(**DRAG)
    session.save(tmp_path / "edited.safetensors")
    (tmp_path / "repeat.py").write_text(session.script(str(tmp_path / "again.safetensors")))
    runpy.run_path(str(tmp_path / "repeat.py"))
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "edited.safetensors").read_bytes()
    stored = edgewise.checkpoint.read(tmp_path / "edited.safetensors").extra["extra"]
    assert stored["unit"] == "mm" and [edit["kind"] for edit in stored["explorer"]["edits"]] == ["fix", "drag"]
    assert np.array_equal(edgewise.load(tmp_path / "edited.safetensors").predict(frame), session.model.predict(frame))


def test_classes_networks_and_models_without_rows(rows):
    x, y = rows
    labels = np.where(y > 0, "high", "low")
    classifier = KANClassifier(hidden=(), grid_size=4, regularization=1e-2).fit(x, labels)
    session = Session(classifier, x, labels)
    assert session.subject.outputs == ("high", "low")
    done = session.edit("remove_node", node=[0, 0])
    assert done.costs["held-out"].rise > 0 and set(session.model.predict(x)) <= {"high", "low"}
    with pytest.raises(InputError, match="y must hold the classes"):
        Session(classifier, x, np.where(y > 0, "high", "other"))

    without = Session(classifier)
    assert "no usable target" in without.subject.note
    assert without.preview({"kind": "remove_node", "node": [0, 0]}).costs["training"].before < 1e-20

    network = KAN([2, 1], dtype=torch.float64)
    assert Session(network).subject.names == ("x1", "x2")
    script = Session(network, x, y).script()
    assert "Session(model, X, y, held_out=[" in script


@pytest.mark.parametrize(
    "words, change",
    [
        ("model must be a KAN", lambda a: (3,)),
        ("that is not fitted", lambda a: (KANRegressor(),)),
        ("at least 4 rows", lambda a: (a[0], a[1][:3], a[2][:3])),
        ("a target for each of the 80 rows", lambda a: (KAN([2, 1], dtype=torch.float64), a[1], a[2][:9])),
        ("finite numbers of shape", lambda a: (KAN([2, 1]), a[1][:, :1], a[2])),
    ],
)
def test_what_does_not_fit_is_refused(estimator, rows, words, change):
    with pytest.raises(InputError, match=words):
        Session(*change((estimator, *rows)))
