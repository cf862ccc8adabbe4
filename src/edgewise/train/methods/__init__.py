"""TODO what the room methods is for."""
