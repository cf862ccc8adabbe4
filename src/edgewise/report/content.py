"""Content of a report before its layout: texts, numbers and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgewise.errors import InputError
from edgewise.report.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgewise.formulas.front import Front

# For each kind of figure: its section, its caption, and a description for readers who cannot see it.
FIGURE_TEXTS: dict[str, tuple[str, str, str]] = {
    "parity": (
        "result",
        "Predicted against observed values on the test rows. On the diagonal both are equal; the distance from it is "
        "the error.",
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
        "learned",
        "Average prediction over the rows against one input, while all other inputs keep their values in the data "
        "(partial dependence). A category has one bar for each level, with its number of rows. The grey histograms "
        "show how the data are distributed: trust a curve only there. Up to nine inputs have a panel, those with at "
        "least 1 % of all contributions.",
        "The average prediction against each of the strongest inputs, with the distribution of the data.",
    ),
    "pair": (
        "learned",
        "Average prediction over the rows against the two inputs that act together most, while all other inputs keep "
        "their values in the data; at the right, the part that no sum of one curve of each input has. Dots are rows, "
        "and places far from all rows stay empty.",
        "Two maps of the strongest pair of inputs: the average prediction, and its part beyond the sum of two curves.",
    ),
    "shares": (
        "inputs",
        "Contribution of each input to the prediction of a row, relative to the mean prediction: one dot for each of "
        "up to 300 rows, stronger in colour where the value of a number is higher; categories are grey. The "
        "contributions of a row and the mean add up to its prediction (Shapley values by sampling).",
        "Dots of the share of each of the strongest inputs in the predictions of the rows.",
    ),
    "formulas": (
        "formulas",
        "Error against length of the best formula of each length: dots for the rows of the search, rings for held-out "
        "rows.",
        "Errors of formulas against their number of symbols.",
    ),
    "network": (
        "network",
        "The whole network. Each frame shows one learned function of one variable over the range of its values in the "
        "data, stretched to fill the frame. A node adds the functions that end in it; a cross in a ring multiplies. A "
        "category is one node, with a step for each level. Strong ink marks the functions on which the prediction "
        "depends most, relative to the strongest of their layer.",
        "Diagram of the network with the learned function drawn on each edge.",
    ),
    "edges": (
        "network",
        "First-layer functions of the strongest inputs, each minus its mean, in the unit that the axis names. Bands, "
        "and lines on bars, are two standard deviations where they are known. Grey histograms show how the data are "
        "distributed.",
        "Curves of the first layer's functions of the strongest inputs, with histograms of the data.",
    ),
    "motion": (
        "motion",
        "Samples and fitted trajectories and, where nothing but the state acts on the motion, a forecast of the first "
        "one with a 90 % band; below, the phase portrait with points of rest, and the error of each system against "
        "its length.",
        "Samples, fits and a forecast over time; the phase portrait; the error of each system against its length.",
    ),
    "history": (
        "training",
        "Loss on the training and validation rows. The dot marks the step whose model was kept.",
        "Curves of training and validation loss against the step.",
    ),
}


@dataclass(frozen=True)
class ClassResult:
    """Recall and precision of one class on the test rows."""

    name: str  # the class
    rows: int  # number of its test rows
    recall: float | None  # shares from 0 to 1; None where the denominator is zero
    precision: float | None


@dataclass(frozen=True)
class FormulaRow:
    """One formula of the list in a report."""

    text: str  # the formula, with the target on its left or not
    symbols: int  # its length
    r2: float  # R² and the root mean squared error relative to the standard deviation of the target
    error: float
    chosen: bool = False  # whether it is the chosen one


@dataclass(frozen=True)
class TestTable:
    """A table of texts, as the tests of the terms of an additive model."""

    __test__ = False  # the name is no test of pytest

    head: Sequence[str]  # titles of the columns; the first column names the terms
    rows: Sequence[Sequence[str]]  # a row for each term
    caption: str  # what the tests are, and what to keep in mind


def formula_rows(front: Front) -> list[FormulaRow]:
    """Return the rows of a front of formulas, with the errors on held-out rows if there are any."""
    chosen = front.best_place
    return [
        FormulaRow(entry.formula.text(4), entry.complexity, front.r_squared(k), front.relative_error(k), k == chosen)
        for k, entry in enumerate(front)
    ]


@dataclass(frozen=True)
class ReportFigure:
    """A figure with its place in the report."""

    # one of parity, confusion, effects, pair, shares, formulas, network, edges, motion, history. It decides the
    # section, and the caption and description unless these are given
    kind: str
    figure: Figure  # the drawing
    caption: str = ""  # text below the figure
    alt: str = ""  # description for readers who cannot see the figure
    group: str = ""  # the class that the figure is about; figures of one class stand together

    def __post_init__(self) -> None:
        if self.kind not in FIGURE_TEXTS:
            raise InputError(f"kind must be one of {', '.join(FIGURE_TEXTS)}, got {self.kind!r}")


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report lays out; texts are plain, never HTML, and empty parts are left out."""

    title: str  # heading of the page
    summary: Sequence[str] = ()  # sentences about the fit; those of the comparison are added automatically
    background: Sequence[str] = ()  # paragraphs about the subject, after the summary
    comparison: Comparison = field(default_factory=Comparison)  # the KAN, and other models on the same rows
    errors: Sequence[str] = ()  # sentences on the size of errors and on intervals, after those that compare the scores
    classes: Sequence[ClassResult] = ()  # one entry for each class
    # names of the strongest inputs and their mean absolute contributions to the prediction, as from
    # `GlobalExplanation.ranking`
    inputs: Sequence[tuple[str, float]] = ()
    tests: TestTable | None = None  # tests of the terms, for a model that has them
    findings: Sequence[str] = ()  # sentences about the inputs; the first ones open the page as what was learned
    joint: Sequence[str] = ()  # sentences about inputs that act together, or that none do
    class_findings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the same for each class or target
    class_kind: str = "class"  # what these are about, "class" or "target"
    cautions: Sequence[str] = ()  # what to distrust, besides what follows from the score and the comparison
    formulas: Sequence[str] = ()  # the chosen formula, or one line for each target, then sentences about it
    formula_rows: Sequence[FormulaRow] = ()  # all formulas, for a table
    figures: Sequence[ReportFigure] = ()  # figures in any order
    tables: Sequence[tuple[str, TestTable]] = ()  # further tables, each with the heading of its fold
    data: Mapping[str, object] = field(default_factory=dict)  # facts about the data, for example {"rows": 8000}
    split: Mapping[str, int] = field(default_factory=dict)  # numbers of rows, as {"training": 5120, "test": 1600}
    notes: Sequence[str] = ()  # sentences of the table encoder
    training: Mapping[str, object] = field(default_factory=dict)  # facts about the training, as {"degree": 3}
    versions: Mapping[str, str] = field(default_factory=dict)  # versions of the packages
    command: str = ""  # command that repeats the fit
    seed: int | None = None  # its seed
