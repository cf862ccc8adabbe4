"""Layers one after another: what KANs, MLPs and the networks of equations share."""

from torch import Tensor, nn

from edgewise.ops.jet import seed_jet


class Chain(nn.Module):
    """A network whose `layers`, set by the class that derives from it, take each other's outputs."""

    layers: nn.ModuleList

    def forward(self, x: Tensor) -> Tensor:
        """(*batch, in) -> (*batch, out)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def jet(self, x: Tensor, directions: Tensor | None = None, order: int = 0) -> Tensor:
        """Value and derivatives of the outputs along directions, in one forward pass; differentiable.

        Args:
            x: (batch, in).
            directions: (D, in); along each the network is differentiated 1 .. order times.
            order: 0 or more.

        Returns:
            (1 + D * order, batch, out): the values, then for each direction the derivatives of order 1 .. order.
        """
        jet = seed_jet(x, directions, order)
        for layer in self.layers:
            jet = layer.jet(jet, order)
        return jet
