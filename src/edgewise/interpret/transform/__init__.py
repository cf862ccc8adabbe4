"""New networks from given ones: parts taken out, layers and nodes added.

`widen` and `deepen` add nodes and layers without changing the function; `subnetworks` holds the steps that `prune` is
made of.
"""
