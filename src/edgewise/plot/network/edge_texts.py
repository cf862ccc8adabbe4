"""The formulas of elementary edges as short texts that fit a diagram."""

from collections.abc import Iterator, Sequence

from torch import nn

from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import closed_forms
from edgewise.formulas.expression import Expression, Number, children, rebuilt
from edgewise.formulas.printing import as_latex
from edgewise.interpret.symbolic.extraction import edge_expression
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.plot.network.layout import Layout
from edgewise.plot.style import text_width

LARGEST, SMALLEST = 8.0, 5.0  # points
ROUNDING = 1e-12  # relative
_SLOT = 1 / 0.86  # from the width of a frame to the room it has


def written_edges(
    model: nn.Module, layout: Layout, names: Sequence[str] | None
) -> dict[tuple[int, int, int], tuple[str, float]]:
    """For each elementary edge in a layout its formula and the size at which that fits, if any does."""
    found = {}
    for number, i, o in layout.cells:
        layer = model.layers[number]
        layer = layer.symbolic if isinstance(layer, MixedLayer) else layer
        if not isinstance(layer, SymbolicLayer) or layer.elementary(i, o) is None:
            continue
        room = layout.cell[number][0] * _SLOT * 0.97
        for text in _candidates(layer, number, i, o, names):
            size = min(LARGEST, LARGEST * room / max(text_width(text, LARGEST), 1e-9))
            if size >= SMALLEST:
                found[number, i, o] = text, size
                break
    return found


def _candidates(layer: SymbolicLayer, number: int, i: int, o: int, names: Sequence[str] | None) -> Iterator[str]:
    """From the most to the least telling."""
    node = _with_known_numbers(simplify(edge_expression(layer, i, o)))
    inputs = [f"x_{i + 1}" if names is None else str(names[i])] if number == 0 else []
    for name in (*inputs, "u"):
        if "$" not in name:
            for digits in (3, 2):
                yield f"${as_latex(node, [name], digits)}$"
    yield layer.functions[i][o].replace("$", r"\$")


def _with_known_numbers(node: Expression) -> Expression:
    """The same with numbers that are, to rounding, such as people write: pi for 3.14159..."""
    if isinstance(node, Number) and node.exact is None:
        if float(f"{node.value:.3g}") == node.value:
            return node
        return Number(node.value, next(closed_forms(node.value, ROUNDING * abs(node.value)), None))
    return rebuilt(node, [_with_known_numbers(part) for part in children(node)])
