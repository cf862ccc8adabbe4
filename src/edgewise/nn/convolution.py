"""Convolutions whose kernels are learnable functions: `KANConv1d` and `KANConv2d`, a `KANLayer` on every patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor, nn
from torch.nn.functional import unfold

from edgewise.checks import check_options, is_integer
from edgewise.errors import InputError
from edgewise.nn.layers.spline import KANLayer, LayerOptions

Size = int | Sequence[int]


class ConvOptions(LayerOptions, total=False):
    """Further keyword arguments of `KANConv1d` and `KANConv2d`: those of the splines."""

    grid_size: int
    degree: int
    domain: Sequence[float] | Tensor | None
    base: str


class _KANConv(nn.Module):
    """Common base of both convolutions; `dimensions` is the number of axes that a patch has."""

    dimensions: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        **options: Unpack[ConvOptions],
    ) -> None:
        super().__init__()
        check_options(type(self), options, ConvOptions)
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if not is_integer(count) or count < 1:
                raise InputError(f"{name} must be a positive integer, got {count!r}")
        self.in_channels, self.out_channels = int(in_channels), int(out_channels)
        self.kernel_size = self._sizes(kernel_size, "kernel_size", 1)
        self.stride, self.dilation = self._sizes(stride, "stride", 1), self._sizes(dilation, "dilation", 1)
        self.padding = self._sizes(padding, "padding", 0)
        inputs = self.in_channels
        for size in self.kernel_size:
            inputs *= size
        complete: ConvOptions = {"domain": (-1.0, 1.0), **options}
        self.layer = KANLayer(inputs, self.out_channels, **complete)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs from images or signals (batch, in_channels, ...)."""
        axes = self.dimensions
        if not isinstance(x, Tensor) or x.ndim != axes + 2 or x.shape[1] != self.in_channels:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            form = "height, width" if axes == 2 else "length"
            raise InputError(f"x must have shape (batch, {self.in_channels}, {form}), got {came}")
        image = x if axes == 2 else x[:, :, None]
        before = (0,) * (2 - axes)
        kernel, dilation = (1,) * (2 - axes) + self.kernel_size, (1,) * (2 - axes) + self.dilation
        padding, stride = before + self.padding, (1,) * (2 - axes) + self.stride
        sizes = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(image.shape[2:], padding, dilation, kernel, stride, strict=True)
        ]
        if min(sizes) < 1:
            raise InputError(f"x must be at least as large as the kernel {self.kernel_size}, got {tuple(x.shape)}")
        patches = unfold(image, kernel, dilation, padding, stride)  # (batch, in, places)
        y = self.layer(patches.transpose(1, 2)).transpose(1, 2)
        return y.reshape(len(x), self.out_channels, *sizes[2 - axes :])

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}"
        )

    def _sizes(self, value: Size, name: str, least: int) -> tuple[int, ...]:
        sizes = tuple(value) if isinstance(value, Sequence) else (value,) * self.dimensions
        if len(sizes) != self.dimensions or not all(is_integer(n) and n >= least for n in sizes):
            wanted = "an integer" if self.dimensions == 1 else "an integer or two"
            raise InputError(f"{name} must be {wanted} of at least {least}, got {value!r}")
        return tuple(int(n) for n in sizes)


class KANConv2d(_KANConv):
    """Convolution of images in which every weight of the kernel is a learnable function of the pixel under it.

    y[b,o,p] = sum over channels c and places k of the kernel of phi_cko(x[b,c,p+k]), where phi is a spline with a base
    function as in `KANLayer`. `torch.nn.Conv2d` has w_cko x in its place; splines take grid_size + degree + 1 numbers
    where it has one.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels of the images and of the result.
    kernel_size : int or (int, int)
        Height and width of the kernel.
    stride, padding, dilation : int or (int, int)
        As in `torch.nn.Conv2d`; padding is by zeros.
    **options : ConvOptions
        grid_size, degree, base, init, generator, dtype, device, as in `KANLayer`; and domain, the interval of pixel
        values that the knots cover, (-1, 1) by default. Beyond it the functions go on as straight lines, and no fit
        moves it: scale images to it, and hidden channels by `torch.nn.BatchNorm2d`.

    Attributes
    ----------
    layer : KANLayer
        The functions; its inputs are the channels of the patch, each with its places row by row.

    Raises
    ------
    InputError
        An argument is not as above; when called, an image of another shape or smaller than the kernel.

    Examples
    --------
    >>> import torch
    >>> layer = KANConv2d(1, 4, 3, padding=1)
    >>> layer(torch.rand(10, 1, 8, 8)).shape
    torch.Size([10, 4, 8, 8])
    """

    dimensions = 2


class KANConv1d(_KANConv):
    """Convolution of signals in which every weight of the kernel is a learnable function of the value under it.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels of the signals and of the result.
    kernel_size, stride, padding, dilation : int
        As in `torch.nn.Conv1d`; padding is by zeros.
    **options : ConvOptions
        As in `KANConv2d`.

    Attributes
    ----------
    layer : KANLayer
        The functions.

    Raises
    ------
    InputError
        As in `KANConv2d`.

    Examples
    --------
    >>> import torch
    >>> KANConv1d(2, 3, 5, stride=2)(torch.rand(10, 2, 21)).shape
    torch.Size([10, 3, 9])
    """

    dimensions = 1
