"""InputEncoder and Target: decisions about columns, their notes, and one sentence for each table they can't use."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.checkpoint import codec
from edgewise.errors import CheckpointError, InputError
from edgewise.tables import InputEncoder, Table
from edgewise.tables.cells import parse_dates
from edgewise.tables.target import Target, learn_target


def table(**columns):
    arrays = {}
    for name, cells in columns.items():
        if any(isinstance(cell, str) for cell in cells):
            arrays[name] = np.array([*cells, None], dtype=object)[:-1]
        else:
            arrays[name] = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    return Table(tuple(arrays), arrays, source="t.csv")


def sentence(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


Y = [0.5, 1.5, 2.25, 3.0, 4.0, 5.5]
X = [1.0, 7.0, 2.0, 9.0, 4.0, 5.0]


def learned(data, target="y", task=None):
    """The target, the rules for all other columns by the rows that have it, and the sentences on both."""
    response, notes = learn_target(data, target, task)
    encoder = InputEncoder.fit(data.take(response.known(data)).drop([target]))
    return response, encoder, (*notes, *encoder.notes)


def inputs(encoder, data):
    return encoder.inputs_of(encoder.codes(data))


def refused(target="y", task=None, **columns):
    return sentence(learned, table(**columns), target, task)


def test_numbers_pass_through():
    data = table(b=X, y=Y, a=Y[::-1])
    target, encoder, notes = learned(data)
    x, names = inputs(encoder, data), encoder.feature_names
    assert names == ("b", "a")
    assert x.dtype == np.float64
    assert x.tolist() == [[b, a] for b, a in zip(X, Y[::-1], strict=True)]
    assert target.encode(data).tolist() == Y
    assert target.task == "regression"
    assert notes == (
        "Target 'y' is a number, so this is regression; --task classification would make each value a class.",
    )


def test_missing_numbers():
    data = table(a=[1, None, 3, 100, None, 2], y=Y)
    _, encoder, notes = learned(data)
    x, names = inputs(encoder, data), encoder.feature_names
    assert names == ("a", "a is missing")
    assert x[:, 0].tolist() == [1, 2.5, 3, 100, 2.5, 2]
    assert x[:, 1].tolist() == [0, 1, 0, 0, 1, 0]
    assert "Column 'a': 2 of 6 training rows have no value; the median replaces it, 2.5" in notes[-1]


def test_category_with_levels():
    data = table(colour=["red", "blue", "green", "red", "blue", "red"], y=Y)
    _, encoder, _ = learned(data)
    x, names = inputs(encoder, data), encoder.feature_names
    assert names == ("colour is blue", "colour is green", "colour is red")
    assert x.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]]
    pink = encoder.codes(table(colour=["pink"]))
    assert encoder.inputs_of(pink).tolist() == [[0, 0, 1]]
    assert encoder.check(pink).notes[0].startswith("The only row has a level that training did not have in colour")
    assert inputs(encoder, table(colour=[None, None])).tolist() == [[0, 0, 1]] * 2


def test_category_with_missing_values():
    data = table(colour=["red", None, "green", "red", "green", "red"], y=Y)
    _, encoder, notes = learned(data)
    x, names = inputs(encoder, data), encoder.feature_names
    assert names == ("colour is green", "colour is red", "colour is missing")
    assert x[1].tolist() == [0, 0, 1]
    assert "2 levels and 1 missing values, which count as a level of their own" in notes[-1]


def test_columns_that_say_nothing():
    data = table(a=X, same=[3] * 6, empty=[None] * 6, word=["x"] * 6, who=list("abcdef"), blank=[None] * 5 + ["z"], y=Y)
    _, encoder, notes = learned(data)
    assert encoder.feature_names == ("a", "blank is missing")
    notes = " ".join(notes)
    assert "'same' was left out: it is 3 in every row" in notes
    assert "'empty' was left out: it has no value in any row" in notes
    assert "'word' was left out: it is 'x' in every row" in notes
    assert "'who' was left out: its text is different in every row" in notes


def test_too_many_levels():
    words = [f"w{i % 60}" for i in range(240)]
    _, encoder, notes = learned(table(a=np.arange(240) % 7, words=words, y=np.arange(240) * 0.5))
    assert encoder.columns == ("a",)
    assert "'words' was left out: it has 60 different texts in 240 rows" in notes[-1]


def test_a_row_counter_is_pointed_out():
    _, encoder, notes = learned(table(serial=range(20), y=np.sqrt(np.arange(20))))
    assert encoder.columns == ("serial",)
    assert "counts the rows" in notes[-1]


@pytest.mark.parametrize("name", ["id", "Unnamed: 0", "house_id", "Row_Number"])
def test_a_column_that_numbers_the_rows_is_left_out(name):
    order = np.random.default_rng(0).permutation(20)
    data = table(**{name: order + 1, "a": np.sin(order), "y": np.sqrt(order)})
    _, encoder, notes = learned(data)
    assert encoder.columns == ("a",) and f"Column {name!r} was left out" in notes[-1]
    assert learned(data.take(order[:15]))[1].columns == ("a",)  # a training part
    for other in (order * 3, order // 2, order + 0.5, order + 1_000):
        data = table(**{name: other, "a": np.sin(order), "y": np.sqrt(order)})
        assert learned(data)[1].columns[0] == name


def test_names_are_made_different():
    data = table(**{"c is b": X, "c": list("abcabc"), "c is c": X}, y=Y)
    assert learned(data)[1].feature_names == ("c is b", "c is a", "c is b'", "c is c", "c is c'")


@pytest.mark.parametrize(
    "cells, first, days",
    [
        (["2024-05-01", "2024-05-02", "2024-5-3", None, "2024-12-31", "2024-01-01"], "2024-01-01", [121, 122, 123]),
        (
            ["2024-05-01T10:00:00Z", "2024-05-02 10:00", "2024-05-02T12:00:00+02:00"] * 2,
            "2024-05-01",
            [5 / 12, 17 / 12],
        ),
        (["01.02.2024", "31.12.2024", "5.6.2024"] * 2, "2024-02-01", [0, 334, 125]),
        (["5/31/2024", "05/30/2024 5:15 PM", "1/1/2024 00:00:00"] * 2, "2024-01-01", [151, 150 + 17.25 / 24, 0]),
        (["31/5/2024", "30/05/2024", "1/1/2024"] * 2, "2024-01-01", [151, 150, 0]),
        (["31 May 2024", "1-May-2024", "May 2, 2024"] * 2, "2024-05-01", [30, 0, 1]),
        (["2024-05", "2024-06"] * 3, "2024-05-01", [0, 31]),
    ],
)
def test_dates_count_as_days(cells, first, days):
    data = table(a=X, when=cells, y=Y)
    _, encoder, notes = learned(data)
    assert encoder.inputs[1].first_day == first
    assert inputs(encoder, data)[: len(days), 1] == pytest.approx(days, rel=1e-12)
    assert f"Column 'when' holds dates from {first} to" in notes[-1]
    assert "it counts as days since the first" in notes[-1]
    again = codec.read(InputEncoder, json.loads(json.dumps(codec.plain(encoder))), "encoder")
    as_dates = Table(data.names, {**data.columns, "when": parse_dates(data.columns["when"])})
    assert np.array_equal(inputs(again, as_dates), inputs(encoder, data))
    message = sentence(encoder.codes, table(a=X[:2], when=[cells[0], "x"]))
    assert "must hold dates as in training" in message and "got 'x' in row 2" in message
    assert "holds dates" in refused(target="when", a=X, when=cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["3/4/2024", "5/6/2024"] * 3,  # day or month first?
        ["31.12.99", "01.02.24"] * 3,
        ["10:15", "10:15:30", "9:05 am"] * 2,
        ["2024-02-31", "2024-02-01"] * 3,
    ],
)
def test_dates_that_need_a_guess_are_left_out(cells):
    _, encoder, notes = learned(table(a=X, when=cells, y=Y))
    assert encoder.columns == ("a",)
    assert f"'when' was left out: its dates ('{cells[0]}') cannot be read without a guess" in notes[-1]


def test_refused_columns_of_parquet():
    data = Table(("a", "times", "y"), {"a": np.array(X), "y": np.array(Y)}, refused={"times": "times of day"})
    _, encoder, notes = learned(data)
    assert notes[-1] == "Column 'times' was left out: it holds times of day."
    assert "column 'times' holds times of day, expected" in sentence(learned, data, "times")
    assert inputs(encoder, data).shape == (6, 1)


def test_rare_levels_are_grouped():
    words = ["x", "y", "z"] * 60 + [f"w{i}" for i in range(9_820)]
    data = table(a=np.arange(10_000) % 7, words=words, y=np.arange(10_000) * 0.5)
    assert "'words' was left out: it has 9,823 different texts in 10,000 rows" in learned(data)[2][-1]
    data = data.take(np.arange(300))
    _, encoder, notes = learned(data)
    assert encoder.feature_names == ("a", "words is x", "words is y", "words is z", "words is other")
    assert "with 3 levels, the frequent ones; its 120 rarer texts count as one more" in notes[-1]
    later = inputs(encoder, table(a=[1], words=["never seen"]))  # without a warning
    assert later.tolist() == [[1, 0, 0, 0, 1]]


def test_codes_inputs_and_what_is_unknown():
    data = table(a=[1, None, 3, 4, 5, 6], c=list("uvwuvw"), b=X)
    encoder = InputEncoder.fit(data)
    assert codec.read(InputEncoder, json.loads(json.dumps(codec.plain(encoder))), "encoder") == encoder
    assert encoder.groups == ((0, 1), (2, 3, 4), (5,)) and encoder.indicator_groups == ((2, 3, 4),)
    assert encoder.formula_names == ("a", "[a is missing]", "[c is u]", "[c is v]", "[c is w]", "b")
    codes = encoder.codes(data)
    assert codes[:2].tolist()[0] == [1, 0, 1] and np.isnan(codes[1, 0])
    later = encoder.codes(table(a=[None, 17, None], c=["u", "q", None], b=[None, 50, None]))
    assert encoder.unknown(later).tolist() == [[True, False, True], [False, True, False], [True, True, True]]
    assert encoder.mostly_missing(later).tolist() == [True, False, True]
    assert encoder.outside(later).tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert np.isfinite(encoder.inputs_of(later)).all()


def test_rows_like_many_training_rows_are_not_mostly_missing():
    rows = [None] * 12 + list(range(12))
    encoder = InputEncoder.fit(table(a=rows, b=rows, c=[1, 2] * 12))
    assert encoder.most_missing == 2
    assert not encoder.mostly_missing(encoder.codes(table(a=[None], b=[None], c=[1]))).any()


@pytest.mark.parametrize("version", ["1.2.3-beta", "10.20.30.40", "3/4", "a-b-c", "99-99-9999"])
def test_not_dates(version):
    data = table(a=X, v=[version, "other"] * 3, y=Y)
    assert "v" in learned(data)[1].columns


def test_text_among_numbers():
    message = refused(a=["1", "2", "3", None, "oops", "6"], y=Y)
    assert message.startswith("column 'a' must hold numbers, got 'oops' in row 5; correct it")
    _, encoder, _ = learned(table(a=X, y=Y))
    assert "got 'oops' in row 2" in sentence(encoder.codes, table(a=["1", "oops"]))
    assert inputs(encoder, table(a=["1", "2"])).tolist() == [[1], [2]]
    assert "column 'y' must hold numbers, got 'x' in row 6" in refused(a=X, y=["1", "2", "3", "4", "5", "x"])


def test_useless_targets():
    assert refused(a=X, y=[2] * 6) == "target 'y' must have different values, got '2' in every row"
    assert refused(a=X, y=["b"] * 6) == "target 'y' must have different values, got 'b' in every row"
    assert refused(a=X, y=[None] * 6) == "target 'y' must have values, got missing values in all 6 rows"
    assert refused(a=X, y=[None] * 5 + [1]) == "at least two rows with a known target 'y' were expected, got 1"
    assert refused(a=[1], y=[1]) == "at least two rows with a known target 'y' were expected, got 1"
    many = refused(a=range(50), y=[f"n{i}" for i in range(50)])
    assert many.startswith("target 'y' must be a category with at most 1,000 classes that repeat, got 50 different")
    assert "must be a number, for regression" in refused(a=range(50), y=range(50), task="classification")
    assert "column 'y' must hold numbers, got 'u' in row 1" in refused(a=X, y=list("uvuvuv"), task="regression")


def test_no_usable_column():
    assert "at least one usable column was expected, got none" in refused(y=Y)
    assert "it is 1 in every row" in refused(a=[1] * 6, y=Y)


def test_rows_without_target():
    data = table(a=[1, 2, 3, 4, 5, 600], y=[None, 1, 2.5, 3, 4, None])
    target, encoder, notes = learned(data)
    assert "2 of 6 rows were left out: their target 'y' is missing." in notes
    assert encoder.inputs[0].median == 3.5
    assert sentence(target.encode, data) == ("target 'y' must be known in every row, got a missing value in row 1")
    rows = target.known(data)
    assert rows.tolist() == [False, True, True, True, True, False]
    assert target.encode(data.take(rows)).tolist() == [1, 2.5, 3, 4]


@pytest.mark.parametrize(
    "cells, task, expected",
    [
        ([1, 2, 3] * 5, None, "classification"),
        ([1, 2, 3] * 4, None, "regression"),
        ([1, 2, 3] * 4, "classification", "classification"),
        ([1, 2, 3] * 5, "regression", "regression"),
        ([1.5, 2] * 20, None, "regression"),
        ([1.5, 2] * 20, "classification", "classification"),
        (list(range(20)) * 5, None, "classification"),
        (list(range(21)) * 5, None, "regression"),
        (["u", "v"] * 3, None, "classification"),
    ],
)
def test_task(cells, task, expected):
    target, notes = learn_target(table(y=cells), "y", task)
    assert target.task == expected
    assert f"so this is {expected}" in notes[0]
    assert bool(target.classes) == (expected == "classification")


@pytest.mark.parametrize(
    "cells, kind, classes",
    [
        ([2, -4, 0] * 5, int, (-4, 0, 2)),
        (["b", "a", "10"] * 5, str, ("10", "a", "b")),
        ([0.5, 2, 0.25] * 5, float, (0.25, 0.5, 2)),
    ],
)
def test_labels_keep_their_type(cells, kind, classes):
    data = table(y=cells)
    target, _ = learn_target(data, "y", "classification")
    target = codec.read(Target, json.loads(json.dumps(codec.plain(target))), "target")
    assert target.classes == classes
    assert all(isinstance(label, kind) for label in target.classes)
    codes = target.encode(data)
    assert codes.dtype == np.int64
    assert target.decode(codes).tolist() == cells


def test_text_classes_that_look_like_numbers_at_predict():
    target, _ = learn_target(table(y=["1", "b", "b", "1", "c", "c"]), "y")
    assert target.encode(table(a=[1.0], y=[1.0])).tolist() == [0]


def test_unknown_class_at_predict():
    target, _ = learn_target(table(y=list("uvuvuv")), "y")
    message = sentence(target.encode, table(a=[1, 2], y=["u", "w"]))
    assert message == "target 'y' must be one of the 2 classes seen in training, got 'w' in row 2"


def test_columns_at_predict():
    _, encoder, _ = learned(table(alpha=X, beta=Y, y=Y))
    assert inputs(encoder, table(beta=[1], more=[5], alpha=[2])).tolist() == [[2, 1]]
    assert sentence(encoder.codes, table(alfa=[1], beta=[2])) == (
        "t.csv must have the 2 columns of the training table, got none called 'alpha'; the nearest name is 'alfa'"
    )
    _, wide, _ = learned(table(**dict.fromkeys("abcdefg", X), y=Y))
    assert "got none called 'a', 'b', 'c', 'd', 'e' and 2 more" in sentence(wide.codes, table(other=[1]))


def test_long_and_odd_names_stay_on_one_short_line():
    message = refused(**{"a\nb" + "c" * 500: ["1", "2", "3", "4", "5", "x\ny" * 100]}, y=Y)
    assert len(message) < 200


cells = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-2, 2).map(float))
words = st.one_of(st.none(), st.sampled_from(["red", "green", "blue", "0", "-", "", "Zürich", "a\nb"]))


@st.composite
def tables(draw):
    rows = draw(st.integers(4, 25))
    columns = {
        "y": draw(st.one_of(st.just([float(i) / 2 for i in range(rows)]), st.just(["u", "v", *"u" * (rows - 2)])))
    }
    for name in draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True)):
        if name != "y":
            columns[name] = draw(st.lists(draw(st.sampled_from([cells, words])), min_size=rows, max_size=rows))
    return table(steady=np.arange(rows) % 3, **{name: c for name, c in columns.items() if name != "steady"})


@pytest.mark.slow
@given(tables())
@settings(max_examples=150, deadline=None)
def test_any_table_gives_finite_inputs_and_round_trips(data):
    try:
        _, encoder, _ = learned(data)
    except InputError as error:
        assert "\n" not in str(error)
        return
    x, names = inputs(encoder, data), encoder.feature_names
    assert x.shape == (data.n_rows, len(names))
    assert x.dtype == np.float64
    assert np.isfinite(x).all()
    assert len(set(names)) == len(names)
    again = codec.read(InputEncoder, json.loads(json.dumps(codec.plain(encoder))), "encoder")
    assert again == encoder
    # The order of the rows decides nothing but the remark on columns that count the rows.
    shuffled = data.take(np.random.default_rng(0).permutation(data.n_rows))
    assert learned(shuffled)[1].inputs == encoder.inputs


def mutations(value):
    """Every JSON value with one of its parts replaced or removed."""
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
            yield from ({**value, key: part} for part in mutations(value[key]))
    elif isinstance(value, list):
        yield []
        for i, one in enumerate(value):
            yield from ([*value[:i], part, *value[i + 1 :]] for part in mutations(one))
    yield from (None, 3, -1.5, True, "x", [[]], {"a": 1}, float("nan"), 10**400)


@pytest.mark.parametrize("kind, least", [(InputEncoder, 150), (Target, 30)])
def test_altered_json(kind, least):
    data = table(a=[1, None, 3, 4, 5, 6], c=list("uvwuvw"), y=list("ababab"))
    target, encoder, _ = learned(data)
    stored = codec.plain(encoder if kind is InputEncoder else target)
    refused = 0
    for altered in mutations(stored):
        try:
            accepted = codec.read(kind, altered, "table")
        except CheckpointError as error:
            assert str(error).startswith("must have ") and "table" in str(error)
            refused += 1
            continue
        # What is accepted works, or says what is wrong with the table.
        with contextlib.suppress(InputError):
            if kind is InputEncoder:
                assert np.isfinite(inputs(accepted, data)).all()
            elif accepted.name in data.names:
                accepted.encode(data)
    assert refused > least
