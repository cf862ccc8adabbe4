"""Product KANs of pictures: sums of products of functions of x and of y, which are solved for without training.

A picture that is fitted whole gets as many products as the limit of numbers allows. For super-resolution and denoising
the marginal likelihood of the visible pixels decides how smooth the function is, so that no pixel is held out; errors
on held-out pixels are those of predictions from all other pixels.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from edgewise_experiments.images.gridded import smooth_on_grid, sparse_on_grid
from edgewise_experiments.images.tasks import TASKS, Samples, decibels, psnr, ssim

PRODUCT_KAN = "product KAN"


def fit_products(samples: Samples, task: str, most: int) -> tuple[dict, np.ndarray]:
    """Solve for the product KAN of a task with at most so many numbers."""
    side = len(samples.clean)
    line = samples.x[::side, 0]
    visible = (samples.trained | samples.held_out).reshape(side, side)
    rows, columns = visible.any(1), visible.any(0)
    values = samples.values.reshape(side, side)[np.ix_(rows, columns)]
    axes, held_out = [line[rows], line[columns]], None
    start = time.process_time()
    if task in TASKS:
        fit = smooth_on_grid(axes, values, most=most)
    else:
        fit = sparse_on_grid(axes, values, most)
    spent = round(time.process_time() - start, 3)
    if fit.left_out is not None:
        held = samples.held_out.reshape(side, side)[np.ix_(rows, columns)]
        held_out = decibels(float(np.mean((fit.left_out - values)[held] ** 2)))
    with torch.no_grad():
        picture = fit.layer(torch.from_numpy(samples.x)).numpy().reshape(side, side)
    quality = psnr(picture, samples)
    row = {"psnr": quality, "ssim": ssim(picture, samples), "parameters": fit.numbers, "products": fit.products}
    looks = [(spent, round(quality if held_out is None else held_out, 3))]
    return {**row, "steps": 1, "trained": spent, "looks": looks, "held_out": held_out}, picture
