"""TODO what the room theory is for."""
