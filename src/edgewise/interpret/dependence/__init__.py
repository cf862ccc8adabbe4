"""TODO what the room structure is for."""
