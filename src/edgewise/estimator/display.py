"""Methods of estimators that show the model: figures, a summary, a report, and a short table in a notebook."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from edgewise.checks import is_path, typed
from edgewise.errors import InputError
from edgewise.estimator.columns.reading import Rows
from edgewise.estimator.explaining import RowExplainer
from edgewise.interpret.attribution.effects import mean_contributions, partial_dependence
from edgewise.interpret.attribution.explanations import MENTIONED_SHARE, constant_sentence
from edgewise.metrics import METRICS, Score
from edgewise.presentation import (
    column_texts,
    counted,
    html_table,
    number_text,
    p_value_text,
    percent_text,
    r2_text,
    text_table,
)

if TYPE_CHECKING:
    from edgewise.formulas.front import Front
    from edgewise.gam import AdditiveSummary
    from edgewise.plot.network.views import NetworkColumn, NetworkView, PredictionView
    from edgewise.plot.style import Figure
    from edgewise.plot.themes import Theme
    from edgewise.report import Comparison, Report
    from edgewise.search.records import SearchReport
    from edgewise.train.loop.reports import FitReport

# The explorer stands on the estimators, which know of it no more than the name of its door.
EXPLORER = "edgewise.explore.page.widget"
COMPARISON = "edgewise.compare.held_out"  # likewise
BAND_WIDTH = 2.0  # half width of bands in standard deviations: about 95 % for normal errors
SUMMARY_TERMS = 40  # terms whose tests a summary shows, those with the smallest p-values
TESTS_TEXT = "Tests of the terms; p-values are approximate, those of pairs too small, because the same rows chose them."


@dataclass(frozen=True)
class ModelSummary:
    """A model in a short table, from `KANRegressor.summary`; `print` and a notebook show it."""

    title: str  # the kind of model and its target
    facts: tuple[tuple[str, str], ...]  # names and texts: shape, score and the like
    # for each input its name, the mean size of its contribution, its share, and its shape in words
    terms: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...]  # sentences below the table
    tests: AdditiveSummary | None = None  # tests of the terms of an additive model
    effect: str = "effect"  # title of the column of shapes, which names what rises or falls

    @property
    def _head(self) -> tuple[str, str, str, str]:
        return ("input", "moves a prediction by", "share", self.effect)

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.facts)
        lines = [self.title, *(f"{name.ljust(width)}  {text}" for name, text in self.facts), ""]
        if self.tests is None:
            tests = []
        else:
            tests = ["", TESTS_TEXT, str(self.tests)]
        if self.terms:
            table = [text_table(self._head, self.terms, text_columns=(0, 3))]
        else:
            table = []
        return "\n".join([*lines, *table, *self.notes, *tests])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        facts = html_table(["", ""], self.facts, caption=self.title, text_columns=(0, 1))
        effects = html_table(self._head, self.terms, notes=self.notes, text_columns=(0, 3))
        return facts + effects + ("" if self.tests is None else self.tests._repr_html_())


class EstimatorDisplay(RowExplainer):
    """Part of the estimators that draws, summarises and reports; rows are those of `background_` if none are given."""

    inference_: AdditiveSummary | None
    random_state: Any
    _absent: ClassVar[Mapping[str, str]] = {}  # methods of other estimators, with what to use instead

    @property
    def _record(self) -> tuple[SearchReport, FitReport] | None:
        """The records of the search and of the last training; None for an estimator that keeps none."""
        raise NotImplementedError

    @property
    def _coefficients(self) -> int | None:
        """Free coefficients of the model; None where no search has counted them."""
        if self._record is None:
            return None
        search = self._record[0]
        trial = search.chosen_trial
        if trial is None:  # the constant, with which a search begins
            return next((one.parameters for one in search.trials), None)
        return trial.parameters

    def predict(self, X: Rows) -> Any:
        """Predict what the estimator is for."""
        raise NotImplementedError

    def _scored(self, y: Any, predicted: np.ndarray) -> Score:
        """Return the score of predictions of rows that were not used in training, with its standard error."""
        observed = np.asarray(y)
        if observed.shape != predicted.shape:
            raise InputError(f"y must have the shape of the predictions, {predicted.shape}, got {observed.shape}")
        return self._task.score(observed, predicted)

    def _fronts(self) -> dict[str, Front]:
        """Return the formulas of each target by its name; none where they are of something else, or were not asked."""
        return {}

    def _covered(self, X: Rows, y: np.ndarray, level: float) -> float | None:
        """Return the share of rows within their intervals of a level; None for an estimator without such intervals."""
        return None

    if not TYPE_CHECKING:  # a type checker would take any name for one that exists

        def __getattr__(self, name: str) -> Any:
            """Answer a misspelt name, or one that another kind of estimator has, with the name that was meant."""
            # An AttributeError too, so that hasattr is False.
            if name == "equations_" and hasattr(type(self), "fit_equations"):
                raise NotFittedError("there are no equations yet: call fit_equations(X, y) first")
            if name in self._absent:
                raise AttributeError(f"{type(self).__name__} has no {name}: {self._absent[name]}")
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and not name.endswith("_in_"):  # scikit-learn looks for those many times
                # Not `dir`: that of scikit-learn computes every property.
                known = [one for one in object.__dir__(self) if not one.startswith("_")]
                similar = get_close_matches(name, known, n=1)
                message += f"; did you mean {similar[0]!r}?" if similar else ""
            raise AttributeError(message)

    def plot(
        self,
        name: str | int | tuple[str | int, str | int] | None = None,
        X: ArrayLike | None = None,
        *,
        theme: Theme = "light",
    ) -> Figure:
        """Draw the effects of the inputs on the prediction, the strongest first, or that of one input or of a pair.

        Parameters
        ----------
        name : str or int, or a pair of them, optional
            An input by its name or number, or two inputs `("age", "income")` together; all inputs if left out.
        X : array-like or frame of shape (N, d), optional
            Rows that decide ranges and averages; `background_` if left out.
        theme : {"light", "dark", "print"}
            Colours of the figure in a notebook and in files.

        Returns
        -------
        edgewise.plot.style.Figure
            Appears in a notebook; `edgewise.plot.save(figure, "figure.svg")` writes it.

        Raises
        ------
        InputError, MissingExtraError
            There is no such input, or matplotlib is not installed.
        """
        from edgewise.plot import effect_curves, pair_map

        check_is_fitted(self)
        if name is None:
            return _themed(effect_curves(self, X), theme)
        if isinstance(name, tuple):
            return _themed(pair_map(self, X, inputs=name), theme)
        return _themed(effect_curves(self, X, inputs=[name]), theme)

    def summary(self, X: ArrayLike | None = None) -> ModelSummary:
        """Summarise the model: shape, score, what each input does to the prediction, and tests of the terms.

        Parameters
        ----------
        X : array-like or frame of shape (N, d), optional
            As in `plot`.

        Returns
        -------
        ModelSummary
            `print` and a notebook show it as a table.
        """
        short = self._short_table(X)
        tests, note = self._shown_tests()
        compared = self._beside_linear()
        verdict = "" if compared is None else compared.verdict
        return replace(short, tests=tests, notes=tuple(filter(None, [verdict, *short.notes, note])))

    def _shown_tests(self) -> tuple[AdditiveSummary | None, str]:
        """Return the tests of the terms with the smallest p-values, and a sentence about those left out."""
        tests = self.inference_
        if tests is None:
            return None, ""
        # Terms that restricted likelihood has removed are no part of the model.
        notes = []
        removed = [term for term in tests.terms if not term.edf > 0]
        if removed:
            least = p_value_text(min(term.p_value for term in removed))
            if len(removed) == 1:
                notes.append(f"{removed[0].name} has no degrees of freedom, so no part in the model (p = {least}).")
            else:
                count = f"{counted(len(removed), 'term')} without degrees of freedom have no part in the model"
                notes.append(f"{count} (smallest of their p-values {least}).")
        # The terms of the smallest p-values, in the order of the table.
        terms = [term for term in tests.terms if term.edf > 0]
        if len(terms) > SUMMARY_TERMS:
            order = np.argsort([term.p_value for term in terms], kind="stable")[:SUMMARY_TERMS]
            notes.append(f"{len(terms) - SUMMARY_TERMS} more terms, with larger p-values, are not shown.")
            terms = [terms[number] for number in sorted(order.tolist())]
        if notes:
            notes.append("inference_ has all tests.")
        return replace(tests, terms=tuple(terms)), " ".join(notes)

    def _short_table(self, X: ArrayLike | None = None) -> ModelSummary:
        """Return the summary without tests, as a notebook shows it below a fit."""
        # Mean absolute contributions; a constant model has none.
        view = self._prediction_view(X)
        task = self._task
        sizes = mean_contributions(view.function, view.X)
        message = task.bars_message
        constant = constant_sentence(self._predicted(view.X), task.answers)
        if constant:
            return ModelSummary(self._title(), tuple(self._facts()), (), (constant, *([message] if message else [])))
        texts = column_texts(sizes.tolist())
        total = float(sizes.sum()) or 1.0
        terms = []
        # The thirty inputs that move the prediction most.
        shown = np.argsort(-sizes, kind="stable")[:30]
        if len(sizes) > len(shown):  # a long table has no rows of inputs without influence
            shown = shown[sizes[shown] > 0]
        for i in shown.tolist():
            effect = partial_dependence(view.function, view.X, i, kind=view.kind(i))
            name = (view.names or [])[i]
            output = int(effect.strength.argmax())  # the most varying one of several
            if view.outputs is None:
                of = f"y{output + 1} "
            else:
                of = f"{view.outputs[output]} "
            shape = (of if effect.mean.shape[1] > 1 else "") + effect.shape(output)
            if 0 < sizes[i] < MENTIONED_SHARE * total:  # a direction of what the terms' degrees of freedom call nothing
                shape = "hardly moves"
            terms.append((str(name), texts[i], percent_text(sizes[i] / total), shape))
        # What the table leaves out, and which rows its sizes are means over.
        left = len(sizes) - len(terms)
        if left > 0 and len(terms) == np.count_nonzero(sizes):
            notes = [f"{counted(left, 'more input')} {'has' if left == 1 else 'have'} no influence."]
        elif left > 0:
            notes = [f"{left} more inputs are not shown."]
        else:
            notes = []
        if X is None:
            notes.append(
                "Sizes are means over made-up rows, in which each column has its distribution in training; "
                "summary(X) takes the rows of X."
            )
        notes += [message] if message else []
        title = f"effect on {task.effect_on(view.target)}"
        return ModelSummary(self._title(), tuple(self._facts()), tuple(terms), tuple(notes), effect=title)

    def compare(self, X: Any, y: Any, groups: ArrayLike | None = None) -> Comparison:
        """Compare with a linear model and gradient boosting on held-out rows; its verdict names the model to use.

        Copies of the three are fitted to four fifths of the rows and score the fifth that is left, five times. A
        difference of R², for classes of the log loss, is beyond chance where it exceeds two standard errors.

        Parameters
        ----------
        X, y : array-like of shape (N, d) and (N,)
            At least ten rows, those of the fit for example, and their targets. X has the columns of the fit; further
            ones are not used.
        groups : array-like of shape (N,), optional
            As in `fit`: no fold divides a group.

        Returns
        -------
        edgewise.report.Comparison
            A table in a notebook and as text, with `verdict`, the one sentence.

        Raises
        ------
        InputError
            X lacks a column of the fit, y has no target for each row, or there are fewer than ten rows.
        """
        return import_module(COMPARISON).held_out_comparison(self, X, y, groups)

    @typed
    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        title: str | None = None,
    ) -> Report:
        """Report about the model on one page: what was learned, how good it is, and what to distrust.

        Parameters
        ----------
        path : path-like, optional
            HTML file to write; it needs no other file and no network.
        X, y : array-like, optional
            Rows with their targets that were not used in training, which give its score.
        title : str, optional
            Heading of the page.

        Returns
        -------
        edgewise.report.Report
            Appears in a notebook; `report.save(path)` writes it.
        """
        from edgewise.estimator.reporting import model_report

        check_is_fitted(self)
        if path is not None and not is_path(path):
            got = type(path).__name__
            raise InputError(f"path must be the name of a file, got {got}; give rows by name, as in report(X=X, y=y)")
        made = model_report(self, X, y, title)
        if path is not None:
            made.save(path)
        return made

    def show(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> Report:
        """Show the model in tabs: curves, a table of the inputs, interactions, formula and comparison.

        Parameters
        ----------
        X, y : array-like, optional
            As in `report`.

        Returns
        -------
        edgewise.report.Report
            Appears in a notebook; its `save("model.html")` writes it.
        """
        from edgewise.estimator.reporting import model_tabs

        check_is_fitted(self)
        return model_tabs(self, X, y)

    # Views for `edgewise.plot`

    def explore(self, X: Any = None, y: Any = None, *, held_out: float | Sequence[int] = 0.2, seed: int = 0) -> Any:
        """Show the model in a notebook, to be read, queried and edited by hand; it needs the extra `explore`.

        Parameters
        ----------
        X, y : optional
            Rows and targets that judge the edits, as for `fit`; best rows that the fit has not seen.
        held_out : float or sequence of int
            Share of the rows that are held out, which refits never see, or their positions.
        seed : int
            Seed of that choice.

        Returns
        -------
        anywidget.AnyWidget
            Its attribute `session` is an `edgewise.explore.Session`, whose `model` is the edited model.
        """
        return import_module(EXPLORER).open_explorer(self, X, y, held_out=held_out, seed=seed)

    def _network_view(self, X: Any = None, importance: np.ndarray | None = None) -> NetworkView:
        """Return what figures of the network need: a trace of rows X, names, units and error bars. Shapes: X (N, d).

        `importance` (columns,) has the mean contributions of the columns; None computes them.
        """
        from edgewise.plot.network.views import NetworkView

        codes = self._rows(X)
        task = self._task
        inputs = self.encoder_.inputs_of(codes)
        with torch.no_grad():
            trace = self.model_.trace(self._to_network(inputs))
        # Uncertainty of the edges of the first layer, and of sums of those of one column.
        std = None
        group_std = None
        if task.bars is not None:
            first = trace.inputs[0]
            errors = cache(partial(task.bars.edges, self.model_, 0, first))  # made where a figure has bands, once

            def std(points: np.ndarray) -> np.ndarray:
                return errors().std(torch.as_tensor(points, dtype=first.dtype)).numpy()

            def group_std(points: np.ndarray, group: Sequence[int]) -> np.ndarray:
                return errors().std(torch.as_tensor(points, dtype=first.dtype), [group])[:, 0].numpy()

        # Columns that give several inputs are shown as one.
        columns = None
        if not self.encoder_.is_plain:
            columns = self._network_columns(codes)
        if importance is None and len(codes) > 1:
            importance = mean_contributions(self._predicted, codes)
        return NetworkView(
            self.model_,
            trace,
            self._network_names(None),
            task.outputs,
            (self.input_scaling_.shift.tolist(), self.input_scaling_.scale.tolist()),
            None if task.scaling is None else task.scaling.scale.tolist(),
            output_kind=task.output_kind,
            std=std,
            group_std=group_std,
            columns=columns,
            importance=importance,
        )

    def _network_columns(self, codes: np.ndarray) -> tuple[NetworkColumn, ...]:
        """Return the columns of the table with the inputs of the network that they give."""
        from edgewise.plot.network.views import NetworkColumn

        encoder = self.encoder_

        def encoded(column: int, inputs: list[int]) -> Callable[[np.ndarray], np.ndarray]:
            def encode(values: np.ndarray) -> np.ndarray:
                rows = np.repeat(codes[:1], len(values), 0)
                rows[:, column] = values
                network = self._to_network(encoder.inputs_of(rows))
                return network[:, inputs].double().numpy()

            return encode

        groups = [list(group) for group in encoder.groups]
        return tuple(
            NetworkColumn(str(name), tuple(group), codes[:, k], encoded(k, group), encoder.inputs[k])
            for k, (name, group) in enumerate(zip(encoder.columns, groups, strict=True))
        )

    def _prediction_view(self, X: Any = None) -> PredictionView:
        """Return what figures of effects need: the prediction as a function of the columns, with rows X.

        Shapes: X (N, d).
        """
        from edgewise.plot.network.views import PredictionView

        codes = self._rows(X)
        shown = self._task.shown(self._predicted)
        return PredictionView(
            shown.function,
            codes,
            list(self._input_names(None)),
            shown.outputs,
            shown.target,
            self.encoder_.inputs,
            self._band if self._has_bands() else None,
            "band: two standard errors of the curve, about 95 %",
            limits=shown.limits,
            counts=self._level_counts if X is None else (),
        )

    def _rows(self, X: Any) -> np.ndarray:
        """Return the codes of rows, by default of the background."""
        check_is_fitted(self)
        return self.background_ if X is None else self._codes(X)

    def _has_bands(self) -> bool:
        """Return whether the uncertainty of each input's own curve is known: in additive models with error bars."""
        task = self._task
        return task.bars is not None and task.exponent is None and len(self.model_.layers) == 1

    def _band(self, column: int, points: np.ndarray) -> np.ndarray:
        """Return the half width of the band of a column, (p, outputs)."""
        task = self._task
        assert task.bars is not None and task.scaling is not None
        # The pointwise standard error of one curve: the other columns stay at one row.
        codes = np.repeat(self.background_[:1], len(points), 0)
        codes[:, column] = points
        at = self._to_network(self.encoder_.inputs_of(codes))
        background = self._to_network(self.encoder_.inputs_of(self.background_))
        std = task.bars.edges(self.model_, 0, background).std(at, [self.encoder_.groups[column]])
        return BAND_WIDTH * std[:, 0].numpy() * task.scaling.scale

    # What a notebook shows

    def _title(self) -> str:
        """Return the class, the target and the number of inputs in words."""
        return f"{type(self).__name__} of {self._task.words} from {counted(len(self.encoder_.columns), 'input')}"

    def _shape_text(self) -> str:
        """Return the kind of model in words: linear, additive, or the network with its numbers of nodes."""
        width = list(self.model_.config.width)
        is_additive = len(width) == 2
        trial = None if self._record is None else self._record[0].chosen_trial
        if trial is not None and trial.kind.startswith(("linear", "additive")):
            return trial.kind
        return "additive" if is_additive else f"network {width}"

    def _facts(self) -> list[tuple[str, str]]:
        """Return names and texts of the facts of a summary."""
        facts = [("shape", self._shape_text())]
        if self._coefficients is not None:
            facts.append(("coefficients", f"{self._coefficients:,}"))
        if self.inference_ is not None:
            facts.append(("effective degrees of freedom", number_text(self.inference_.edf, 3)))
        return [*facts, *self._held_out_score()]

    def _held_out_score(self) -> list[tuple[str, str]]:
        """Return the held-out score of the model that the search chose, if one was made, as texts."""
        made = self._held_out()
        if made is None:
            return []
        if made.name == METRICS["r2"].name:
            text = r2_text(made.value)
        else:
            text = number_text(made.value, 3)
        return [(f"held-out {made.name}", f"{text} ± {number_text(made.error, 2)}")]

    def _beside_linear(self) -> Comparison | None:
        """Return the held-out scores of the chosen model and of a linear one; None where no row was held out."""
        from edgewise.report.comparison import Comparison, ModelResult

        own = self._held_out()
        if own is None or self._record is None:
            return None
        # The gain on a linear model is a paired difference over the same held-out rows, with its own standard error.
        search = self._record[0]
        models = [ModelResult("KAN", own.value, self._coefficients, error=own.error)]
        chosen = search.chosen_trial
        if search.linear_gain is not None and chosen is not None and not chosen.kind.startswith("linear"):
            gain, error = search.linear_gain
            linear = self._task.held_out(chosen.loss + gain, math.nan)
            count = min(trial.parameters for trial in search.trials if trial.kind.startswith("linear"))
            models.append(ModelResult("a linear model", linear.value, count, gap_error=error))
        return Comparison(models, own.name, higher_is_better=own.higher_is_better, rows="the held-out rows")

    def _held_out(self) -> Score | None:
        """Return the held-out score of the model that the search chose; None where no row was held out."""
        trial = None if self._record is None else self._record[0].chosen_trial
        if trial is None or not np.isfinite(trial.loss):
            return None
        return self._task.held_out(trial.loss, trial.error)

    def _repr_html_(self) -> str:
        if not self.__sklearn_is_fitted__():
            return html_table([type(self).__name__, ""], self._settings(), text_columns=(0, 1), notes=["Not fitted."])
        settings = html_table(["parameter", "value"], self._settings(), text_columns=(0, 1))
        fold = f"<details><summary>Parameters</summary>{settings}</details>"
        return self._short_table()._repr_html_() + fold

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _settings(self) -> list[tuple[str, str]]:
        return [(name, repr(value)[:80]) for name, value in self.get_params(deep=False).items()]


def _themed(figure: Figure, theme: Theme) -> Figure:
    from edgewise.plot.themes import check_theme

    check_theme(theme)
    figure.theme = theme
    return figure
