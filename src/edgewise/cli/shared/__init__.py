"""TODO what the room shared is for."""
