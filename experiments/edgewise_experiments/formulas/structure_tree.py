"""The structure of a function as a tree (`structure_tree`): its parts, and the parts of those, down to the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from edgewise.checks import check_names
from edgewise.interpret import Structure, Symmetry, structure
from edgewise.interpret.black_box import BlackBox, TensorFunction, check_points, tensor_function


@dataclass(frozen=True)
class StructureTree:
    """A function as a tree of its parts."""

    kind: str
    label: str
    parts: tuple[StructureTree, ...] = ()

    def __str__(self) -> str:
        lines = [self.label]
        for part in self.parts:
            lines += ["  " + line for line in str(part).splitlines()]
        return "\n".join(lines)

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the inputs, from left to right; an input that two parts use is there twice."""
        if not self.parts:
            return (self.label,)
        return tuple(name for part in self.parts for name in part.leaves)


def structure_tree(
    model: BlackBox,
    x: ArrayLike | Tensor,
    *,
    noise: float = 0.0,
    names: Sequence[str] | None = None,
    rows: int = 256,
    seed: int = 0,
) -> StructureTree:
    """Take a function apart: what `structure` finds about it, then about each of its parts, down to single inputs.

    A part of a sum or product is the function itself with the other inputs held at one row in the middle of the data,
    so its structure is tested on the same rows. Inputs without effect are left out. `structure_figure` in
    `edgewise_experiments.plots.structures` draws the tree.

    References
    ----------
    KAN 2.0 (Z. Liu et al., arXiv 2408.10205, section 4.3), the "tree converter".
    """
    points = check_points(x)
    names = check_names(names, points.shape[1])
    scale = points.std(0, correction=0)
    distance = ((points - points.median(0).values) / torch.where(scale > 0, scale, 1.0)).square().sum(1)
    grower = _Grower(tensor_function(model), points, points[distance.argmin()], noise, names, rows, seed)
    return grower.tree(tuple(range(points.shape[1])))


@dataclass(frozen=True)
class _Grower:
    """Builds the trees of parts: of the function with all inputs but some held at the row `middle`."""

    function: TensorFunction
    points: Tensor
    middle: Tensor
    noise: float
    names: Sequence[str]
    rows: int
    seed: int

    def tree(self, inputs: tuple[int, ...], offset: float = 0.0, *, is_term: bool = False) -> StructureTree:
        """Return the tree of the function of these inputs, minus a constant; that of a term of a sum is arbitrary."""

        def part(z: Tensor) -> Tensor:
            whole = self.middle.expand(len(z), -1).clone()
            whole[:, list(inputs)] = z
            return self.function(whole)[:, :1] - offset

        found = structure(part, self.points[:, list(inputs)], noise=self.noise, rows=self.rows, seed=self.seed)
        used = {i for group in found.general for i in group}
        if len(used) <= 1:
            leaves = [self._leaf(inputs[i]) for i in used]
            return StructureTree("function", "f", tuple(leaves))

        def groups_of(groups: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
            kept = [tuple(inputs[i] for i in group if i in used) for group in groups]
            return [group for group in kept if group]

        added, multiplied, general = map(groups_of, (found.additive, found.multiplicative, found.general))
        if len(added) > 1:
            return StructureTree("sum", "+", tuple(self.tree(group, is_term=True) for group in added))
        if len(multiplied) > 1:
            shift = offset + found.offset
            product = StructureTree("product", "*", tuple(self.tree(group, shift) for group in multiplied))
            if is_term or abs(found.offset) < 1e-12:
                return product
            return StructureTree("function", "f", (product,))
        named = [one for one in found.symmetries if one.kind != "general" and set(one.inputs) == used]
        if named:  # more exact than a sum of unknown functions
            return StructureTree("function", "f", (self._combination(named[0], inputs),))
        if len(general) > 1:
            inner = StructureTree("sum", "+", tuple(self._of_group(group) for group in general))
            return StructureTree("function", "f", (inner,))
        return self._with_combinations(found, inputs, sorted(used))

    def _of_group(self, group: tuple[int, ...]) -> StructureTree:
        """Return a part of which only some monotonic function is known: its inputs, and how they are combined."""
        if len(group) == 1:
            return StructureTree("function", "f", (self._leaf(group[0]),))
        tree = self.tree(group)
        # The function itself, as a function of the group, is some function of the part: its outermost one is unknown.
        if tree.kind == "function":
            return tree
        return StructureTree("function", "f", (tree,))

    def _with_combinations(self, found: Structure, inputs: tuple[int, ...], used: list[int]) -> StructureTree:
        """Return the function of the inputs, and of disjoint combinations through which several of them act."""
        parts: list[StructureTree] = []
        free = set(used)
        for symmetry in found.symmetries:
            if not set(symmetry.inputs) <= free:
                continue
            free -= set(symmetry.inputs)
            parts.append(self._combination(symmetry, inputs))
        return StructureTree("function", "f", (*parts, *(self._leaf(inputs[i]) for i in sorted(free))))

    def _combination(self, symmetry: Symmetry, inputs: tuple[int, ...]) -> StructureTree:
        leaves = tuple(self._leaf(inputs[i]) for i in symmetry.inputs)
        if symmetry.kind == "general":
            return StructureTree("function", "f", leaves)
        first = leaves[0].label
        last = leaves[-1].label
        c = f"{symmetry.coefficient:.3g}"
        if symmetry.kind == "sum":
            label = {"1": f"{first} + {last}", "-1": f"{last} - {first}"}.get(c, f"{c} {first} + {last}")
        else:
            label = {"1": f"{first} {last}", "-1": f"{first} / {last}"}.get(c, f"{first}^{c} {last}")
        return StructureTree("combination", label, leaves)

    def _leaf(self, i: int) -> StructureTree:
        return StructureTree("input", self.names[i])
