"""The errors: their families, and the sentence for a missing extra."""

import pickle
import re
from pathlib import Path

import pytest

import edgewise
from edgewise import errors
from edgewise.errors import (
    CheckpointError,
    EdgewiseError,
    EdgewiseWarning,
    FileError,
    InputError,
    MissingExtraError,
    SolutionWarning,
    missing_extra,
)


@pytest.mark.parametrize(
    ("error", "families"),
    [
        (InputError, (EdgewiseError, ValueError)),
        (FileError, (EdgewiseError, OSError)),
        (CheckpointError, (FileError, EdgewiseError, OSError)),
        (MissingExtraError, (EdgewiseError, ImportError)),
        (EdgewiseWarning, (UserWarning,)),
        (SolutionWarning, (EdgewiseWarning, UserWarning)),
    ],
)
def test_each_error_is_also_of_the_kind_that_python_programs_expect(error, families):
    assert issubclass(error, families)
    raised = error("x must be positive, got -1")
    assert str(raised) == "x must be positive, got -1"
    twin = pickle.loads(pickle.dumps(raised))  # errors cross process borders in a grid search
    assert (type(twin), str(twin)) == (error, str(raised))


def test_missing_extra_ends_with_the_pip_line():
    error = missing_extra("pyarrow", "tables", "Reading Parquet")
    assert isinstance(error, MissingExtraError)
    assert str(error) == "Reading Parquet needs pyarrow, which is not installed: pip install 'edgewise[tables]'"


def test_all_errors_of_the_library_are_in_one_tree():
    """No other module defines an error that users meet; that of work out of time and that of a grid stay inside."""
    source = Path(__file__).resolve().parents[1] / "src" / "edgewise"
    defined = re.compile(r"^class [A-Z]\w*\([^)]*(Error|Exception|Warning)\b", re.MULTILINE)
    names = {path.name for path in source.rglob("*.py") if defined.search(path.read_text("utf-8"))}
    assert names == {"errors.py", "outcomes.py", "grid_problem.py"}
    for name in errors.__all__:
        if isinstance(kind := getattr(errors, name), type):
            assert issubclass(kind, EdgewiseError | EdgewiseWarning)
            assert kind.__doc__


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: edgewise.find_formula([[1.0]], [1.0], limit=3),
            "find_formula() got an unexpected keyword argument 'limit'",
        ),
        (lambda: edgewise.formula(), "formula() missing 1 required positional argument: 'model'"),
    ],
)
def test_arguments_that_a_function_does_not_have_name_the_function(call, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        call()
