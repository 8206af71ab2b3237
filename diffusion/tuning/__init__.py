"""Samplers fitted to a network: times and weights of a run of few calls."""
