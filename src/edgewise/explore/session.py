"""A model with the edits made by hand: undone and redone without limit, stored, repeated, and saved as a model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgewise.explore.editing import Applied, apply_edit
from edgewise.explore.history import History
from edgewise.explore.opening import read_model, rows_of
from edgewise.explore.record import checked_record, read_record, script_text
from edgewise.explore.subject import Subject, subject_of
from edgewise.interpret.edits import checked_edit
from edgewise.nn.model import KAN
from edgewise.storage import save


class Session:
    """A model that is edited step by step; the costs of each step are known before it is kept.

    Parameters
    ----------
    model : KAN, KANRegressor or KANClassifier
        Left unchanged.
    X, y : optional
        Rows and targets that judge, as for `fit`; without them made-up rows and the outputs of the model stand for
        them.
    held_out : float or sequence of int
        Share of the rows that are held out, or their positions. Refits never see them.
    seed : int
        Seed of that choice.

    Attributes
    ----------
    subject : Subject
        The model before all edits, with its rows.
    edits : tuple of dict
        The edits that are kept, in order.
    version : int
        Number of changes so far, undone and redone ones included.

    Raises
    ------
    InputError
        An argument is not as above.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    >>> session = Session(KAN([1, 1], dtype=torch.float64), x, torch.sin(2 * x[:, 0]))
    >>> done = session.edit("fix", edge=[0, 0, 0], function="sin")
    >>> done.costs["held-out"].after < 1e-12, session.undo(), len(session.edits), session.redo()
    (True, True, 0, True)
    """

    def __init__(
        self, model: Any, X: Any = None, y: Any = None, *, held_out: float | Sequence[int] = 0.2, seed: int = 0
    ) -> None:
        self.subject: Subject = subject_of(model, X, y, held_out=held_out, seed=seed)
        self.lock = threading.RLock()  # a server edits from several threads
        self._history = History(self.subject.fingerprint)
        self.version = 0  # grows with every change, so that several pages notice those of others
        self._facts: dict[str, Any] = {}
        self._origin: tuple[str, str | None] | None = None

    @classmethod
    def open(
        cls,
        model: str | os.PathLike[str],
        data: str | os.PathLike[str] | None = None,
        *,
        held_out: float | Sequence[int] = 0.2,
        seed: int = 0,
    ) -> Session:
        """Open a model file, or the folder of `edgewise fit`, with the table that judges.

        Parameters
        ----------
        model : path-like
            The file or folder.
        data : path-like, optional
            CSV or Parquet file with the columns of the model and its target.
        held_out, seed
            As for the class; positions count the rows that have a target.

        Raises
        ------
        FileError, CheckpointError, InputError
            A file is missing or damaged, or the table does not fit the model.
        """
        loaded, facts = read_model(model)
        X, y = (None, None) if data is None else rows_of(loaded, facts, data)
        session = cls(loaded, X, y, held_out=held_out, seed=seed)
        session._facts = facts
        session._origin = (os.fspath(model), None if data is None else os.fspath(data))
        return session

    @property
    def network(self) -> KAN:
        """The network after the edits."""
        edited = self._history.network
        if edited is None:
            return self.subject.network
        return edited

    @property
    def model(self) -> Any:
        """The model after the edits, of the kind that was given."""
        edited = self._history.network
        if edited is None:
            return self.subject.estimator or self.subject.network
        return self.subject.edited(edited)

    @property
    def edits(self) -> tuple[dict[str, Any], ...]:
        """The edits that are kept, in order."""
        return self._history.edits

    @property
    def steps(self) -> tuple[tuple[Applied, bool], ...]:
        """Every edit with its sentence and costs, and whether it holds; undone edits come last."""
        return self._history.steps

    def preview(self, edit: Mapping[str, Any], progress: Callable[[float], bool] | None = None) -> Applied:
        """Make an edit without keeping it; see `apply_edit`."""
        return apply_edit(self.network, self.subject.problem, edit, progress=progress)

    def keep(self, done: Applied) -> None:
        """Keep an edit that `preview` made of the present model; edits that were undone are forgotten."""
        with self.lock:
            self._history.add(done)
            self.version += 1

    def edit(self, kind: str, **fields: Any) -> Applied:
        """Make an edit and keep it.

        Parameters
        ----------
        kind : str
            One of `EDITS`.
        **fields
            Its fields, such as edge and function.

        Returns
        -------
        Applied
            The new network and the costs.

        Raises
        ------
        InputError
            There is no such edit, or the network has no such part.
        """
        with self.lock:
            done = self.preview({"kind": kind, **fields})
            self.keep(done)
            return done

    def undo(self) -> bool:
        """Take the last edit back; return whether there was one."""
        with self.lock:
            self.version += (moved := self._history.move(-1))
            return moved

    def redo(self) -> bool:
        """Make the last edit that was undone again; return whether there was one."""
        with self.lock:
            self.version += (moved := self._history.move(1))
            return moved

    def record(self) -> dict[str, Any]:
        """Return the kept and undone edits, and a fingerprint of their model and data, as plain values for JSON."""
        return self._history.record()

    def replay(self, record: Mapping[str, Any]) -> None:
        """Make the edits of a record again, and bring back the undone ones.

        Raises
        ------
        InputError
            It is no record, or one of another model or other rows.
        """
        kept, undone = checked_record(record, self.subject.fingerprint)
        for edit in [*kept, *undone]:
            self.edit(**checked_edit(edit))
        for _ in undone:
            self.undo()

    def keep_in(self, path: str | os.PathLike[str]) -> None:
        """Write every edit to a file from now on, before it counts as kept; edits already in the file are repeated."""
        if os.path.exists(path):
            self.replay(read_record(path))
        self._history.file = os.fspath(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model after the edits as an ordinary model file, with the edits among its facts."""
        save(self.model, path, extra={**self._facts, "explorer": self.record()})

    def script(self, out: str = "edited.safetensors") -> str:
        """Return a Python script of public calls that repeats all edits and saves the same model, bit for bit."""
        return script_text(self._origin, self.subject.held_out, self.edits, out)
