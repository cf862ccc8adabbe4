"""TODO what the room formulas is for."""
