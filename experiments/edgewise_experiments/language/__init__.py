"""TODO what the room language is for."""
