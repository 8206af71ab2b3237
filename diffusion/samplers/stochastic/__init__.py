"""Stochastic samplers: declarations with a strength, and plans whose noise level rises."""
