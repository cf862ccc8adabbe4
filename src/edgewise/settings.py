"""Numerical limits that several rooms share, each with its source.

The limits bound memory. They also fix into how many parts a sum over samples is split, so changing one changes results
by rounding.
"""

# Numbers in the Jacobian rows of one chunk of samples: 32 MiB in float64. A choice: the rows and a few tensors of their
# size fit into memory on any machine, and chunks stay long enough for full speed of the matrix products.
ROW_CHUNK_NUMBERS = 2**22

# Numbers that the widest layer may hold for one chunk of samples in a forward and backward pass: 64 MiB in float64. A
# choice: a pass keeps one such tensor per layer, while rows are larger per sample and several of them live at once.
FORWARD_CHUNK_NUMBERS = 2**23
