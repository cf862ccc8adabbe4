"""TODO what the room domains is for."""
