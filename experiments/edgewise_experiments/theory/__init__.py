"""Experiments on the claims of theory: error bounds, scaling exponents, depth, continual learning, and the guide."""
