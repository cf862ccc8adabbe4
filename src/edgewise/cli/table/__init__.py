"""TODO what the room table is for."""
