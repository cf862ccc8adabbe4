"""Structures that the user names are kept where they hold and rejected where not, at the stated level under noise."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret import structure
from edgewise_experiments.formulas.structure_tests import depends_only_on, is_separable
from edgewise_experiments.formulas.structure_tree import structure_tree

X = 1 + torch.rand(300, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def law(x):
    return x[:, 0] * torch.exp(x[:, 1] / x[:, 2]) + x[:, 3]


@pytest.mark.parametrize(
    ("groups", "kind", "holds"),
    [
        ([[0, 1, 2], [3]], "sum", True),
        ([["x1"], ["x2", "x3"]], "product", False),  # a constant of x4 is in the way
        ([[0], [1, 2, 3]], "sum", False),
        ([[3], [0], [1, 2]], "sum", False),
    ],
)
def test_named_groups(groups, kind, holds):
    test = is_separable(law, X, groups, kind=kind)
    assert test.holds is holds and bool(test) is holds and test.p_value == float(holds)
    assert str(test).startswith("Not rejected" if holds else "Rejected")


def test_a_product_and_a_combination():
    assert is_separable(lambda x: law(x) - x[:, 3], X, [[0], [1, 2]], kind="product")
    assert depends_only_on(law, X, "b/c", names=["a", "b", "c", "d"])
    assert depends_only_on(law, X, "x1*exp(x2/x3)") and not depends_only_on(law, X, "x2 - x3")
    sympy = pytest.importorskip("sympy")
    a, b = sympy.symbols("x2 x3")
    assert depends_only_on(law, X, a / b)


def test_noise_rejects_a_true_statement_seldom_and_a_false_one_still():
    rejected = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)

        def noisy(x, generator=generator):
            return law(x) + 0.05 * torch.randn(len(x), generator=generator, dtype=torch.float64)

        rejected += not is_separable(noisy, X, [[0, 1, 2], [3]], noise=0.05, seed=seed)
        rejected += not depends_only_on(noisy, X, "x2/x3", noise=0.05, seed=seed)
        assert not is_separable(noisy, X, [[0], [1, 2, 3]], noise=0.05, seed=seed)
    assert rejected <= 1  # of 40 at a level of 1 %
    # Where the noise is larger than any interaction nothing is claimed.
    assert len(structure(law, X, noise=2.0).additive) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: is_separable(law, X, [[0, 1], [1]]), "groups must hold different columns"),
        (lambda: is_separable(law, X, [["a"], ["b"]]), "groups must hold inputs by their names"),
        (lambda: is_separable(law, X, [[0]]), "groups must be two lists"),
        (lambda: is_separable(law, X, [[0], [1]], kind="quotient"), "kind must be"),
        (lambda: is_separable(law, X, [[0], [1]], significance=2), "significance must be"),
        (lambda: depends_only_on(law, X, "3"), "expression must hold an input"),
        (lambda: depends_only_on(law, X, "x1", noise=-1), "noise must be"),
        (lambda: depends_only_on(law, X, "x1"), "expression must have equal values at other points"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_tree_of_a_nested_function():
    def nested(x):
        return torch.exp((torch.sin(x[:, 0] ** 2 + x[:, 1] ** 2) + torch.sin(x[:, 2] / x[:, 3])) / 2)

    tree = structure_tree(nested, X, names=list("abcd"))
    assert tree.kind == "product" and tree.leaves == ("a", "b", "c", "d")
    assert [part.parts[0].kind for part in tree.parts] == ["sum", "combination"]
    assert tree.parts[1].parts[0].label == "c / d"
    assert str(structure_tree(lambda x: 0 * x[:, 0] + 3, X)) == "f"
