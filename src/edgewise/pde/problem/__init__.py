"""TODO what the room problem is for."""
