"""Figures of networks and functions.

The diagram (`network_diagram`), single edges (`edge_curves`), effects (`effect_curves`), and those of two inputs
together (`pair_map`).
"""
