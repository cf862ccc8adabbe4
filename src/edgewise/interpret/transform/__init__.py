"""TODO what the room transform is for."""
