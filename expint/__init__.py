"""Exponential integrators for semilinear problems y' = L y + N(t, y)."""
