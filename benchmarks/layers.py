"""The layers that are timed: each is built for one shape and gives a function per task, None for tasks it cannot do."""

import contextlib
import importlib
import io
from collections.abc import Callable

import torch
from torch.autograd import grad

from edgewise import KANLayer
from edgewise.ops.backend import use_kernel

Task = Callable[[], None]
TASKS = ("forward", "forward + backward", "forward + Laplacian + backward")
SECOND_DERIVATIVES = 5  # inputs the Laplacian goes over: by double backward each costs another pass


def torch_tasks(module: torch.nn.Module, x: torch.Tensor, call=None, twice: bool = True) -> dict[str, Task]:
    """The three tasks of a torch module; the Laplacian is of the sum of outputs, by five inputs, by double backward."""
    first = range(min(x.shape[1], SECOND_DERIVATIVES))
    leaf = x.clone().requires_grad_()
    parameters = [p for p in module.parameters() if p.requires_grad]
    call = call or module
    cotangent = torch.randn(call(x).shape, dtype=x.dtype)

    def forward():
        with torch.no_grad():
            call(x)

    def backward():
        grad(call(leaf), [leaf, *parameters], cotangent, allow_unused=True)

    def laplacian():
        (slope,) = grad(call(leaf).sum(), leaf, create_graph=True)
        total = sum(grad(slope[:, i].sum(), leaf, create_graph=True)[0][:, i] for i in first)
        grad(total.square().sum(), parameters, allow_unused=True)

    return dict(zip(TASKS, (forward, backward, laplacian if twice else None), strict=True))


def linear(x, outputs, grid_size):
    return torch_tasks(torch.nn.Linear(x.shape[1], outputs, dtype=x.dtype), x, twice=False)  # it has no curvature


def edgewise(x, outputs, grid_size, kernel=None):
    layer = KANLayer(x.shape[1], outputs, grid_size=grid_size, dtype=x.dtype)
    tasks = torch_tasks(layer, x)

    def with_kernel(task):
        def run():
            with use_kernel(kernel):
                task()

        return run

    return tasks if kernel is None else {name: with_kernel(task) for name, task in tasks.items()}


def reference(x, outputs, grid_size):
    return edgewise(x, outputs, grid_size, "reference")


def inkan(x, outputs, grid_size):
    layer = importlib.import_module("inkan").KANLayer(x.shape[1], outputs, grid_size=grid_size).to(x.dtype)
    return torch_tasks(layer, x, twice=False)  # its default, compiled basis has no double backward


def flashkan(x, outputs, grid_size):
    layer = importlib.import_module("flashkan").KANLayer(x.shape[1], outputs, grid_size=grid_size).to(x.dtype)
    return torch_tasks(layer, x, twice=False)


def pykan(x, outputs, grid_size):
    with contextlib.redirect_stdout(io.StringIO()):
        make = importlib.import_module("kan.KANLayer").KANLayer
        layer = make(x.shape[1], outputs, num=grid_size, k=3).to(x.dtype)
    return torch_tasks(layer, x, call=lambda x: layer(x)[0])


def jaxkan(x, outputs, grid_size):
    jax = importlib.import_module("jax")
    nnx = importlib.import_module("flax.nnx")
    jax.config.update("jax_enable_x64", x.dtype == torch.float64)
    layer = importlib.import_module("jaxkan.layers").BaseLayer(x.shape[1], outputs, k=3, G=grid_size)
    graph, state = nnx.split(layer)
    points = jax.numpy.asarray(x.numpy())

    def apply(state, points):
        return nnx.merge(graph, state)(points)

    value = jax.jit(apply)
    slopes = jax.jit(jax.grad(lambda state, points: apply(state, points).sum(), argnums=(0, 1), allow_int=True))
    tasks = (
        lambda: jax.block_until_ready(value(state, points)),
        lambda: jax.block_until_ready(slopes(state, points)),
        None,
    )
    return dict(zip(TASKS, tasks, strict=True))


LAYERS = {
    "nn.Linear": linear,
    "Edgewise": edgewise,
    "Edgewise, reference kernel": reference,
    "inkan 0.5.2": inkan,
    "flashkan 0.2.0": flashkan,
    "pykan 0.2.8": pykan,
    "jaxKAN 0.3.7": jaxkan,
}
