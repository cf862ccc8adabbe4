"""Use a KAN as the network of DeepXDE, with DeepXDE's geometries, losses and callbacks.

DeepXDE (pip install deepxde, PyTorch backend) computes derivatives by nested automatic differentiation; a KAN has them
up to the degree of its splines. The KAN needs its domain as an argument, because DeepXDE does not pass it on.

    python examples/deepxde_net.py
    python examples/deepxde_net.py --quick
"""

import argparse
import os

os.environ.setdefault("DDE_BACKEND", "pytorch")

import deepxde as dde
import numpy as np
import torch

from edgewise import KAN


def equation(x, u):
    """Return the residual u_xx + u_yy + 2 pi^2 sin(pi x) sin(pi y)."""
    wave = torch.sin(np.pi * x[:, :1]) * torch.sin(np.pi * x[:, 1:])
    return sum(dde.grad.hessian(u, x, i=axis, j=axis) for axis in (0, 1)) + 2 * np.pi**2 * wave


def exact(x):
    """Return the exact solution at points (b, 2)."""
    return np.sin(np.pi * x[:, :1]) * np.sin(np.pi * x[:, 1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use few steps of Adam only")
    quick = parser.parse_args().quick

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(0)
    square = dde.geometry.Rectangle([0, 0], [1, 1])
    edge = dde.icbc.DirichletBC(square, lambda x: 0, lambda x, on_boundary: on_boundary)
    data = dde.data.PDE(square, equation, edge, num_domain=256, num_boundary=64, solution=exact, num_test=400)

    net = KAN([2, 5, 1], grid_size=5, degree=5, base="zero", domain=(0, 1), seed=0, dtype=torch.float64)
    model = dde.Model(data, net)
    settings = {"metrics": ["l2 relative error"], "loss_weights": [1, 100]}
    model.compile("adam", lr=0.02, **settings)
    history, _ = model.train(iterations=100 if quick else 500, display_every=100)
    if not quick:
        dde.optimizers.set_LBFGS_options(maxiter=2000)
        model.compile("L-BFGS", **settings)
        history, _ = model.train(display_every=500)
    print(f"relative L2 error {history.metrics_test[-1][0]:.1e}")


if __name__ == "__main__":
    main()
