"""TODO what the room compare is for."""
