"""New networks from given ones: parts taken out, layers and nodes added, or a large model distilled into a small KAN.

`widen` and `deepen` add nodes and layers without changing the function; `distil` trains a KAN on the predictions of
any model; `subnetworks` holds the steps that `prune` is made of.
"""
