"""TODO what the room problems is for."""
