"""Contribution of each input, node and edge to the predictions.

`edge_scores`, `node_scores` and `input_scores` are cheap scores from one trace of a network; `removal_costs` measures
by how much the loss rises without an edge, a node or an input; `explain_global` and `explain_local` describe the
predictions of any model.
"""
