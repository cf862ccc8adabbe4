"""Pure functions of tensors: splines, knots, and the one multilinear form with its derivatives."""
