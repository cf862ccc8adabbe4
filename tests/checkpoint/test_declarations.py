"""Every field that files declare, out of type, shape and range: refused in a sentence, or read as it stands and shown.

The fields are those of the codec's annotations, followed through real objects: estimators with their error bars,
solutions with every kind of network, and formulas.
"""

import dataclasses
import math
import types
import warnings
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
import torch
from tests.night import at_night
from tests.pde.test_storage import KINDS, made
from torch import Tensor

from edgewise import KANClassifier, KANRegressor, KANSurvival, checkpoint, save
from edgewise.checkpoint import codec, container, strict_json
from edgewise.errors import CheckpointError, EdgewiseError, InputError
from edgewise.estimator import storage
from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.pde.storage import StoredSolution, save_solution, solution_of
from edgewise.train.uncertainty import ErrorBars

ODD = [None, True, 0, -1, 3, 10**6, 2**63, 2**70, 0.5, -0.5, 1e308, -1e308, 1e-320, math.nan, math.inf, -math.inf]
ODD += ["", "x", "\x1b[2J\u202e\n", "x" * 10_000, [], [[]], [0.0], ["x"], [None], {}, {"x": 0}, torch.ones(2)]
# The types of plain values that an annotation admits.
ADMITTED: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    list: (list, tuple),
    tuple: (list, tuple),
    dict: (dict,),
    np.ndarray: (list, tuple),
    Tensor: (Tensor,),
}


def admitted(kind):
    """Types of the plain values of an annotation."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin is Annotated:
        return admitted(arguments[0])
    if origin in (Union, types.UnionType):
        return sum(map(admitted, arguments), ())
    if origin is Literal:
        return tuple(map(type, arguments))
    if origin is Any:
        return tuple({type(value) for value in ODD})
    if hasattr(origin, "stored_form"):
        return admitted(origin.stored_form)
    if dataclasses.is_dataclass(origin):
        return (dict,)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return (str,)
    return ADMITTED.get(origin, (origin,))


def places(kind, value, path=()):
    """The path and the annotation of every field below a plain value; of lists, that of the first and last item."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    yield path, kind
    if origin is Annotated:
        yield from list(places(arguments[0], value, path))[1:]
    elif origin in (Union, types.UnionType):
        for each in arguments:
            is_named = isinstance(value, dict) and vars(each).get("kind", value.get("kind")) == value.get("kind")
            if type(value) in admitted(each) and (is_named or not isinstance(value, dict)):
                yield from list(places(each, value, path))[1:]
                break
    elif hasattr(origin, "stored_form"):
        yield from list(places(origin.stored_form, value, path))[1:]
    elif dataclasses.is_dataclass(origin):
        for name in value.keys() - {"kind"}:
            yield from places(codec.hints(origin)[name], value[name], (*path, name))
    elif origin in (list, tuple):
        kinds = arguments[:1] * len(value) if origin is list or arguments[-1] is Ellipsis else arguments
        for number in sorted({0, len(value) - 1} & set(range(len(value)))):
            yield from places(kinds[number], value[number], (*path, number))
    elif origin is dict:
        for key in list(value)[:1]:
            yield from places(arguments[1], value[key], (*path, key))


def misshapen(value):
    """An array or tensor with other sizes, other numbers and another type."""
    array = value.numpy() if isinstance(value, Tensor) else np.array(value, dtype=np.float64)
    forms = [array[:0], array[None], array[1:], np.concatenate([array, array[-1:]]), array[::-1], -array]
    forms += [np.full_like(array, number) for number in (0, 1e6, 1e308, math.nan, math.inf)]
    if isinstance(value, Tensor):
        return [torch.from_numpy(np.array(form)) for form in forms] + [value.to(torch.float16), value.long()]
    return [form.tolist() for form in forms]


def replaced(tree, path, value):
    """A tree with another value at a path."""
    if not path:
        return value
    if isinstance(tree, dict):
        return {**tree, path[0]: replaced(tree[path[0]], path[1:], value)}
    items = list(tree)
    items[path[0]] = replaced(items[path[0]], path[1:], value)
    return items


def value_at(tree, path):
    """The value at a path of a tree."""
    for part in path:
        tree = tree[part]
    return tree


def same(first, second):
    """Whether plain values are equal; NaN is."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first.nan_to_num(7.7), second.nan_to_num(7.7))
    if isinstance(first, dict):
        return (
            isinstance(second, dict) and first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second or (first != first and second != second)


def attack(kind, tree, read, show, below=()):
    """Fail on anything but a sentence, or an object that is shown without an error, for the fields below a path."""
    show(read(tree))
    taken, refused = [], 0
    for path, declared in list(places(kind, tree))[1:]:
        if path[: len(below)] != below:
            continue
        right = value_at(tree, path)
        is_array = (get_args(declared) or [declared])[0] in (np.ndarray, Tensor) and right is not None
        for odd in ODD + (misshapen(right) if is_array else []):
            where = f"{'.'.join(map(str, path))} = {str(odd)[:60]!r}"
            try:
                repr(read(replaced(tree, path, odd)))
            except (CheckpointError, InputError) as error:
                assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 1000, where
                refused += 1
                continue
            except Exception as error:
                raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
            assert type(odd) in admitted(declared), f"{where} is read"
            taken.append((path, odd))
    assert refused > len(taken) > 0
    while taken:
        taken = shown_together(tree, taken, read, show)


def shown_together(tree, taken, read, show):
    """Show one object with as many odd values as it can have at once, one at each place; those left for the next."""
    placed, later = [], []
    for path, odd in taken:
        if any(path[: len(other)] == other[: len(path)] for other, _ in placed):
            later.append((path, odd))
            continue
        try:
            read(replaced(tree, path, odd))
        except (CheckpointError, InputError):
            later.append((path, odd))
            continue
        tree = replaced(tree, path, odd)
        placed.append((path, odd))
    try:
        show(read(tree))
    except EdgewiseError as error:
        assert "\n" not in str(error), placed
    except Exception as error:
        raise AssertionError(f"{placed}: {type(error).__name__}: {error}") from error
    return later


def rows():
    """Rows with numbers, a category, dates and missing values."""
    import pandas

    draw = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": draw.normal(size=60), "b": draw.normal(size=60), "c": ["u", "v", "w"] * 20})
    frame.loc[::7, "b"] = math.nan
    frame.loc[::11, "c"] = None
    frame["d"] = pandas.date_range("2020-01-01", periods=60)
    return frame


def estimator(kind):
    """A fitted estimator and the rows to show it with."""
    frame = rows()
    y = frame["a"] + (frame["c"] == "u")
    small = {"hidden": (), "grid_size": 3, "regularization": 1e-3}
    if kind == "survival":
        return KANSurvival().fit(frame, (np.arange(60) % 3 > 0, np.exp(y))), frame
    if kind == "classifier":
        return KANClassifier(**small).fit(frame, np.where(y > 0, "yes", "no")), frame
    model = KANRegressor(**small).fit(frame, y)
    names = tuple(f"x{number}" for number in range(model.model_.config.width[0]))
    formula = Formula(parse_expression("2.5*x0 + exp(x1)", names), names)
    model.equations_ = Front((FrontEntry(formula, 0.1),), 10, 1.0)
    return model, frame


def faces(obj, frame):
    """Everything that an estimator shows of itself without rows, and its predictions."""
    texts = [repr(obj), obj._repr_html_(), str(obj.summary())]
    for name in ("search_", "report_", "equations_", "inference_"):
        texts.append(repr(getattr(obj, name, None)))
    assert all(texts) and len(obj.predict(frame)) == len(frame)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [
        *at_night("regressor", "classifier"),
        "survival",
    ],
)
def test_fields_of_estimators(kind, tmp_path):
    model, frame = estimator(kind)
    save(model, tmp_path / "m")
    file = checkpoint.read(tmp_path / "m")
    record = storage.KINDS[type(model)]

    def read(tree):
        obj = storage.estimator_of(dataclasses.replace(file, extra={"estimator": tree, "extra": {}}), "m")
        assert same(codec.plain(storage._fields(obj)), codec.plain(tree))
        return obj

    attack(record, file.extra["estimator"], read, lambda obj: faces(obj, frame))


@pytest.mark.slow
def test_fields_of_error_bars(tmp_path):
    model, frame = estimator("regressor")
    save(model, tmp_path / "m")
    file = checkpoint.read(tmp_path / "m")
    tree = file.state["error_bars"]

    def read(tree):
        return storage.estimator_of(dataclasses.replace(file, state={"error_bars": tree}), "m")

    def show(obj):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            faces(obj, frame)
            obj.predict_interval(frame)

    attack(ErrorBars, tree, read, show)


@pytest.mark.slow
@pytest.mark.parametrize("kind", at_night(*KINDS, but=("time elements",)))
def test_fields_of_solutions(kind, tmp_path):
    solution, problem = made(kind), KINDS[kind][0]()
    save_solution(solution, tmp_path / "s")
    file = container.unpack((tmp_path / "s").read_bytes())
    tree = strict_json.decode(strict_json.parse(file.metadata["solution"], "solution"), "solution", file.tensors())
    points = problem.domain.interior(5, seed=0)

    def read(tree):
        tensors = {}
        text = strict_json.dump(strict_json.encode(tree, "solution", tensors, prefix="solution."))
        return solution_of(container.unpack(container.pack(tensors, {**file.metadata, "solution": text})), problem)

    def show(obj):
        repr(obj), obj._repr_html_(), obj(points)

    # What is beside the network is the same for all kinds of networks.
    attack(StoredSolution, tree, read, show, () if kind == "kan" else ("network",))


def test_fields_of_formulas():
    entries = [FrontEntry(Formula(parse_expression(text, ["a", "b"]), ("a", "b")), 0.1) for text in ("a", "2*a+exp(b)")]
    tree = codec.plain(Front(tuple(entries), 20, 1.0))

    def read(tree):
        front = codec.read(Front, tree, "front", {"inputs": 2})
        assert same(codec.plain(front), codec.plain(tree))
        return front

    def show(front):
        repr(front), front._repr_html_(), str(front.best), front.reason, front.best.formula.latex()

    attack(Front, tree, read, show)
