"""Draws the pictures of README.md, of a small KAN, a table and a motion: python tools/readme_picture.py [name ...]"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch
from scipy.integrate import solve_ivp
from sklearn.datasets import load_diabetes

from edgewise import KAN, KANRegressor, Regression, find_dynamics, fit, symbolify
from edgewise.plot import effect_curves, save
from edgewise.plot.style import BLUE, GREY, INK, SIZES, Figure, styled
from edgewise.train import LevenbergMarquardt

DOCS = Path(__file__).resolve().parents[1] / "docs"
LABELS = {
    "bmi": "body mass index",
    "bp": "blood pressure",
    "s1": "cholesterol",
    "s2": "LDL",
    "s3": "HDL",
    "s5": "log triglycerides",
    "s6": "glucose",
}


def small_network() -> tuple[KAN, torch.Tensor, torch.Tensor, str]:
    """Fit a KAN of shape [2, 1, 1] to 400 noisy values of exp(sin(pi x) + y^2); return it, the data and its formula."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(400, 2, generator=generator, dtype=torch.float64) - 1
    exact = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    noise = torch.randn(400, 1, generator=generator, dtype=torch.float64)
    y = exact + 0.1 * noise
    problem = Regression(x, y)
    starts = [KAN([2, 1, 1], grid_size=6, seed=seed, dtype=torch.float64) for seed in range(4)]
    losses = [fit(start, problem, LevenbergMarquardt(), steps=60).loss for start in starts]
    model = starts[int(np.argmin(losses))]
    return model, x, y, str(symbolify(model, problem, names=["x", "y"]).best.formula)


def network_picture() -> Figure:
    """Draw each curve of the small network with its data, from the inputs at the left to the formula at the right."""
    model, rows, targets, formula = small_network()
    print(formula)
    x = rows.numpy()
    y = targets[:, 0].numpy()
    inner, outer = model.layers
    points = np.linspace(-1, 1, 201)
    with torch.no_grad():
        node = inner(rows)[:, 0].numpy()
        line = np.linspace(node.min(), node.max(), 401)
        response = outer(torch.from_numpy(line)[:, None])[:, 0].numpy()
        others = torch.zeros(201, 2, dtype=torch.float64)
        curves = []
        for number in range(2):
            inputs = others.clone()
            inputs[:, number] = torch.from_numpy(points)
            curves.append(inner(inputs)[:, 0].numpy())
    # Partial residuals: where the outer curve would give the datum, less the sum of the two inner curves.
    residual = line[np.argmin(np.abs(response - y[:, None]), axis=1)] - node
    with styled():
        figure = Figure(figsize=(7.0, 2.6))
        upper = figure.add_axes((0.04, 0.62, 0.20, 0.34))
        lower = figure.add_axes((0.04, 0.13, 0.20, 0.34))
        right = figure.add_axes((0.40, 0.28, 0.22, 0.54))
        for number, panel in enumerate((upper, lower)):
            values = np.interp(x[:, number], points, curves[number])
            panel.plot(x[:, number], values + residual, ".", color=GREY, markersize=2.5, alpha=0.5)
            panel.plot(points, curves[number], color=BLUE, linewidth=1.8)
            panel.set_ylim(curves[number].min() - 0.3, curves[number].max() + 0.3)
            panel.set_xlabel("xy"[number], labelpad=2, fontsize=SIZES.text)
        right.plot(node, y, ".", color=GREY, markersize=2.5, alpha=0.5)
        right.plot(line, response, color=BLUE, linewidth=1.8)
        right.set_xlabel("sum of both", labelpad=2, fontsize=SIZES.text)
        for panel in (upper, lower, right):
            panel.set_xticks([])
            panel.set_yticks([])
        figure.text(0.32, 0.55, "+", ha="center", va="center", fontsize=15, color=INK)
        arrows = (((0.25, 0.79), (0.31, 0.60)), ((0.25, 0.30), (0.31, 0.50)), ((0.335, 0.55), (0.392, 0.55)))
        for begin, end in (*arrows, ((0.63, 0.55), (0.675, 0.55))):
            arrow = FancyArrowPatch(
                begin, end, transform=figure.transFigure, arrowstyle="->", mutation_scale=9, color=GREY
            )
            figure.add_artist(arrow)
        figure.text(0.685, 0.55, formula, ha="left", va="center", fontsize=SIZES.text + 1, color=INK)
    return figure


def table_picture() -> Figure:
    """Draw the strongest curves of a KAN with its defaults, fitted to the table of the first example."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X = X.rename(columns=LABELS)
    model = KANRegressor().fit(X, y.rename("progression"))
    print(model.search_.sentences[-1])
    return effect_curves(model, X, max_inputs=6)


def motion_picture() -> Figure:
    """Draw the motion of the tutorial: two runs of hares and lynxes, each number with an error of five percent."""
    random = np.random.default_rng(0)
    t = np.linspace(0, 10, 100)

    def model(_: float, x: np.ndarray) -> list[float]:
        return [1.1 * x[0] - 0.4 * x[0] * x[1], -0.4 * x[1] + 0.1 * x[0] * x[1]]

    runs = [solve_ivp(model, (0, 10), start, t_eval=t, rtol=1e-9).y.T for start in ([10, 5], [3, 1])]
    measured = [run * (1 + 0.05 * random.normal(size=run.shape)) for run in runs]
    motion = find_dynamics([t, t], measured, names=["hares", "lynxes"])
    print(motion.says)
    return motion.figure()


PICTURES = {"kan": network_picture, "diabetes": table_picture, "motion": motion_picture}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        save(PICTURES[name](), DOCS / f"{name}.svg", theme="auto")
