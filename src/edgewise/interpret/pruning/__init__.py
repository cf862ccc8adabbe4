"""TODO what the room pruning is for."""
