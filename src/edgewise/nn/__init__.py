"""Parameters and shapes: the layers, the networks made of them, and the record of what flows through."""
