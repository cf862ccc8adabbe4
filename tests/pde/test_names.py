"""Every public name says what it is, with the shapes of its tensors."""

import inspect

import pytest

from edgewise import pde

NAMED = [name for name in pde.__all__ if callable(getattr(pde, name))]


@pytest.mark.parametrize("name", NAMED)
def test_it_has_a_docstring_of_its_own(name):
    item = getattr(pde, name)
    said = item.__dict__.get("__doc__") if inspect.isclass(item) else item.__doc__
    assert said and said.strip().partition("\n")[0].rstrip().endswith((".", ":", ","))
    assert not said.startswith(f"{name}(")  # what dataclasses write themselves


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
