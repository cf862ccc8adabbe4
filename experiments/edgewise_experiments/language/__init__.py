"""The experiment on language: transformers of characters with KANs or MLPs as feed-forward blocks.

`language` is the experiment, `transformer` has the model, its training and the sampling of text, and `reporting` turns
stored rows into result tables and the figure.
"""
