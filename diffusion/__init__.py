"""Diffusion sampling as exponential integration."""
