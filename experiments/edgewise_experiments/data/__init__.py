"""TODO what the room data is for."""
