"""Hyperbolic invariants of one knot exterior, a SnapPy manifold: the maximal cusp and the shortest geodesic."""

import math
from typing import Any

POSITIVE = 1  # SnapPy's solution type: all tetrahedra positively oriented


def make_positive(manifold: Any, tries: int = 50) -> bool:
    """Search a triangulation whose geometric solution is positively oriented; return whether one was found."""
    for _ in range(tries):
        if manifold.solution_type(enum=True) == POSITIVE:
            return True
        manifold.randomize()
    return False


def cusp(manifold: Any) -> tuple[float, complex, float]:
    """Return volume, meridian (pointing upwards) and longitude (positive) of the maximal cusp."""
    neighbourhood = manifold.cusp_neighborhood()
    displacement = neighbourhood.stopping_displacement()
    try:
        neighbourhood.set_displacement(displacement)
        remaining = 0.0
    except Exception:
        # SnapPy's kernel retriangulates and, very rarely, stops there: the smaller cusp is scaled instead.
        neighbourhood = manifold.cusp_neighborhood()
        remaining = displacement
    meridian, longitude = neighbourhood.translations(0)
    scale = math.exp(remaining)
    meridian, longitude = complex(meridian) * scale, float(complex(longitude).real) * scale
    if longitude < 0:
        meridian, longitude = -meridian, -longitude
    return float(neighbourhood.volume(0)) * scale**2, meridian, longitude


def short_geodesic(manifold: Any, segments: int = 6) -> complex | None:
    """Return the complex length of the shortest dual curve; ties go to the largest imaginary part."""
    best = None
    for curve in manifold.dual_curves(max_segments=segments):
        length = complex(curve["filled_length"])
        if length.real <= 1e-6:
            continue
        if (
            best is None
            or length.real < best.real - 1e-7
            or (length.real < best.real + 1e-7 and length.imag > best.imag)
        ):
            best = length
    return best
