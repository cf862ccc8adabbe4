"""pykan's tutorials "Physics" and "Community", each as a function that returns what the table shows."""

import torch
from torch import Tensor

from edgewise import KAN, KANClassifier, Regression, find_formula, fit
from edgewise.interpret import deepen, edit, from_formula
from edgewise.train import LBFGS, BlockProblem, Data, ResidualBlock

from .common import Tutorial, uniform

NAMES = [f"F{i}{k}" for i in (1, 2, 3) for k in (1, 2, 3)]
SHEAR, LAME = 1 / 2.4, 0.2 / (1.2 * 0.6)  # of Young's modulus 1 and Poisson's ratio 0.2


def lagrangian() -> str:
    """L(q, v) of a relativistic mass under a constant force: the equation of Euler and Lagrange gives a."""
    generator = torch.Generator().manual_seed(0)
    q = 4 * torch.rand(1000, generator=generator, dtype=torch.float64) - 2
    v = 2 * torch.rand(1000, generator=generator, dtype=torch.float64) - 1
    x, a = torch.stack([q, v], 1), ((1 - v**2) ** 1.5)[:, None]
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)

    def residual(jet: Tensor, part: Data) -> Tensor:
        L_q, L_qq, L_vv, L_both = jet[1], jet[2], jet[4], jet[6]
        L_qv = (L_both - L_qq - L_vv) / 2
        return (L_q - L_qv * part.x[:, 1:]) / L_vv - part.y

    model = KAN([2, 1], 20, 5, seed=0, dtype=torch.float64)
    start = Regression(x, x[:, 0] + x[:, 1] ** 2)
    fit(model, start, steps=20)
    loss = fit(model, BlockProblem([ResidualBlock("force", Data(x, a), residual, 1.0, directions, 2)]), steps=60).loss
    return f"{loss:.0e}"


def conserved(width: list, flow: Tensor, x: Tensor, seed: int) -> tuple[KAN, float]:
    """Train H whose gradient, of length 1, is orthogonal to the flow."""
    directions = torch.eye(x.shape[1], dtype=torch.float64)

    def residual(jet: Tensor, part: Data) -> Tensor:
        gradient = jet[1:, :, 0].T
        return (gradient * part.y).sum(1, keepdim=True) / gradient.norm(dim=1, keepdim=True)

    model = KAN(width, seed=seed, dtype=torch.float64)
    block = ResidualBlock("flow", Data(x, flow), residual, 1.0, directions, 1)
    return model, fit(model, BlockProblem([block]), LBFGS(), steps=400).loss


def energy() -> str:
    x = uniform(2)
    flow = torch.stack([x[:, 1], -x[:, 0]], 1)
    loss, _, model = min((loss, seed, model) for seed in range(3) for model, loss in [conserved([2, 1], flow, x, seed)])
    with torch.no_grad():
        best = find_formula(x, model(x)[:, 0], time_limit=20).best
    return f"{loss:.0e}, best of 3 seeds; `{best.formula}`"


def energies() -> str:
    x = uniform(4)
    flow = torch.stack([x[:, 1], -x[:, 0], x[:, 3], -x[:, 2]], 1)
    flow = flow / flow.norm(dim=1, keepdim=True)
    loss, _, model = min(
        (loss, seed, model) for seed in range(3) for model, loss in [conserved([4, (0, 2), 1], flow, x, seed)]
    )
    with torch.no_grad():
        best = find_formula(x, model(x)[:, 0], time_limit=20).best
    return f"{loss:.0e}, best of 3 seeds; `{best.formula}`"


def black_hole() -> str:
    """A new time t + h(r) that makes space flat: by symmetry only the metric along r changes."""
    r = torch.linspace(1.2, 3, 1000, dtype=torch.float64)[:, None]

    def residual(jet: Tensor, part: Data) -> Tensor:
        return (jet[1] ** 2 * (1 - 1 / part.x) - 1 / (part.x - 1)) / 3

    model = KAN([1, 1], 20, seed=0, dtype=torch.float64)
    fit(model, Regression(r, -r), steps=10)  # else the sign of h' may change within the range
    block = ResidualBlock("flat", Data(r, r), residual, 1.0, torch.ones(1, 1, dtype=torch.float64), 1)
    loss = fit(model, BlockProblem([block]), steps=60).loss
    root = r.sqrt()
    exact = -(2 * root + ((root - 1) / (root + 1)).log())
    with torch.no_grad():
        gap = model(r) - exact
    return f"{loss:.0e}, h to {float((gap - gap.mean()).abs().max()):.0e}"


def deformations(sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    random = 2 * torch.rand(1000, 3, 3, generator=generator, dtype=torch.float64) - 1
    return torch.eye(3, dtype=torch.float64) + sigma * random


def normal_stress() -> str:
    F = deformations(0.2)
    volume = torch.linalg.det(F)
    y = SHEAR * (F[:, 0].square().sum(1) - 1) + LAME * volume.log()
    linear = from_formula(f"{2 * SHEAR}*(F11 - 1) + {LAME}*(F11 + F22 + F33 - 3)", names=NAMES)
    problem = Regression(F.flatten(1), y, validation=0.2)
    corrected = edit(linear, problem, "add_splines", where=[(0, i, 0) for i in range(9)], refit=60).loss ** 0.5
    best = find_formula(torch.cat([F.flatten(1), volume[:, None]], 1), y, names=[*NAMES, "J"], time_limit=60).best
    given = f"`{best.formula}`, {best.loss**0.5:.0e}"
    return f"splines beside the linear law {corrected:.1e}; given the determinant J: {given}"


def shear_stress_with_prior() -> str:
    F = deformations(0.2)
    y = SHEAR * (F[:, 0] * F[:, 1]).sum(1)
    x, problem = F.flatten(1), Regression(F.flatten(1), y, validation=0.2)
    linear = from_formula(f"{SHEAR}*(F12 + F21)", names=NAMES)
    grown = edit(deepen(linear, x=x), problem, "add_products", arities=[2, 2, 2], refit=0).model
    return f"{edit(grown, problem, 'add_splines', refit=60).loss ** 0.5:.1e}"


def shear_stress() -> str:
    F = deformations(0.5)
    y = SHEAR * (F[:, 0] * F[:, 1]).sum(1)
    best = find_formula(F.flatten(1), y, names=NAMES, time_limit=60).best
    return f"`{best.formula}`, {best.loss**0.5:.0e}"


def proteins() -> str:
    """Windows of 5 amino acids, one-hot: the class is that of the middle one, K or S."""
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(0, 20, (40, 5), generator=generator)
    letters[:, 2] = torch.arange(40) % 2
    X = torch.nn.functional.one_hot(letters, 21).flatten(1).double()
    model = KANClassifier(random_state=0).fit(X[:20].numpy(), letters[:20, 2].numpy())
    return f"{float((model.predict(X[20:].numpy()) == letters[20:, 2].numpy()).mean()):.0%} of 20 fresh windows"


def channel() -> str:
    """Navier-Stokes equations of a flow between two walls: velocity (u, v) and pressure p at 100 x 20 points."""
    axes = torch.linspace(0, 10, 100, dtype=torch.float64), torch.linspace(0, 2, 20, dtype=torch.float64)
    x = torch.cartesian_prod(*axes)
    directions = torch.eye(2, dtype=torch.float64)

    def flow(jet: Tensor, part: Data) -> Tensor:
        (u, v, _), along_x, twice_x, along_y, twice_y = (one.T for one in jet)
        convection = u * along_x + v * along_y - 0.01 * (twice_x + twice_y)
        return torch.stack([along_x[0] + along_y[1], convection[0] + along_x[2], convection[1] + along_y[2]], 1)

    ends = {
        "walls": (x[(x[:, 1] == 0) | (x[:, 1] == 2)], lambda jet, part: jet[0, :, :2]),
        "inlet": (x[x[:, 0] == 0], lambda jet, part: jet[0, :, :1] - 1),
        "outlet": (x[x[:, 0] == 10], lambda jet, part: jet[0, :, 2:]),
    }
    blocks = [ResidualBlock(name, Data(points, points), residual) for name, (points, residual) in ends.items()]
    blocks.append(ResidualBlock("flow", Data(x, x), flow, 1.0, directions, 2))
    model = KAN([2, 5, 5, 3], 10, 5, seed=0, dtype=torch.float64)
    return f"{fit(model, BlockProblem(blocks), steps=200).loss:.1e}; the corners alone cost 9.1e-3"


TUTORIALS = (
    Tutorial("Physics 1", "a Lagrangian from accelerations", "5.0e-5 in 180 s", "`ResidualBlock`", lagrangian),
    Tutorial("Physics 2A", "a conserved quantity", "1.1e-4, x^2 + p^2", "`ResidualBlock`, `find_formula`", energy),
    Tutorial(
        "Physics 2B", "a conserved quantity in two dimensions", "1.6e-3, three by seed", "`ResidualBlock`", energies
    ),
    Tutorial("Physics 3", "flat space around a black hole", "1.0e-4, by an MLP", "`ResidualBlock`", black_hole),
    Tutorial(
        "Physics 4A",
        "a law of elasticity, from the linear one",
        "7.0e-3; given J 2.9e-11",
        "`from_formula`, `edit`, `find_formula`",
        normal_stress,
    ),
    Tutorial(
        "Physics 4B",
        "shear stress, from the linear law",
        "2.9e-4",
        "`from_formula`, `deepen`, `edit`",
        shear_stress_with_prior,
    ),
    Tutorial(
        "Physics 4C", "shear stress, from nothing", "6.5e-9, two edges fixed by hand", "`find_formula`", shear_stress
    ),
    Tutorial("Community 1", "a flow between walls: loss", "1.1e-2 in 2.9 h", "`ResidualBlock`", channel),
    Tutorial("Community 2", "windows of proteins", "95 %", "`KANClassifier`", proteins),
)
