"""TODO what the room formula is for."""
