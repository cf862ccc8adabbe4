"""TODO what the room splines is for."""
