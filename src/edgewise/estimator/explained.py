"""What the estimators say about their predictions: inputs, effects, and the shares that add up to a prediction."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data

from edgewise.interpret.attribution.explanations import (
    GlobalExplanation,
    LocalExplanation,
    explain_global,
    explain_local,
)
from edgewise.nn.prediction import predict_in_batches


class Explained:
    """`explain_global` and `explain_local` for estimators; classifiers explain the probabilities of their classes."""

    def explain_global(self, X, *, names=None, outputs=None) -> GlobalExplanation:
        """What the predictions for the rows X (N, d) depend on: importance, effects and interactions of the inputs.

        names, outputs: of inputs and outputs in what is said; else those the estimator was fitted with.

        Raises:
            InputError: X has fewer than two different rows.
        """
        return explain_global(self._explained, self._rows(X), **self._said(names, outputs))

    def explain_local(self, X, background=None, *, names=None, outputs=None) -> LocalExplanation:
        """What each input adds to the prediction of each row of X (N, d), compared with the mean over `background`.

        Base and shares add up to the prediction, exactly. background: rows (B, d), at least two different ones, as
        the training data; X if left out. At most 32 of them, evenly picked, are used. names, outputs: as in
        `explain_global`.

        Raises:
            InputError: the background has fewer than two different rows.
        """
        rows = None if background is None else self._rows(background)
        return explain_local(self._explained, self._rows(X), rows, **self._said(names, outputs))

    def _rows(self, X) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False)

    def _explained(self, rows: np.ndarray) -> np.ndarray:
        """Predictions or probabilities (N, outputs) for rows that were checked before."""
        scaled = torch.from_numpy(self._to_network(rows))
        network = predict_in_batches(self.model_, scaled)
        if hasattr(self, "classes_"):
            return torch.softmax(network, 1).numpy()
        return self.target_scaling_.inverse(network.numpy())

    def _said(self, names, outputs) -> dict:
        if names is None and hasattr(self, "feature_names_in_"):
            names = list(map(str, self.feature_names_in_))
        if outputs is None and hasattr(self, "classes_"):
            outputs = list(map(str, self.classes_))
        return {"names": names, "outputs": outputs}
