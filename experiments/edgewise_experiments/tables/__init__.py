"""TODO what the room tables is for."""
