"""TODO what the room attribution is for."""
