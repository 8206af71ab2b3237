"""Many trajectories side by side, each with its own steps."""
