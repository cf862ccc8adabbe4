"""Content of a report before its layout: texts, numbers and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, TypedDict, Unpack

from edgewise.checks import check_options
from edgewise.errors import InputError

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
        "show how the data are distributed: trust a curve only there.",
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
    "history": (
        "training",
        "Loss on the training and validation rows. The dot marks the step whose model was kept.",
        "Curves of training and validation loss against the step.",
    ),
}


@dataclass(frozen=True)
class ModelResult:
    """One row of the comparison of models.

    Parameters
    ----------
    name : str
        The model.
    score : float or None
        Score on the test rows; None if there is none, and `remark` gives the reason.
    parameters : int, optional
        Number of fitted parameters; None for models without a meaningful count.
    seconds : float, optional
        Wall time of the fit.
    error : float, optional
        Standard error of the score.
    remark : str
        A note below the name.
    gap_error : float, optional
        Standard error of the difference between this score and the KAN's on the same rows.

    Examples
    --------
    >>> ModelResult("linear model", 0.82, parameters=11).score
    0.82
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
    """Recall and precision of one class on the test rows.

    Parameters
    ----------
    name : str
        The class.
    rows : int
        Number of its test rows.
    recall, precision : float or None
        Shares from 0 to 1; None where the denominator is zero.

    Examples
    --------
    >>> ClassResult("malignant", rows=42, recall=0.95, precision=None).rows
    42
    """

    name: str
    rows: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class FormulaRow:
    """One formula of the list in a report.

    Parameters
    ----------
    text : str
        The formula, with the target on its left or not.
    symbols : int
        Its length.
    r2, error : float
        R² and the root mean squared error relative to the standard deviation of the target.
    chosen : bool
        Whether it is the chosen one.

    Examples
    --------
    >>> FormulaRow("2*mass + 1", symbols=5, r2=0.99, error=0.1, chosen=True).symbols
    5
    """

    text: str
    symbols: int
    r2: float
    error: float
    chosen: bool = False


@dataclass(frozen=True)
class TestTable:
    """Tests of the terms of an additive model, as texts.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns; the first column names the terms.
    rows : sequence of sequence of str
        A row for each term.
    caption : str
        What the tests are, and what to keep in mind.

    Examples
    --------
    >>> TestTable(("term", "F", "p"), [("age", "12.1", "0.001")], "Tests of the terms.").rows
    [('age', '12.1', '0.001')]
    """

    __test__ = False  # the name is no test of pytest

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str


def formula_rows(front: Front, chosen: int | None = None, digits: int = 4) -> list[FormulaRow]:
    """Return the rows of a front of formulas, with the errors on held-out rows if there are any.

    Parameters
    ----------
    front : Front
        The formulas.
    chosen : int, optional
        Place of the chosen one, that of `front.best` if left out.
    digits : int
        Significant digits of the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise import find_formula
    >>> x = np.linspace(0.0, 1.0, 30)[:, None]
    >>> [row.text for row in formula_rows(find_formula(x, 2 * x[:, 0] + 1)) if row.chosen]
    ['2*x_1 + 1']
    """
    place = front.best_place if chosen is None else chosen
    return [
        FormulaRow(
            entry.formula.text(digits), entry.complexity, front.r_squared(k), front.relative_error(k), k == place
        )
        for k, entry in enumerate(front)
    ]


@dataclass(frozen=True)
class ReportFigure:
    """A figure with its place in the report.

    Parameters
    ----------
    kind : str
        One of parity, confusion, effects, pair, shares, formulas, network, edges, history. It decides the section, and
        the caption and description unless these are given.
    figure : matplotlib.figure.Figure
        The drawing.
    caption : str
        Text below the figure.
    alt : str
        Description for readers who cannot see the figure.
    group : str
        The class that the figure is about; figures of one class stand together.

    Raises
    ------
    InputError
        The kind is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ReportFigure("parity", Figure()).kind
    'parity'
    """

    kind: str
    figure: Figure
    caption: str = ""
    alt: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if self.kind not in FIGURE_TEXTS:
            raise InputError(f"kind must be one of {', '.join(FIGURE_TEXTS)}, got {self.kind!r}")


class ReportParts(TypedDict, total=False):
    """Parts of a `ReportContent` after the models; a part that is left out is empty.

    Parameters
    ----------
    score_name : str
        For example "accuracy" or "R²".
    score_rows : str
        The rows that the scores are from, if they are no test rows.
    score_percent : bool
        Whether the score is a share, shown in per cent.
    higher_is_better : bool
        False for an error.
    errors : sequence of str
        Sentences on the size of errors and on intervals, after those that compare the scores.
    classes : sequence of ClassResult
        One entry for each class.
    inputs : sequence of (str, float)
        Names of the strongest inputs and their mean absolute contributions to the prediction, as from
        `GlobalExplanation.ranking`.
    tests : TestTable, optional
        Tests of the terms, for a model that has them.
    findings : sequence of str
        Sentences about the inputs; the first ones open the page as what was learned.
    class_findings : mapping of str to sequence of str
        The same for each class.
    cautions : sequence of str
        What a reader should distrust, besides what follows from the score and the comparison.
    formulas : sequence of str
        The chosen formula, or one line for each of several targets, then sentences about it.
    formula_rows : sequence of FormulaRow
        All formulas, for a table.
    figures : sequence of ReportFigure
        Figures in any order.
    data : mapping
        Facts about the data, for example {"rows": 8000}.
    split : mapping
        Numbers of rows, for example {"training": 5120, "test": 1600}.
    notes : sequence of str
        Sentences of the table encoder.
    training : mapping
        Facts about the training, for example {"shape": "[17, 5, 14]"}.
    versions : mapping
        Versions of the packages.
    command : str
        Command that repeats the fit.
    seed : int, optional
        Its seed.

    Examples
    --------
    >>> parts: ReportParts = {"score_name": "R²", "seed": 7}
    >>> ReportContent("House prices", **parts).seed
    7
    """

    score_name: str
    score_rows: str
    score_percent: bool
    higher_is_better: bool
    errors: Sequence[str]
    classes: Sequence[ClassResult]
    inputs: Sequence[tuple[str, float]]
    tests: TestTable | None
    findings: Sequence[str]
    class_findings: Mapping[str, Sequence[str]]
    cautions: Sequence[str]
    formulas: Sequence[str]
    formula_rows: Sequence[FormulaRow]
    figures: Sequence[ReportFigure]
    data: Mapping[str, object]
    split: Mapping[str, int]
    notes: Sequence[str]
    training: Mapping[str, object]
    versions: Mapping[str, str]
    command: str
    seed: int | None


@dataclass(frozen=True, init=False)
class ReportContent:
    """Everything that `write_report` lays out; texts are plain, never HTML, and empty parts are left out.

    Parameters
    ----------
    title : str
        Heading of the page.
    summary : sequence of str
        Sentences about the fit; the comparison with the baselines is added automatically.
    background : sequence of str
        Paragraphs about the subject, after the summary.
    models : sequence of ModelResult
        The KAN first, then the baselines, all on the same test rows.
    **parts
        Scores, inputs, figures, facts and the command, see `ReportParts`.

    Raises
    ------
    InputError
        A part has an unknown name.

    Examples
    --------
    >>> ReportContent("House prices", models=[ModelResult("KAN", 0.91)], score_name="R²").title
    'House prices'
    """

    title: str
    summary: Sequence[str] = ()
    background: Sequence[str] = ()
    models: Sequence[ModelResult] = ()
    score_name: str = "score"
    score_rows: str = "test rows"
    score_percent: bool = False
    higher_is_better: bool = True
    errors: Sequence[str] = ()
    classes: Sequence[ClassResult] = ()
    inputs: Sequence[tuple[str, float]] = ()
    tests: TestTable | None = None
    findings: Sequence[str] = ()
    class_findings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cautions: Sequence[str] = ()
    formulas: Sequence[str] = ()
    formula_rows: Sequence[FormulaRow] = ()
    figures: Sequence[ReportFigure] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    split: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    training: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    seed: int | None = None

    def __init__(
        self,
        title: str,
        summary: Sequence[str] = (),
        background: Sequence[str] = (),
        models: Sequence[ModelResult] = (),
        **parts: Unpack[ReportParts],
    ) -> None:
        check_options(ReportContent, parts, ReportParts)
        given = {"title": title, "summary": summary, "background": background, "models": models, **parts}
        for part in fields(self):
            if part.default_factory is MISSING:
                default = part.default
            else:
                default = part.default_factory()
            object.__setattr__(self, part.name, given.get(part.name, default))
