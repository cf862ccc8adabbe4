"""Formulas of elementary edges as short texts that fit into a network diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgewise.checks import numbered
from edgewise.nn.layers.base import Chain
from edgewise.nn.layers.spline import KANLayer
from edgewise.plot.network.layout import FRAME_SHARE, Edge, Layout
from edgewise.plot.style import SIZES, text_width

if TYPE_CHECKING:
    from edgewise.formulas.expression import Expression


def formula_texts(model: Chain, layout: Layout, names: Sequence[str] | None) -> dict[Edge, tuple[str, float]]:
    """Return the formula of each elementary edge of a layout and the size in points at which that fits, if any does."""
    texts = {}
    for number, i, o in layout.cells:
        layer = model.layers[number]
        if not isinstance(layer, KANLayer):
            continue
        function = layer.function_alone(i, o)
        if function is None:  # a spline, alone or beside a function, is drawn and not written
            continue
        # The room of formulas is loaded for the first function that is written: most networks have splines alone.
        from edgewise.formulas.expression import Variable
        from edgewise.formulas.printing import as_latex
        from edgewise.formulas.rewriting import simplify
        from edgewise.interpret.symbolic.extraction import edge_expression

        # A text may take nearly all of the width between two edges.
        width = layout.cell[number][0] / FRAME_SHARE * 0.97
        # From the most to the least informative: the formula with shorter names and numbers, the name of the function.
        node = _with_closed_forms(simplify(edge_expression(layer, i, o, Variable(0))))
        if number:
            own_name = []
        else:
            own_name = [str(numbered("x", layer.in_features)[i] if names is None else names[i])]
        usable = [name for name in (*own_name, "u") if "$" not in name]
        for text in (
            *(f"${as_latex(node, [name], digits)}$" for name in usable for digits in (3, 2)),
            function.name.replace("$", r"\$"),
        ):
            size = min(SIZES.remark, SIZES.remark * width / max(text_width(text, SIZES.remark), 1e-9))
            # One formula in a frame is read, however small.
            if size >= 5.0:
                texts[number, i, o] = text, size
                break
    return texts


def _with_closed_forms(node: Expression) -> Expression:
    """Replace numbers that equal a closed form to rounding by that form, such as 3.14159... by pi."""
    from edgewise.formulas.constants import closed_forms
    from edgewise.formulas.expression import Number

    rounding = 1e-12  # relative difference up to which a number counts as a closed form such as pi
    if isinstance(node, Number) and node.exact is None:
        if float(f"{node.value:.3g}") == node.value:
            return node
        return Number(node.value, next(closed_forms(node.value, rounding * abs(node.value)), None))
    return node.with_parts([_with_closed_forms(part) for part in node.parts])
