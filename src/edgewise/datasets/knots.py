"""The knot table: 8,000 hyperbolic knots, 17 geometric invariants each, and the signature to predict from them."""

from __future__ import annotations

import gzip
from collections.abc import Container
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from edgewise.errors import FileError

# The inputs of A. Davies et al., Nature 600 (2021) 70-74, in the order of the columns of their table.
KNOT_FEATURES = (
    "chern_simons",
    "cusp_volume",
    "hyperbolic_adjoint_torsion_degree",
    "hyperbolic_torsion_degree",
    "injectivity_radius",
    "longitudinal_translation",
    "meridinal_translation_imag",
    "meridinal_translation_real",
    "short_geodesic_imag_part",
    "short_geodesic_real_part",
    "Symmetry_0",
    "Symmetry_D3",
    "Symmetry_D4",
    "Symmetry_D6",
    "Symmetry_D8",
    "Symmetry_Z/2 + Z/2",
    "volume",
)

# Description of the table for the reader of a report.
KNOTS_ABOUT = (
    "Each row is a knot in the sense of topology, a closed curve in space, with at most 15 crossings; the knots of "
    "a spline are something else. It is hyperbolic: its complement carries a complete metric of constant curvature "
    "\u22121, unique by Mostow\u2019s rigidity. Volume, cusp translations, shortest geodesic, Chern\u2013Simons "
    "invariant and symmetry group are properties of that metric; the signature is a property of the surfaces that "
    "the knot bounds. The relation between the two was found with the help of machine learning (A. Davies et al., "
    "Nature 600, 2021): the signature \u03c3 is near half the natural slope Re(\u03bb/\u03bc) of the longitudinal "
    "and meridional translations \u03bb and \u03bc of the cusp, and |2\u03c3 \u2212 slope| is bounded by a "
    "constant times volume / (injectivity radius)\xb3 (A. Davies, A. Juh\xe1sz, M. Lackenby, N. Toma\u0161ev, "
    "arXiv 2111.15323).",
)


@dataclass(frozen=True, eq=False)
class Knots:
    """The knot table as arrays.

    Parameters
    ----------
    X : ndarray, (N, 17), float64
        The invariants.
    y : ndarray, (N,), int64
        The signatures, which are even.
    group : ndarray, (N,), int64
        Knots of one group (mutants) share volume, cusp volume and translations. A split into training and test rows
        must keep groups together, or the test rows are partly known.
    feature_names : tuple of str
        Names of the columns of X.

    Examples
    --------
    >>> knots = load_knots()
    >>> int(knots.y[0]), len(np.unique(knots.group)) < len(knots.y)
    (-2, True)
    """

    X: np.ndarray
    y: np.ndarray
    group: np.ndarray
    feature_names: tuple[str, ...]


def knots_path() -> AbstractContextManager[Path]:
    """Return a context manager for the path of the packaged table, a CSV file that is gzipped.

    The file PROVENANCE.md in the same folder describes its columns and its source.

    Returns
    -------
    context manager of pathlib.Path
        The path is valid within the context.

    Examples
    --------
    >>> with knots_path() as path:
    ...     path.name
    'knots_sample.csv.gz'
    """
    return as_file(files("edgewise.datasets") / "data" / "knots_sample.csv.gz")


def load_knots() -> Knots:
    """Load the packaged table as arrays.

    Returns
    -------
    Knots
        8,000 hyperbolic knots.

    References
    ----------
    A. Davies et al., "Advancing mathematics by guiding human intuition with AI", Nature 600 (2021) 70-74.

    Examples
    --------
    >>> knots = load_knots()
    >>> knots.X.shape, knots.feature_names[-1]
    ((8000, 17), 'volume')
    """
    with knots_path() as path:
        return read_knots_csv(path)


def read_knots_csv(path: Path) -> Knots:
    """Read a table with the columns of DeepMind's, gzipped or not; without a column `group` each row is a group."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        header = file.readline().rstrip("\r\n").split(",")
        check_knot_columns(path, header)
        names = [name for name in (*KNOT_FEATURES, "signature", "group") if name in header]
        try:
            used = [header.index(name) for name in names]
            values = np.loadtxt(file, delimiter=",", usecols=used, dtype=np.float64, comments=None, ndmin=2)
        except ValueError as error:
            raise FileError(f"{path} must hold numbers in the columns of the knot table: {error}") from error
    n = len(KNOT_FEATURES)
    return Knots(
        X=np.ascontiguousarray(values[:, :n]),
        y=values[:, n].astype(np.int64),
        group=values[:, n + 1].astype(np.int64) if "group" in names else np.arange(len(values)),
        feature_names=KNOT_FEATURES,
    )


def check_knot_columns(path: Path, names: Container[str]) -> None:
    """Raise FileError where an input or the signature is missing."""
    missing = [name for name in (*KNOT_FEATURES, "signature") if name not in names]
    if missing:
        raise FileError(f"{path} must have the columns of the knot table, got none called {', '.join(missing)}")
