"""A device that only pretends: tensors that claim to be elsewhere, compute on the CPU, and count what waits for them.

`Pretend` tensors say that they are on the device "meta". Inside `PretendDevice()` their operations run on CPU tensors
that they hold; what a GPU would refuse or wait for is an error or is counted:

- a tensor on the CPU (with more than one number) among tensors on the device is an error;
- reading a number (`float(t)`, `bool(t)`, `t.item()`, `torch.equal`) is counted in `reads`, as is a size that depends
  on numbers (`nonzero`);
- a copy to the CPU is counted in `fetched`, one from the CPU in `sent`, with the numbers that it moves.
"""

from collections import Counter
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
READS = ("_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "_unique2", "unique_dim")


class Pretend(torch.Tensor):
    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
            requires_grad=False,
        )

    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return f"Pretend({self.held!r})"

    def tolist(self):  # torch refuses it for subclasses
        PretendDevice.active.reads["tolist"] += 1
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} outside of PretendDevice()")


def send(module_or_tensor):
    """A module with its tensors on the device, in place, or a tensor there."""
    if isinstance(module_or_tensor, torch.nn.Module):
        return module_or_tensor._apply(lambda tensor: Pretend(tensor.detach().clone()))
    return Pretend(module_or_tensor.detach().clone())


class PretendDevice(TorchDispatchMode):
    """The device; `reads` counts by operation, `sent` and `fetched` are numbers of numbers, for each copy."""

    active = None

    def __enter__(self):
        PretendDevice.active = self
        self.reads, self.sent, self.fetched = Counter(), [], []
        self._patches = [mock.patch.object(torch, name, self._made(getattr(torch, name))) for name in ("tensor",)]
        for patch in self._patches:
            patch.start()
        return super().__enter__()

    def __exit__(self, *error):
        for patch in self._patches:
            patch.stop()
        return super().__exit__(*error)

    def _made(self, make):
        """torch.tensor, which reaches no dispatch mode before the tensor is on its device."""

        def made(*args, device=None, **kwargs):
            there = device is not None and torch.device(device) == DEVICE
            made_here = make(*args, **kwargs) if there or device is None else make(*args, device=device, **kwargs)
            return made_here.to(DEVICE) if there else made_here

        return made

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, target = function.overloadpacket.__name__, kwargs.get("device")
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        there = [tensor for tensor in given if isinstance(tensor, Pretend)]
        assert not any(tensor.is_meta and not isinstance(tensor, Pretend) for tensor in given), f"{name}: no numbers"
        is_copy = name in ("_to_copy", "copy_", "_copy_from")
        if there and not is_copy:
            stray = [tensor for tensor in given if not isinstance(tensor, Pretend) and tensor.dim()]
            assert not stray, f"{name}: tensors on the CPU and on the device, {[tuple(t.shape) for t in given]}"
        if there and name in READS:
            self.reads[name] += 1
        result_there = bool(there)
        if target is not None:
            result_there = torch.device(target) == DEVICE
            kwargs["device"] = torch.device("cpu")
        if is_copy:
            source = args[1] if name == "copy_" else args[0]
            is_there = isinstance(args[0], Pretend) if name == "copy_" else result_there
            if is_there != isinstance(source, Pretend):
                (self.sent if is_there else self.fetched).append(source.numel())
            result_there = is_there
        held = {id(tensor.held): tensor for tensor in there}

        def opened(leaf):
            return leaf.held if isinstance(leaf, Pretend) else leaf

        inner_args, inner_kwargs = tree_map(opened, args), tree_map(opened, kwargs)
        result = function(*inner_args, **inner_kwargs)
        if not result_there:
            return result

        def closed(leaf):
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return held.get(id(leaf)) if id(leaf) in held else Pretend(leaf)

        return return_and_correct_aliasing(function, args, kwargs, tree_map(closed, result))
