"""Layers that serve equations alone, each with the contract of `edgewise.nn.layers.Layer`.

`TensorLayer` holds all products of B-splines of its inputs, `SeparableLayer` products of one spline of each input, and
`PeriodicLayer` makes a network periodic in some inputs.
"""
