"""TODO what the room images is for."""
