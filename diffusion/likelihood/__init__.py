"""Densities of samples: the divergence of the flow, accumulated along any sampler's plan."""
