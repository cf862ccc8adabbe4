"""What a trained network has learned: which edges, nodes and inputs its output depends on."""
