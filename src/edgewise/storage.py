"""One pair for files of every kind: `save` and `load` for models, estimators and solutions of equations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from edgewise.checkpoint import container
from edgewise.checkpoint.kinds import kind_for, kind_of, registered
from edgewise.checks import check_kind, is_path
from edgewise.errors import CheckpointError, InputError
from edgewise.files.folders import MODEL_FILE, current_file
from edgewise.files.whole import read_bytes
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.tables.table import TABLE_ENDINGS

if TYPE_CHECKING:
    from edgewise.estimator import KANClassifier, KANRegressor, KANSurvival
    from edgewise.pde import PDE, Solution

    Loaded: TypeAlias = KAN | MLP | KANRegressor | KANClassifier | KANSurvival


def save(
    obj: KAN | MLP | KANRegressor | KANClassifier | KANSurvival | Solution,
    path: str | os.PathLike[str],
    *,
    extra: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Save a model, a fitted estimator or a solution of a differential equation to a file.

    The file is a safetensors file without pickle. It is written whole or not at all, and equal objects give equal
    bytes. `load` reads it back, equal bit for bit.

    Parameters
    ----------
    obj : KAN, MLP, KANRegressor, KANClassifier, KANSurvival or Solution
        The object. Of an estimator, the progress callback is not stored, and a `random_state` that is a generator
        becomes None. Of a solution, the equation is not stored, because it is code.
    path : path-like
        Name of the file. An existing file is replaced, and stays intact if writing fails.
    extra : mapping, optional
        Facts to keep with a model or an estimator: dictionaries, lists, tuples, numbers, text and None.
        `edgewise.checkpoint.read(path).extra` returns them.
    state : mapping, optional
        The state of a training to keep with a model, for `fit(resume=...)`; see `edgewise.checkpoint.Checkpointer`.

    Raises
    ------
    InputError
        The object is of another kind or not fitted, `extra` or `state` cannot be stored with it, or the name of the
        file ends as those of other formats do.
    FileError
        The folder is missing or not writable, or the disk is full.

    Examples
    --------
    >>> import os, tempfile
    >>> import torch
    >>> import edgewise
    >>> model = edgewise.KAN([2, 3, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     edgewise.save(model, path, extra={"inputs": ["length", "width"]})
    ...     again = edgewise.load(path)
    ...     facts = edgewise.checkpoint.read(path).extra
    >>> x = torch.rand(5, 2)
    >>> bool((again(x) == model(x)).all()), facts
    (True, {'inputs': ['length', 'width']})
    """
    # Endings that promise another format than that of the file; names of any other form are taken as they are.
    others = (".py", ".c", ".onnx", ".pt2", ".txt", ".csv", ".json", ".html", ".pkl", ".pickle", ".joblib", ".h5")
    if is_path(path) and os.fsdecode(path).lower().endswith(others):
        raise InputError(
            f"path must end in .safetensors, the format of the file, got {os.fsdecode(path)!r}; export() of an "
            "estimator writes .py, .c, .onnx and .pt2"
        )
    for name, facts in (("extra", extra), ("state", state)):
        check_kind(facts, Mapping | None, f"{name} must be a dictionary")
    file_kind = kind_for(obj)
    if file_kind is None:
        kind = type(obj)
        raise InputError(
            "obj must be a KAN, an MLP, a fitted KANRegressor, KANClassifier or KANSurvival, or a Solution, "
            f"got {kind.__module__}.{kind.__qualname__}"
        )
    file_kind.write(obj, path, extra=extra, state=state)


@overload
def load(path: str | os.PathLike[str], *, problem: PDE) -> Solution: ...
@overload
def load(path: str | os.PathLike[str], *, table: Mapping[str, Elementary] = ...) -> Loaded: ...
def load(
    path: str | os.PathLike[str], *, problem: PDE | None = None, table: Mapping[str, Elementary] = ELEMENTARY
) -> Loaded | Solution:
    """Load the object that `save` wrote to a file.

    The kind of the object is read from the file. Files from untrusted sources are safe to load: nothing in them is
    executed or unpickled, and every claim of a file is checked before memory is taken for it.

    Parameters
    ----------
    path : path-like
        Name of the file, or of the folder that `edgewise fit --out` wrote, whose model is loaded.
    problem : PDE, optional
        For the file of a solution: the equation with its domain and conditions, because the file does not contain
        them. The solution has a copy, in which unknown coefficients have the values that were found.
    table : mapping, optional
        The elementary functions that edges of a model may have, by name; needed for functions of your own.

    Returns
    -------
    KAN, MLP, KANRegressor, KANClassifier, KANSurvival or Solution
        The object, with models on the CPU. For a type checker `assert isinstance(model, KANRegressor)` names the class.
        `edgewise.checkpoint.read` gives the other contents of a model file.

    Raises
    ------
    InputError
        A solution is loaded without its problem or with another one.
    FileError
        The file is missing, a folder, or not readable.
    CheckpointError
        The file is damaged, unsafe, of another program or of a newer version.
    MissingExtraError
        The file contains an estimator, and scikit-learn is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import edgewise
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     edgewise.save(edgewise.nn.MLP([2, 4, 1]), path)
    ...     edgewise.load(path).config.width
    (2, 4, 1)
    """
    if is_path(path) and os.path.isdir(path):
        inside = current_file(Path(os.fsdecode(path)), MODEL_FILE)
        if inside.is_file():
            path = inside
    data = read_bytes(path)
    if os.fsdecode(path).lower().endswith(TABLE_ENDINGS) and data[8:9] != b"{":
        raise CheckpointError(f"{os.fsdecode(path)}: a file that `edgewise.save` wrote was expected, got a table")
    with container.errors_of_file("model", path):
        file = container.unpack(data)
        kind = kind_of(file)
    obj: Loaded | Solution = registered(kind).read(file, path, problem=problem, table=table)
    return obj
