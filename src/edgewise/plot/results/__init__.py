"""TODO what the room results is for."""
