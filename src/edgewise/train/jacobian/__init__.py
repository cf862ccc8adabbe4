"""TODO what the room jacobian is for."""
