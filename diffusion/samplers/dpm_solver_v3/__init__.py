"""DPM-Solver-v3: a gauge tabulated from statistics of the network, and the sampler in it."""
