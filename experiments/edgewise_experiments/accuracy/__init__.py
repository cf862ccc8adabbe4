"""Experiments on the accuracy of KANs for known functions, without and with noise, compared with MLPs and pykan.

`known_functions` measures one function and makes the table beside the paper's; `mlp_baseline` trains the MLPs. Each
other module is an experiment (`toy_functions`, `special_functions`, `feynman`, `mlp_comparison`, `hidden_nodes`,
`noise`) or a part of one (`halvings`, `smoothing_spline`).
"""
