"""Every public name has a docstring with an example, and with the shapes of its tensors."""

import inspect

import pytest

from edgewise import pde

NAMED = [name for name in pde.__all__ if callable(getattr(pde, name))]


@pytest.mark.parametrize("name", NAMED)
def test_it_has_a_docstring_of_its_own(name):
    item = getattr(pde, name)
    doc = item.__dict__.get("__doc__") if inspect.isclass(item) else item.__doc__
    assert doc and doc.strip().partition("\n")[0].rstrip().endswith(".")
    assert not doc.startswith(f"{name}(")  # the signature that a dataclass writes itself


@pytest.mark.parametrize("name", [name for name in NAMED if not name.endswith("Options")])
def test_it_has_an_example_that_runs_as_a_doctest(name):
    assert ">>>" in getattr(pde, name).__doc__


@pytest.mark.parametrize("name", [name for name in NAMED if inspect.isclass(getattr(pde, name))])
def test_its_methods_do_too(name):
    """Conditions have two methods in common, which `Condition` explains; the rest explain themselves."""
    for part, value in vars(getattr(pde, name)).items():
        if part.startswith("_") or not isinstance(value, property | classmethod | type(inspect.getdoc)):
            continue
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        bases = [*inspect.getmro(getattr(pde, name))[1:], pde.Condition]
        assert function.__doc__ or any(getattr(getattr(base, part, None), "__doc__", None) for base in bases), part


@pytest.mark.parametrize("name", ["curl", "divergence", "gradient", "hessian", "laplacian", "Observations", "Polygon"])
def test_tensors_have_shapes(name):
    assert any(shape in getattr(pde, name).__doc__ for shape in ("(b,", "(N,", "(m,"))
