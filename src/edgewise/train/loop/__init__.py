"""TODO what the room loop is for."""
