"""Where each trainable parameter lies in the vector of all."""

from torch import nn


class ParameterSlots:
    """Where each trainable parameter lies in the vector of all: `slots[name]` is a slice, `size` the length."""

    def __init__(self, parameters: dict[str, nn.Parameter]):
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.slots, self.size = {}, 0
        for name, parameter in parameters.items():
            self.slots[name] = slice(self.size, self.size + parameter.numel())
            self.size += parameter.numel()
