"""Explanations of an estimator: each column of the table is one input, whatever the network makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from edgewise.checks import is_list
from edgewise.errors import InputError
from edgewise.estimator.columns.reading import RowReader, Rows
from edgewise.estimator.task import Task
from edgewise.interpret.attribution.effects import PATHS
from edgewise.interpret.attribution.explanations import (
    GlobalExplanation,
    LocalExplanation,
    explain_global,
    explain_local,
)
from edgewise.nn.model import KAN
from edgewise.nn.prediction import predict_in_batches

FARTHEST_INPUT = 1e100  # of scaled inputs: squares stay finite


class RowExplainer(RowReader):
    """Part of the estimators that evaluates the network and explains predictions by the columns of the table."""

    model_: KAN
    input_limits_: np.ndarray
    _output_limits: np.ndarray | None = None

    @property
    def _task(self) -> Task:
        """What a fitted estimator predicts."""
        raise NotImplementedError

    # From rows to outputs of the network

    @property
    def parameter_count_(self) -> int:
        """Numbers that the network stores; `search_` counts the coefficients that are free."""
        check_is_fitted(self)
        return sum(p.numel() for p in self.model_.parameters() if p.requires_grad)

    def _to_network(self, X: np.ndarray, clipped: bool = True) -> Tensor:
        """Scale inputs that the encoder made, (N, p), to those of the network, which are clipped to its limits."""
        limits = self.input_limits_.T if clipped else (-FARTHEST_INPUT, FARTHEST_INPUT)
        with np.errstate(over="ignore"):  # values that overflow are clipped
            return torch.from_numpy(np.clip(self.input_scaling_.transform(X), *limits))

    def _network_output(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of the network, (N, out), for inputs that the encoder made, (N, p)."""
        outputs = predict_in_batches(self.model_, self._to_network(X)).numpy()
        if self._output_limits is None:
            return outputs
        return np.clip(outputs, *self._output_limits.T)

    def _outputs(self, X: np.ndarray) -> np.ndarray:
        """Predict numbers or probabilities, (N, outputs), for inputs that the encoder made, (N, p)."""
        raise NotImplementedError

    def _predicted(self, codes: np.ndarray) -> np.ndarray:
        """Predict numbers or probabilities, (N, outputs), for codes of the encoder."""
        return self._averaged(codes, self._outputs)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in what moves the predictions, (n_features_in_,), with sum 1."""
        # Mean absolute contributions over the background rows, which stand for the training data.
        check_is_fitted(self)
        rows = self.background_[:PATHS]
        sizes = np.zeros(self.n_features_in_)
        used = [self.encoder_.names.index(name) for name in self.encoder_.columns]
        if len(rows) > 1 and not (np.isnan(rows) | (rows == rows[0])).all():
            shares = explain_local(self._predicted, rows, rows).shares
            sizes[used] = np.abs(shares).mean((0, 2))
        total = sizes.sum()
        if total > 0:
            return sizes / total
        return np.full(len(sizes), 1 / len(sizes))

    def explain_global(
        self, X: Rows, *, names: Sequence[str] | None = None, outputs: Sequence[str] | None = None
    ) -> GlobalExplanation:
        """Measure the importance, the effects and the interactions of the columns for the predictions.

        A category is one input, with one effect per level. A classifier explains the probabilities of its classes.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            At least two different rows.
        names, outputs : sequence of str, optional
            Names of the inputs and outputs; if left out, those the estimator was fitted with.

        Returns
        -------
        GlobalExplanation
            Of the columns that the model uses, `encoder_.columns`.
        """
        return self._explained(self._codes(X), self._input_names(names), self._output_names(outputs))

    def _explained(self, codes: np.ndarray, names: Sequence[str], outputs: Sequence[str] | None) -> GlobalExplanation:
        """Explain the predictions for codes; of a sum of curves with the sentence that it shows no interactions."""
        # Shapley values and partial dependence of the predictions as a function of the columns.
        whole = explain_global(
            self._predicted,
            codes,
            names=names,
            outputs=outputs,
            kinds=self.encoder_.inputs,
            log_link=self._task.exponent is not None,
            background=self.background_,
        )
        if len(self.model_.layers) > 1 or whole.constant:
            return whole
        why = ", since effort='low' tries none" if self.get_params(deep=False).get("effort") == "low" else ""
        lack = f"it has no pairs of inputs{why}, so it shows no interaction"
        return replace(whole, joint=(f"The model is a sum of one curve of each input: {lack}.",))

    def explain_local(
        self,
        X: Rows,
        background: Rows | None = None,
        *,
        names: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> LocalExplanation:
        """Attribute the prediction of each row to the columns: base value and shares add up to it exactly.

        Parameters
        ----------
        X : array-like or frame of shape (N, d)
            The rows; one is enough.
        background : array-like or frame of shape (B, d), optional
            Rows to compare with, of which at most 32, evenly picked, are used; `background_` if left out.
        names, outputs : sequence of str, optional
            As in `explain_global`.

        Returns
        -------
        LocalExplanation
        """
        codes = self._codes(X)
        if background is None:
            rows = self.background_[:PATHS]
        else:
            rows = self._codes(background)
        names = self._input_names(names)
        outputs = self._output_names(outputs)
        return explain_local(self._predicted, codes, rows, names=names, outputs=outputs, kinds=self.encoder_.inputs)

    def _input_names(self, names: Sequence[str] | None) -> Sequence[str]:
        """Return the names of the used columns; given names may be those of all columns."""
        encoder = self.encoder_
        if names is None:
            return encoder.columns
        if not is_list(names) or len(names) not in (len(encoder.columns), len(encoder.names)):
            raise InputError(f"names must hold {len(encoder.columns)} names, got {names!r:.80}")
        names = list(names)
        if len(names) == len(encoder.columns):
            return names
        return [names[encoder.names.index(name)] for name in encoder.columns]

    def _network_names(self, names: Sequence[str] | None) -> Sequence[str] | None:
        """Return the names of the inputs of the network; None for a plain array without names."""
        if names is not None:
            return names
        if self.encoder_.is_plain and not self._is_named:
            return None
        return self.encoder_.formula_names

    def _output_names(self, outputs: Sequence[str] | None) -> Sequence[str] | None:
        """Return the names of the predictions of a row: those given, or those of the fit."""
        if outputs is None:
            return self._task.outputs
        return outputs
