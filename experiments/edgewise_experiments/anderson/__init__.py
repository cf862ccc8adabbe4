"""TODO what the room anderson is for."""
