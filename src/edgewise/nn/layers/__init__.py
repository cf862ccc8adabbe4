"""TODO what the room layers is for."""
