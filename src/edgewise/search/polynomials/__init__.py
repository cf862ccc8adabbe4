"""Polynomials of several inputs inside a link function: y = g(sum of products of Legendre polynomials).

`basis` holds the products and their order, `links` the functions g. `exact` fits samples without noise by least
squares, `smooth` noisy ones by restricted likelihood, whose strengths follow the decay of the coefficients. `network`
writes either as a KAN with product nodes, exactly up to a stated error.
"""
