"""Digits of 8 x 8 pixels by convolutions of functions (`KANConv2d`), beside torch's `Conv2d` of as many parameters.

    python examples/convolution.py --quick

Both networks have two convolutions with batch normalisation and one linear layer, and are trained by Adam with the same
steps; without --quick for five seeds and twelve epochs, in half a minute. The table gives the number of parameters, the
mean accuracy on held-out images with its standard error over the seeds, and CPU seconds.
"""

import argparse
import time

import torch
from sklearn.datasets import load_digits
from torch import nn

from edgewise import KANLayer


class KANConv2d(nn.Module):
    """Convolution of square kernels in which a spline of the pixel takes the place of a weight times the pixel."""

    def __init__(self, in_channels: int, out_channels: int, size: int, *, stride: int, padding: int, **splines) -> None:
        super().__init__()
        self.patches = nn.Unfold(size, padding=padding, stride=stride)
        self.layer = KANLayer(in_channels * size**2, out_channels, **splines)
        self.size, self.stride, self.padding = size, stride, padding

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (batch, in_channels, height, width) to (batch, out_channels, new height, new width)."""
        height, width = ((n + 2 * self.padding - self.size) // self.stride + 1 for n in images.shape[2:])
        patches = self.patches(images)  # (batch, in_channels * size * size, places)
        values = self.layer(patches.transpose(1, 2))
        return values.transpose(1, 2).unflatten(2, (height, width))


def network(kind: str, channels: int) -> nn.Sequential:
    """Two convolutions of 3 x 3, the second with stride 2, and a linear layer for the ten classes."""
    if kind == "KANConv2d":
        first, second = (
            KANConv2d(inputs, channels, 3, stride=stride, padding=1, grid_size=3, domain=ends)
            for inputs, stride, ends in ((1, 1, (0.0, 1.0)), (channels, 2, (-2.0, 2.0)))
        )
        parts = [first, nn.BatchNorm2d(channels), second, nn.BatchNorm2d(channels)]
    else:
        first, second = nn.Conv2d(1, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        parts = [first, nn.BatchNorm2d(channels), nn.ReLU(), second, nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(channels * 16, 10))


def accuracy(kind: str, channels: int, seed: int, epochs: int) -> float:
    """Train on 1,200 images and return the accuracy on the other 597."""
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    classes = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, test = order[:1200], order[1200:]
    model = network(kind, channels)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in train[torch.randperm(len(train))].split(60):
            loss = nn.functional.cross_entropy(model(images[rows]), classes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return float((model(images[test]).argmax(1) == classes[test]).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one seed and four epochs")
    epochs, seeds = (4, 1) if parser.parse_args().quick else (12, 5)
    print(f"{'layer':<12}{'channels':>9}{'parameters':>12}{'accuracy':>10}{'error':>8}{'CPU s':>8}")
    for kind, channels in (("Conv2d", 8), ("Conv2d", 20), ("KANConv2d", 8)):
        began = time.process_time()
        values = torch.tensor([accuracy(kind, channels, seed, epochs) for seed in range(seeds)])
        seconds = (time.process_time() - began) / seeds
        count = sum(parameter.numel() for parameter in network(kind, channels).parameters())
        spread = float(values.std()) / seeds**0.5 if seeds > 1 else 0.0
        print(f"{kind:<12}{channels:>9}{count:>12,}{float(values.mean()):>10.4f}{spread:>8.4f}{seconds:>8.1f}")


if __name__ == "__main__":
    main()
