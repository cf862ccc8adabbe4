"""Solutions: values, derivatives by name, and errors that equal integrals done by hand."""

import math

import numpy as np
import pytest
import torch
from tests.pde.known import Known
from torch import nn

from edgewise.errors import EdgewiseWarning, InputError, MissingExtraError, SolutionWarning
from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial, Neumann
from edgewise.pde.solver.solution import Solution, Stage
from edgewise.pde.solver.solving import solve

PI = math.pi


def waves(x, y):
    return torch.sin(PI * x) * torch.sin(PI * y)


def exact_plate(x):
    return waves(*x.unbind(1))[:, None]


SHARE = nn.Parameter(torch.tensor(0.01, dtype=torch.float64))


def plate(x):
    """The solution and a hundredth of sin(pi x) sin(2 pi y)."""
    a, b = x.unbind(1)
    return exact_plate(x) + SHARE * (torch.sin(PI * a) * torch.sin(2 * PI * b))[:, None]


def made(problem, network):
    stage = Stage((1,), 1, 10, 0.0, 0.5, math.nan, 0.1)
    return Solution(network, problem, (stage,), {"k": 1.0}, math.nan, StopReason.BUDGET, "The budget is spent.")


PLATE = made(PDE(lambda u: u.xx + u.yy, Box(x=(0, 1), y=(0, 1)), [Dirichlet(waves)], solution=waves), Known(plate))
PLATE.model.share = SHARE


@pytest.mark.slow
@pytest.mark.filterwarnings("always")
def test_what_a_user_must_know_is_a_warning(recwarn):
    solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]))
    assert not recwarn.list
    with pytest.warns(SolutionWarning, match="it ends at t = 1") as caught:
        early = solve(PDE(lambda u: u.t - u**2, Time(0, 2), [Initial(1.0)]))
    assert caught[0].filename == __file__
    with pytest.warns(EdgewiseWarning, match="extrapolated, after the last moment nan"):
        assert np.isnan(early([1.5]))
    with pytest.warns(SolutionWarning, match="The solution is not unique: a constant may be added to it"):
        solve(PDE(lambda u: u.xx, Interval(0, 1), [Neumann(0.0)]))


def test_values_and_derivatives():
    x = torch.rand(9000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(PLATE(x), plate(x))
    assert not PLATE(x).requires_grad
    (u,) = PLATE.fields(x, "x", "xy")
    a, b = x.unbind(1)
    slope = PI * torch.cos(PI * a) * (torch.sin(PI * b) + 0.01 * torch.sin(2 * PI * b))
    assert torch.allclose(u.x, slope)
    assert torch.allclose(u.value, PLATE(x)[:, 0])
    mixed = PI**2 * torch.cos(PI * a) * (torch.cos(PI * b) + 0.02 * torch.cos(2 * PI * b))
    assert torch.allclose(u.xy, mixed)
    assert PLATE.parameters == 2
    assert PLATE.residual == 0.5


def test_errors_equal_integrals_by_hand():
    found = PLATE.errors()
    assert found.l2 == pytest.approx(0.01 / 2)
    assert found.relative_l2 == pytest.approx(0.01)
    assert found.h1 == pytest.approx(math.sqrt((1 + 5 * PI**2) / 4) * 0.01)
    assert found.relative_h1 == pytest.approx(0.01 * math.sqrt((1 + 5 * PI**2) / (1 + 2 * PI**2)))
    assert found.largest == pytest.approx(0.01, rel=1e-2)
    with pytest.raises(InputError, match=r"^fields must be among u, got \['v'\]$"):
        PLATE.errors(["v"])


def test_arrays_lists_and_single_precision_in_and_out():
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = PLATE(x)
    assert np.array_equal(PLATE(x.numpy()), expected.numpy())
    assert np.array_equal(PLATE(x.tolist()), expected.numpy())
    single = PLATE(x.float())
    assert single.dtype == torch.float32 and torch.allclose(single.double(), expected, atol=1e-6)
    assert isinstance(PLATE.derivative(x.numpy(), "x"), np.ndarray)
    with pytest.raises(InputError, match=r"^x must have shape \(b, 2\), got \(3, 1\)$"):
        PLATE(np.zeros((3, 1)))
    with pytest.raises(InputError, match=r"^x must be numbers of shape \(b, 2\), got 'a'$"):
        PLATE("a")
    with pytest.raises(InputError, match=r"^a derivative must be by x, y, as 'xx', got 'xz'$"):
        PLATE.derivative(x, "xz")
    with pytest.raises(InputError, match=r"^a derivative must be by x, y, as 'xx', got 2$"):
        PLATE.fields(x, 2)
    with pytest.warns(UserWarning, match=r"1 of 2 points lie outside the domain, x in \[0, 1\], y in \[0, 1\]: values"):
        PLATE([[0.5, 0.5], [1.5, 0.5]])


def test_quantities_of_a_solution():
    exact = made(PLATE.problem, Known(exact_plate))
    a = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(exact.derivative(a, "xx"), -(PI**2) * waves(*a.unbind(1)))
    assert exact.integral() == pytest.approx(4 / PI**2, rel=1e-12)
    assert exact.integral(lambda u, x: u * x) == pytest.approx(2 / PI**2, rel=1e-12)
    # By the theorem of Gauss the flux is the integral of the Laplacian, -2 pi^2 u.
    assert exact.flux() == pytest.approx(-8, rel=1e-6)
    assert exact.flux("x=1", coefficient=lambda y: 2 + 0 * y) == pytest.approx(-4, rel=1e-6)
    low, high = exact.extremes()
    assert high.value == pytest.approx(1, abs=1e-12)
    assert high.place == {"x": pytest.approx(0.5, abs=1e-5), "y": pytest.approx(0.5, abs=1e-5)}
    assert low.value == pytest.approx(0, abs=1e-12)
    assert PLATE.difference(exact) == pytest.approx(0.01 / math.sqrt(1 + 1e-4), rel=1e-9)
    assert exact.difference(waves) == pytest.approx(0, abs=1e-14)
    quarter = exact.integral(lambda u, x, y: u, over=Box(x=(0, 0.5), y=(0, 0.5)))
    assert quarter == pytest.approx(1 / PI**2, rel=1e-12)
    with pytest.raises(InputError, match=r"^over must be a domain of x, y, got "):
        exact.integral(over=Time(0, 1))
    with pytest.raises(InputError, match=r"^over must lie within the domain of the problem, got 50 % of it outside$"):
        exact.integral(over=Box(x=(0, 2), y=(0, 1)))
    with pytest.raises(InputError, match=r"^field must be one of u, got 'v'$"):
        exact.extremes("v")


def test_roots_of_a_solution():
    wave = made(PDE(lambda u: u.t, Time(0, 10), [Initial(0.0)]), Known(torch.sin))
    assert np.allclose(wave.roots(), PI * np.arange(4), atol=1e-12)
    assert np.allclose(wave.roots(0.5)[:2], [PI / 6, 5 * PI / 6], atol=1e-12)
    assert wave.extremes()[1].place["t"] == pytest.approx(PI / 2, abs=1e-5) or wave.extremes()[1].value > 1 - 1e-12


def read_vtk(path):
    """Coordinates and fields of a file of VTK, read by its own words."""
    data, fields, lines = path.read_bytes(), {}, []
    for letter in (b"X", b"Y", b"Z"):
        head = data.index(letter + b"_COORDINATES ")
        end = data.index(b"\n", head) + 1
        lines.append(np.frombuffer(data, ">f8", int(data[head:end].split()[1]), end))
    place = data.index(b"POINT_DATA")
    count = int(data[place:].split()[1])
    while (place := data.find(b"SCALARS ", place)) >= 0:
        name = data[place:].split()[1].decode()
        place = data.index(b"default\n", place) + 8
        values = np.frombuffer(data, ">f8", count, place).reshape(tuple(map(len, lines)), order="F")
        fields[name] = values
    return lines, fields


def test_values_on_a_grid_and_in_a_file_of_vtk(tmp_path):
    exact = made(PLATE.problem, Known(exact_plate))
    lines, fields = exact.on_grid((5, 3))
    expected = np.sin(PI * lines["x"])[:, None] * np.sin(PI * lines["y"])
    assert list(lines) == ["x", "y"] and fields["u"].shape == (5, 3)
    assert np.allclose(fields["u"], expected, atol=1e-14)
    assert np.allclose(exact.on_grid(5, {"y": 0.5})[1]["u"], np.sin(PI * lines["x"]), atol=1e-14)
    assert exact.on_grid(np.int64(5), {"y": 0.5})[1]["u"].shape == (5,)
    exact.save_vtk(tmp_path / "line.vtk", 5, {"y": 0.5})
    assert b"fields u over x, y = 0.5\n" in (tmp_path / "line.vtk").read_bytes()
    exact.save_vtk(tmp_path / "plate.vtk", (5, 3))
    (x, y, z), values = read_vtk(tmp_path / "plate.vtk")
    assert np.array_equal(x, lines["x"]) and np.array_equal(y, lines["y"]) and z.tolist() == [0]
    assert np.array_equal(values["u"][..., 0], fields["u"])
    for arguments, message in [
        ({"at": {"z": 1.0}}, "^at must name coordinates among x, y, got 'z'$"),
        ({"at": {"x": 1.0, "y": 1.0}}, "^at must leave a coordinate free"),
        ({"counts": (3, 3, 3)}, "^counts must be a number, or one for each of x, y, got 3 of them$"),
        ({"counts": 1}, "^counts must be "),
        ({"counts": 2.5}, "^counts must be an integer of at least 2, got 2.5$"),
        (
            {"counts": 100_000},
            "^counts must make a grid of 100,000,000 values at most, got 10,000,000,000: .*{'y': 0.5}$",
        ),
        ({"at": {"x": 5.0}}, "^at must lie inside the domain, x between 0 and 1, got 5.0$"),
    ]:
        with pytest.raises(InputError, match=message):
            exact.on_grid(**arguments)


def test_a_data_set_of_xarray(monkeypatch):
    exact = made(PLATE.problem, Known(exact_plate))
    with monkeypatch.context() as patch:
        patch.setattr("edgewise.pde.solver.gridded.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"^to_xarray needs xarray, which is not installed: pip install"):
            exact.to_xarray()
    pytest.importorskip("xarray")
    data = exact.to_xarray((4, 3))
    assert data["u"].dims == ("x", "y") and data["u"].shape == (4, 3)
    assert float(data["u"].sel(x=1.0, y=0.5)) == pytest.approx(float(exact([[1.0, 0.5]])[0, 0]))
    assert data.attrs["message"] == exact.message
