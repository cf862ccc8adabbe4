"""TODO what the room discovery is for."""
