"""TODO what the room network is for."""
