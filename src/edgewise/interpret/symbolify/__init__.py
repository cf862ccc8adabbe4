"""TODO what the room symbolify is for."""
