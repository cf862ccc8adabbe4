"""Product KANs of pictures: sums of products of functions of x and of y, which are solved for without training."""

from __future__ import annotations

import time

import numpy as np
import torch

from edgewise_experiments.data.images import pixel_centres
from edgewise_experiments.images.gridded import sparse_on_grid
from edgewise_experiments.images.quality import psnr, ssim

PRODUCT_KAN = "product KAN"


def fit_products(clean: np.ndarray, most: int) -> tuple[dict, np.ndarray]:
    """Solve for the product KAN of a picture (side, side) with at most so many numbers."""
    side, x = len(clean), pixel_centres(len(clean))
    line = x[::side, 0]
    start = time.process_time()
    fit = sparse_on_grid([line, line], clean, most)
    spent = round(time.process_time() - start, 3)
    with torch.no_grad():
        picture = fit.layer(torch.from_numpy(x)).numpy().reshape(side, side)
    quality = psnr(picture, clean)
    row = {"psnr": quality, "ssim": ssim(picture, clean), "parameters": fit.numbers, "products": fit.products}
    return {**row, "steps": 1, "trained": spent, "looks": [(spent, round(quality, 3))]}, picture
