"""TODO what the room model_selection is for."""
