"""TODO what the room accuracy is for."""
