"""TODO what the room pde is for."""
