"""Invariants of a knot from a planar-diagram code, with numpy only: signature, determinant, genus, Alexander span.

Convention (KnotTheory, KnotInfo, spherogram): a crossing [a, b, c, d] lists the four edge labels counter-clockwise,
starting with the incoming under-strand, so a -> c is the under-strand. Labels start at 0 or at 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Code = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Diagram:
    """Sign of each crossing, face of each corner (4 crossing + k is between slots k and k + 1), colour of each face."""

    signs: list[int]
    face: list[int]
    colour: list[int]


def crossing_signs(code: Code) -> list[int]:
    """Return 1 where the over-strand goes from d to b, -1 where from b to d. Raises ValueError if neither fits."""
    edges, signs = 2 * len(code), []
    for _, b, _, d in code:
        forward, backward = (b - d) % edges == 1, (d - b) % edges == 1
        if forward == backward:
            raise ValueError("ambiguous planar-diagram code")
        signs.append(1 if forward else -1)
    return signs


def analysed(code: Code) -> Diagram:
    """Return signs, faces and checkerboard colours. Raises ValueError unless the diagram is planar and connected."""
    mate = other_ends(code)
    face, count = [-1] * len(mate), 0
    for start in range(len(mate)):
        if face[start] >= 0:
            continue
        corner = start
        while face[corner] < 0:
            face[corner] = count
            across = mate[corner]
            corner = (across & ~3) | ((across - 1) & 3)
        count += 1
    if count != len(code) + 2:
        raise ValueError(f"not a planar connected diagram: {count} faces, {len(code)} crossings")
    return Diagram(crossing_signs(code), face, checkerboard_colours(face, count))


def other_ends(code: Code) -> list[int]:
    """Return the other end of the edge at each slot, 4 crossing + k."""
    lowest = min(min(crossing) for crossing in code)
    ends: list[list[int]] = [[] for _ in range(2 * len(code))]
    for number, crossing in enumerate(code):
        for k, label in enumerate(crossing):
            ends[label - lowest].append(4 * number + k)
    mate = [0] * (4 * len(code))
    for one, other in ends:
        mate[one], mate[other] = other, one
    return mate


def checkerboard_colours(face: list[int], count: int) -> list[int]:
    colour: list[int] = [-1] * count
    beside: list[list[int]] = [[] for _ in range(count)]
    for corner, one in enumerate(face):
        other = face[(corner & ~3) | ((corner + 1) & 3)]
        beside[one].append(other)
        beside[other].append(one)
    colour[0], todo = 0, [0]
    while todo:
        one = todo.pop()
        for other in beside[one]:
            if colour[other] < 0:
                colour[other] = 1 - colour[one]
                todo.append(other)
            elif colour[other] == colour[one]:
                raise ValueError("the faces have no checkerboard colouring")
    return colour


def goeritz(diagram: Diagram, white: int) -> tuple[np.ndarray, int]:
    """Return the Goeritz matrix of the faces of one colour, without the first, and its correction.

    signature = sign(matrix) - correction (C. Gordon and R. Litherland, Invent. Math. 47, 1978).
    """
    index = {face: i for i, face in enumerate(f for f, colour in enumerate(diagram.colour) if colour == white)}
    matrix, correction = np.zeros((len(index), len(index))), 0
    for number, sign in enumerate(diagram.signs):
        corners = diagram.face[4 * number : 4 * number + 4]
        first = diagram.colour[corners[0]] == white
        kind, one, other = (1, corners[0], corners[2]) if first else (-1, corners[1], corners[3])
        if kind == sign:
            correction += kind
        if one != other:
            i, j = index[one], index[other]
            matrix[i, j] -= kind
            matrix[j, i] -= kind
            matrix[i, i] += kind
            matrix[j, j] += kind
    return matrix[1:, 1:], correction


def signature(code: Code) -> tuple[int, int]:
    """Return (signature, determinant); a right-handed trefoil has signature -2, as in KnotInfo.

    Raises ValueError where the two checkerboard surfaces disagree, or the code is no diagram of a knot.
    """
    diagram, found = analysed(code), []
    for white in (0, 1):
        matrix, correction = goeritz(diagram, white)
        values = np.linalg.eigvalsh(matrix) if len(matrix) else np.ones(0)
        if len(values) and np.abs(values).min() < 1e-7:  # a knot's determinant is odd
            raise ValueError("singular Goeritz matrix")
        determinant = round(abs(np.prod(values)))
        found.append((int((values > 0).sum() - (values < 0).sum()) - correction, determinant))
    if found[0] != found[1]:
        raise ValueError(f"the two checkerboard surfaces disagree: {found}")
    return found[0]


def seifert_genus(code: Code) -> int:
    """Return the genus of Seifert's surface of this diagram, which is at least that of the knot."""
    lowest, edges = min(min(crossing) for crossing in code), 2 * len(code)
    after = {}
    for (a, b, c, d), sign in zip(code, crossing_signs(code), strict=True):
        pairs = ((a, b), (d, c)) if sign > 0 else ((a, d), (b, c))
        after.update({one - lowest: other - lowest for one, other in pairs})
    seen: set[int] = set()
    circles = 0
    for edge in range(edges):
        circles += edge not in seen
        while edge not in seen:
            seen.add(edge)
            edge = after[edge]
    return (len(code) - circles + 1) // 2


def alexander_span(code: Code) -> int:
    """Return the degree span of the Alexander polynomial, at most twice the genus: determinants at roots of unity.

    Raises ValueError where rounding leaves its integer coefficients in doubt.
    """
    arc, count = _arcs(code), len(code)
    constant, linear = np.zeros((count, count)), np.zeros((count, count))
    lowest = min(min(crossing) for crossing in code)
    # One relation for each crossing: (1 - t) over + t one - other = 0 with the two under-arcs.
    for i, ((a, b, c, _), sign) in enumerate(zip(code, crossing_signs(code), strict=True)):
        over, into, out = arc[b - lowest], arc[a - lowest], arc[c - lowest]
        one, other = (out, into) if sign > 0 else (into, out)
        constant[i, over] += 1
        linear[i, over] -= 1
        linear[i, one] += 1
        constant[i, other] -= 1
    t = np.exp(2j * np.pi * np.arange(count + 1) / (count + 1))
    values = np.linalg.det(constant[None, 1:, 1:] + t[:, None, None] * linear[None, 1:, 1:])
    coefficients = np.fft.fft(values).real / (count + 1)
    rounded = np.rint(coefficients)
    if np.abs(coefficients - rounded).max() > 1e-2:
        raise ValueError("coefficients of the Alexander polynomial are no integers")
    places = np.flatnonzero(rounded)
    return int(places[-1] - places[0])


def _arcs(code: Code) -> list[int]:
    """Return the arc of each edge; arcs end where the knot passes under another strand."""
    lowest = min(min(crossing) for crossing in code)
    first = list(range(2 * len(code)))

    def found(edge: int) -> int:
        while first[edge] != edge:
            edge = first[edge]
        return edge

    for _, b, _, d in code:
        first[found(b - lowest)] = found(d - lowest)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(found(edge), len(numbers)) for edge in range(len(first))]
