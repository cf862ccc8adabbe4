"""Fitted estimators in the notations of others: one file that takes and gives the user's units."""

import os
from collections.abc import Sequence
from pathlib import Path

from sklearn.utils.validation import check_is_fitted

from edgewise.errors import InputError
from edgewise.estimator.base import FARTHEST
from edgewise.export import Units, to_c, to_onnx, to_program, to_python

WRITERS = {".py": to_python, ".c": to_c, ".onnx": to_onnx, ".pt2": to_program}


class Exported:
    """`export` for estimators; classifiers give the probabilities of their classes."""

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        names: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> None:
        """Writes the model, scaling included, as a file that needs no Edgewise; its ending decides.

        .py: a function `predict(x)` that needs NumPy only. .c: C99 with `void predict(const double *x, double *y)`.
        .onnx: for onnxruntime and others. .pt2: for `torch.export.load`. Each takes rows (d,) or (N, d) as `predict`
        does and gives numbers, or the probabilities in the order of `classes_`, equal up to rounding, in float64.

        Args:
            path: where to; an existing file is replaced as a whole.
            names, outputs: of inputs and outputs, for a comment in .py and .c; else those the estimator knows.

        Raises:
            InputError: path ends in nothing of these.
            FileError: the file cannot be written. MissingExtraError: a package for .onnx is not installed.
        """
        check_is_fitted(self)
        ending = Path(path).suffix.lower()
        if ending not in WRITERS:
            raise InputError(f"path must end in {', '.join(WRITERS)}, got {os.fspath(path)!r}")
        classes = hasattr(self, "classes_")
        target = None if classes else self.target_scaling_
        units = Units(
            self.input_scaling_.shift,
            self.input_scaling_.scale,
            FARTHEST,
            None if classes else target.shift,
            None if classes else target.scale,
            probabilities=classes,
        )
        settings = {}
        if ending in (".py", ".c"):
            if names is None and hasattr(self, "feature_names_in_"):
                names = list(map(str, self.feature_names_in_))
            if outputs is None and classes:
                outputs = [f"probability of {label}" for label in self.classes_]
            settings = {"names": names, "outputs": outputs}
        WRITERS[ending](self.model_, path, units=units, **settings)
