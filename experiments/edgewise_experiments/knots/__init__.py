"""TODO what the room knots is for."""
