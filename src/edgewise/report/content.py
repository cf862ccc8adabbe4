"""What a report says, before it is laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewise.errors import InputError

# Where each kind of figure goes, what it shows and how to read it, and what a reader who cannot see it is told.
FIGURES: dict[str, tuple[str, str, str]] = {
    "parity": (
        "result",
        "Predicted against observed values on the test rows. On the diagonal both are equal; the distance from it is "
        "the error. More than 2,000 rows are gathered in hexagons, darker where there are more.",
        "Predicted against observed values of the test rows, with the diagonal.",
    ),
    "confusion": (
        "result",
        "Test rows by observed class (rows) and predicted class (columns); the diagonal is right. Shading is the share "
        "of the row. At the right, how many rows a class has and the share found; at the top, the share of the "
        "predictions of a class that was right.",
        "Table of counts of observed against predicted classes on the test rows.",
    ),
    "effects": (
        "inputs",
        "How the prediction moves with one input while all others stay as they are in the data, averaged over the "
        "rows. A band holds the middle 80 % of the rows’ own curves: where it is narrow, the input acts alone; where "
        "it is wide, what it does depends on the other inputs. Grey shows where the data lie: trust a curve only "
        "there.",
        "Curves of the average prediction against each of the strongest inputs, with histograms of the data.",
    ),
    "shares": (
        "inputs",
        "What each input adds to the prediction of a row, relative to the mean prediction: one dot for each of up to "
        "300 rows, darker where the value of the input is higher. The shares of a row add up to its prediction "
        "(Shapley values by sampling).",
        "Dots of the share of each of the strongest inputs in the predictions of the rows.",
    ),
    "formulas": (
        "formulas",
        "Error against length of the best formula of each length: dots are the rows of the search, rings the rows held "
        "out from it. The chosen formula is the one whose every symbol pays for itself. Errors in the list are those "
        "on the rows held out, in per cent of the standard deviation.",
        "Errors of formulas against their number of symbols, and the formulas.",
    ),
    "network": (
        "network",
        "The whole model. Each frame holds one learned function of one variable, drawn over the range of the values "
        "that the data give it and stretched to fill its frame. A node adds up the functions that end in it. Strong "
        "ink marks the functions that the output depends on most, relative to the strongest of their layer.",
        "Diagram of the network with the learned function drawn on each edge.",
    ),
    "edges": (
        "network",
        "The first layer’s functions of the strongest inputs, each less its mean, in standard deviations of the hidden "
        "node it feeds (in units of the output where there is no hidden layer). Grey shows where the data lie.",
        "Curves of the first layer's functions of the strongest inputs, with histograms of the data.",
    ),
    "history": (
        "training",
        "Loss on the training and validation rows. The dot marks the step whose model was kept.",
        "Curves of training and validation loss against the step.",
    ),
}


@dataclass(frozen=True)
class ModelResult:
    """One row of the comparison. score: on the test rows, None if there is none (`remark` says why);
    error: standard error of the score, if known; parameters: fitted numbers, None where that means nothing;
    seconds: wall time of the fit; gap_error: standard error of the difference between its score and the KAN's on the
    same rows, if known.
    """

    name: str
    score: float | None
    parameters: int | None = None
    seconds: float | None = None
    error: float | None = None
    remark: str = ""
    gap_error: float | None = None


@dataclass(frozen=True)
class ClassResult:
    """How one class fared on the test rows; recall and precision are None where they have no meaning."""

    name: str
    rows: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class ReportFigure:
    """kind: one of parity, confusion, effects, shares, formulas, network, edges, history; it decides the place and,
    unless `caption` or `alt` (for readers who cannot see it) are given, what is said about it.
    """

    kind: str
    figure: Any
    caption: str = ""
    alt: str = ""

    def __post_init__(self):
        if self.kind not in FIGURES:
            raise InputError(f"kind must be one of {', '.join(FIGURES)}, got {self.kind!r}")


@dataclass(frozen=True)
class ReportContent:
    """What `write_report` lays out; texts are plain, never HTML. Empty parts are left out of the page.

    title, summary: what was done, in sentences; the standing among the baselines is added by itself.
    background: paragraphs about the subject, after the summary.
    models: the KAN first, then the baselines, all on the same test rows; score_name: as "accuracy" or "R²";
        score_percent: the score is a share, to be shown in per cent; higher_is_better: False for an error.
    inputs: (name, score) of the strongest inputs, as from `input_scores`. findings: what there is to say about them.
    formulas: the formula found and what there is to say about it.
    data: facts, as {"rows": 8000}; split: {"training": 5120, ...}; notes: sentences of the table encoder.
    training: how it was trained, as {"shape": "[17, 5, 14]"}. versions: {"edgewise": "0.1.0", ...}.
    command, seed: what to type to get the same.
    """

    title: str
    summary: Sequence[str] = ()
    background: Sequence[str] = ()
    models: Sequence[ModelResult] = ()
    score_name: str = "score"
    score_percent: bool = False
    higher_is_better: bool = True
    classes: Sequence[ClassResult] = ()
    inputs: Sequence[tuple[str, float]] = ()
    findings: Sequence[str] = ()
    formulas: Sequence[str] = ()
    figures: Sequence[ReportFigure] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    split: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    training: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    seed: int | None = None
