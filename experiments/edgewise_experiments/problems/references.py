"""Values of solutions that have no formula, by independent methods, at points of the domain or the last moment.

`data/references.npz` holds points (b, coordinates) and values (b, fields) for the name of each equation, at most a
thousand, drawn at random from those of the method. The programs that made them are those of commit 0ed5022c in this
folder, in `git show 0ed5022c:experiments/edgewise_experiments/problems/reference_solutions.py` and the modules beside.

- pendulum, Lotka-Volterra, Robertson, Lorenz: scipy's DOP853 and Radau to 1e-12;
- Allen-Cahn, Kuramoto-Sivashinsky, Gray-Scott: Fourier series with exponential Runge-Kutta steps or DOP853, to 3e-9;
- cavity and lid: Newton's method for the stream function on Chebyshev points;
- four holes: polynomials, logarithms and Laurent terms fitted to the boundary; with a reaction: multipoles and charges
  that cluster at the corners (A. Gopal, L. Trefethen, SIAM J. Numer. Anal. 57, 2019);
- patches: spectral elements; long time: sine series; heat through noise: sine series and GMRES; wave through noise:
  Galerkin's method with cosines; four balls: Galerkin's method and charges, to 1e-4;
- heat around holes: finite elements of degree 4 with curved sides, and Laplace's transform in time, to 1e-6.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

Reference = tuple[np.ndarray, np.ndarray]  # points (b, coordinates) and values (b, fields)


@cache
def references() -> dict[str, Reference]:
    """Return the points and the values of every equation that has some, by its name."""
    with resources.files("edgewise_experiments.data").joinpath("references.npz").open("rb") as file:
        arrays = np.load(file)
        return {
            name.removesuffix("/points"): (arrays[name], arrays[name.replace("/points", "/values")])
            for name in arrays
            if name.endswith("/points")
        }


def distance(found: np.ndarray, true: np.ndarray) -> float:
    """Relative difference in the root mean square."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))
