"""Train a KAN in a training loop of your own: a torch module with optimiser, scheduler, minibatches and a finer grid.

Two things are special to KANs: `domain`, the range of the inputs, and `refine`, which returns a new model with more
knots that computes the same function.

    python examples/torch_loop.py
    python examples/torch_loop.py --quick
"""

import argparse

import torch

from edgewise import KAN
from edgewise.train import adapt_domain_, refine


def target(x: torch.Tensor) -> torch.Tensor:
    """Return the function values (b, 1) at points (b, 2)."""
    return torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)


def train(model: KAN, x: torch.Tensor, epochs: int, generator: torch.Generator) -> None:
    """Train with Adam on minibatches."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(256):
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x[rows]), target(x[rows]))
            loss.backward()
            optimiser.step()
        scheduler.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use few epochs")
    epochs = 15 if parser.parse_args().quick else 200

    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(2000, 2, generator=generator) - 1
    fresh = 2 * torch.rand(2000, 2, generator=generator) - 1

    model = KAN([2, 5, 1], grid_size=5, domain=(-1, 1), seed=0)
    adapt_domain_(model, x)  # the grids of hidden layers follow the activations
    for grid_size in (5, 10, 20):
        if grid_size > 5:
            model = refine(model, grid_size)
        train(model, x, epochs, generator)
        with torch.no_grad():
            error = (model(fresh) - target(fresh)).square().mean().sqrt().item()
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f"grid {grid_size:2d}: {count} parameters, root mean square error {error:.2e} on fresh points")


if __name__ == "__main__":
    main()
