"""Laws of motion from trajectories and from fields."""
