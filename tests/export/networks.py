"""Networks of every kind, and points where splines change: shared by the tests of the exporters."""

import torch

from edgewise.export.steps import Units
from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN


def masked() -> KAN:
    model = KAN([2, 3, 1], 5, 3, seed=1, dtype=torch.float64)
    model.layers[0].mask[1, 2] = 0
    return model


def uneven() -> KAN:
    model = KAN([1, 2], 4, 3, dtype=torch.float64)
    knots = [[-2, -1.7, -1.2, -1, -0.9, 0.3, 0.5, 1, 1.5, 1.6, 3]]
    model.layers[0].knots.copy_(torch.tensor(knots, dtype=torch.float64))
    return model


def mixed() -> KAN:
    names = [["x", "x^2", "", "exp", "", "sin", "tanh", "gaussian"], ["J0", "0", "abs", "cos"] + [""] * 4]
    return KAN([2, 6, 1], products=[(2, 2), ()], functions=[names, None], seed=1, dtype=torch.float64)


NETWORKS = {
    "degree 0": lambda: KAN([2, 3], 5, 0, seed=0, dtype=torch.float64),
    "degree 1": lambda: KAN([2, 3], 5, 1, base="zero", seed=1, dtype=torch.float32),
    "degree 2": lambda: KAN([2, 3], 1, 2, base="identity", seed=2, dtype=torch.float64),
    "degree 5": lambda: KAN([2, 3, 2], 5, 5, seed=5, dtype=torch.float64),
    "float32": lambda: KAN([2, 3, 1], 5, 3, seed=3),
    "masked": masked,
    "uneven": uneven,
    "mixed": mixed,
    "formula": lambda: from_formula(["x*y - exp(sin(pi*x) + y**2)/7", "besselj0(20*x)"], ["x", "y"]),
    "tanh": lambda: MLP([3, 5, 2], activation="tanh", dtype=torch.float64),
    "silu": lambda: MLP([3, 5, 2], activation="silu", dtype=torch.float64),
    "relu": lambda: MLP([3, 5, 2], activation="relu", dtype=torch.float64),
}


def every_function() -> KAN:
    """All elementary functions, to be called with x in (0, 1)."""
    return KAN([1, len(ELEMENTARY)], functions=[[list(ELEMENTARY)]], dtype=torch.float64)


def points(inputs: int, *, far: bool = True) -> torch.Tensor:
    """Inside, on the ends and on inner knots, next to them, outside and far outside; (rows, inputs) float64."""
    special = [-1.0, 1.0, -0.2, 0.2, 0.6, 0.0, -0.0, 1.5, -3.0] + ([1e3, -1e6] if far else [])
    x = torch.tensor(special, dtype=torch.float64)
    x = torch.cat([x, x.nextafter(torch.full_like(x, torch.inf)), x.nextafter(torch.full_like(x, -torch.inf))])
    generator = torch.Generator().manual_seed(0)
    inside = 2 * torch.rand(100, inputs, dtype=torch.float64, generator=generator) - 1
    mixed = x[torch.randint(len(x), (100, inputs), generator=generator)]
    return torch.cat([x[:, None].expand(-1, inputs), inside, mixed])


def case(name: str):
    """A network in float64, points for it, and its values there."""
    model = NETWORKS[name]().double()
    x = points(model.config.width[0], far=name not in ("mixed", "formula"))
    with torch.no_grad():
        return model, x, model(x).numpy()


def units(
    inputs: int, outputs: int, *, probabilities: bool = False, exponent: tuple[float, float] | None = None
) -> Units:
    """Units that move, stretch and cut off; an exponent, as of a model of counts, is clipped."""
    shift = torch.linspace(-0.5, 0.7, inputs).double().numpy()
    scale = torch.linspace(0.3, 2.0, inputs).double().numpy()
    if probabilities:
        return Units(shift, scale, 8.0, probabilities=True)
    middle = 3.0 + torch.arange(outputs).double().numpy()
    return Units(shift, scale, 8.0, middle, shift[:outputs] * 0 + 2.5, exponent=exponent)
