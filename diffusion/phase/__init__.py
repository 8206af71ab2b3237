"""Diffusion of position and velocity together: critically damped Langevin dynamics."""
