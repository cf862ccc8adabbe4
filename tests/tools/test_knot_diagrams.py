"""Invariants from planar-diagram codes of knots whose invariants are in every table."""

import pytest
from tools.knots.diagrams import alexander_span, analysed, crossing_signs, seifert_genus, signature

TREFOIL = [[1, 5, 2, 4], [3, 1, 4, 6], [5, 3, 6, 2]]  # KnotInfo's 3_1, left-handed
FIGURE_EIGHT = [[4, 2, 5, 1], [8, 6, 1, 5], [6, 3, 7, 4], [2, 7, 3, 8]]
FIVE_1 = [[2, 8, 3, 7], [4, 10, 5, 9], [6, 2, 7, 1], [8, 4, 9, 3], [10, 6, 1, 5]]
FIVE_2 = [[1, 5, 2, 4], [3, 9, 4, 8], [5, 1, 6, 10], [7, 3, 8, 2], [9, 7, 10, 6]]
SIX_1 = [[1, 7, 2, 6], [3, 10, 4, 11], [5, 3, 6, 2], [7, 1, 8, 12], [9, 4, 10, 5], [11, 9, 12, 8]]


def mirrored(code):
    """The same shadow with every crossing changed: the under-strand comes in where the over-strand did."""
    return [
        [d, a, b, c] if sign > 0 else [b, c, d, a]
        for (a, b, c, d), sign in zip(code, crossing_signs(code), strict=True)
    ]


@pytest.mark.parametrize(
    ("code", "size", "determinant", "genus"),
    [(TREFOIL, 2, 3, 1), (FIGURE_EIGHT, 0, 5, 1), (FIVE_1, 4, 5, 2), (FIVE_2, 2, 7, 1), (SIX_1, 0, 9, 1)],
    ids=["3_1", "4_1", "5_1", "5_2", "6_1"],
)
def test_known_invariants(code, size, determinant, genus):
    value, found = signature(code)
    assert (abs(value), found) == (size, determinant)
    assert seifert_genus(code) == genus  # diagrams without needless crossings of alternating knots have the least
    assert alexander_span(code) == 2 * genus
    assert signature(mirrored(code)) == (-value, determinant)
    assert signature([[label - 1 for label in crossing] for crossing in code]) == (value, determinant)


def test_positive_crossings_have_negative_signature():
    """A right-handed trefoil has signature -2."""
    right = TREFOIL if crossing_signs(TREFOIL) == [1, 1, 1] else mirrored(TREFOIL)
    assert crossing_signs(right) == [1, 1, 1]
    assert signature(right)[0] == -2


def test_faces_are_coloured_like_a_checkerboard():
    diagram = analysed(FIGURE_EIGHT)
    assert len(diagram.colour) == 6
    for crossing in range(4):
        corners = [diagram.colour[face] for face in diagram.face[4 * crossing : 4 * crossing + 4]]
        assert corners[0] == corners[2] != corners[1] == corners[3]


def test_what_is_no_diagram_is_refused():
    with pytest.raises(ValueError, match="planar"):
        signature([[1, 5, 2, 4], [3, 1, 4, 6], [5, 2, 6, 3]])
