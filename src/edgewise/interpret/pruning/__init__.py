"""Smaller networks and fewer inputs with about the same loss.

`prune` removes edges, hidden nodes and inputs of a trained network and reports why; `select_inputs` chooses few of many
inputs before any network is trained on all of them.
"""
