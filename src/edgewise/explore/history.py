"""The steps of a session: the edits that hold, the undone edits, and the file in which both are kept."""

from __future__ import annotations

import json
import os
from typing import Any

from edgewise.explore.editing import Applied
from edgewise.explore.opening import made_folder
from edgewise.explore.record import FORMAT
from edgewise.files.whole import write_bytes
from edgewise.nn.model import KAN


class History:
    """Edits with the network after each of them; a place among them, which undo and redo move."""

    def __init__(self, made_for: str) -> None:
        self.made_for = made_for
        self.file: str | None = None  # every change is written to it before it counts
        self._steps: list[Applied] = []
        self._place = 0  # number of steps that hold; those after it were undone

    @property
    def network(self) -> KAN | None:
        """The network after the edits that hold; None where there are none."""
        if self._place:
            return self._steps[self._place - 1].model
        return None

    @property
    def edits(self) -> tuple[dict[str, Any], ...]:
        """The edits that hold, in order."""
        return tuple(step.edit for step in self._steps[: self._place])

    @property
    def undone(self) -> tuple[dict[str, Any], ...]:
        """The edits that can be redone, in order."""
        return tuple(step.edit for step in self._steps[self._place :])

    @property
    def steps(self) -> tuple[tuple[Applied, bool], ...]:
        """Every edit with its network, sentence and costs, and whether it holds."""
        return tuple((step, number < self._place) for number, step in enumerate(self._steps))

    def add(self, step: Applied) -> None:
        """Add an edit to the ones that hold; undone edits are forgotten."""
        self._write([*self.edits, step.edit], [])
        self._steps = [*self._steps[: self._place], step]
        self._place += 1

    def move(self, step: int) -> bool:
        """Undo an edit for step -1, redo one for 1; return whether there was one."""
        place = self._place + step
        if not 0 <= place <= len(self._steps):
            return False
        edits = [step.edit for step in self._steps]
        self._write(edits[:place], edits[place:])
        self._place = place
        return True

    def record(self) -> dict[str, Any]:
        """Return everything as plain values for a JSON file."""
        return self._recorded(list(self.edits), list(self.undone))

    def _recorded(self, kept: list[dict[str, Any]], undone: list[dict[str, Any]]) -> dict[str, Any]:
        return {"format": FORMAT, "made_for": self.made_for, "edits": kept, "undone": undone}

    def _write(self, kept: list[dict[str, Any]], undone: list[dict[str, Any]]) -> None:
        if self.file is not None:
            made_folder(os.path.dirname(self.file) or ".")
            text = json.dumps(self._recorded(kept, undone), indent=1, ensure_ascii=False)
            write_bytes(self.file, (text + "\n").encode())
