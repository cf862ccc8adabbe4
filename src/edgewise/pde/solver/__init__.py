"""TODO what the room solver is for."""
