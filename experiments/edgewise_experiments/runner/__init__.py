"""TODO what the room runner is for."""
