"""TODO what the room plots is for."""
