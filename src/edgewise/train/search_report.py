"""What a search over candidates tells: while it runs, and at its end."""

from dataclasses import dataclass

from edgewise.train.candidate import Candidate


@dataclass(frozen=True)
class ProgressEvent:
    """Where a search stands: stage in words, share of the planned work that is done (0 .. 1), latest training loss,
    best held-out loss so far, seconds since the start."""

    stage: str
    done: float
    loss: float
    best: float
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Time to the end of the planned work at the pace so far; less if the search ends early."""
        return self.seconds * (1 - self.done) / max(self.done, 1e-9)


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried: its mean held-out loss, the standard error of that, its parameters, and the folds it
    was trained on (not all if it was clearly worse on the first)."""

    candidate: Candidate
    loss: float
    error: float
    parameters: int
    folds: int


@dataclass(frozen=True)
class SearchReport:
    """What a search tried and why it chose what it chose.

    chosen: the candidate. trials: all, in order. sentences: the reasons. folds: of the cross-validation, 1 for a
    single held-out part. work: multiply-adds, about. stopped: "finished", "budget", "time" or "interrupted".
    """

    chosen: Candidate
    trials: tuple[Trial, ...]
    sentences: tuple[str, ...]
    folds: int
    work: float
    stopped: str
