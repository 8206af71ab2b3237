"""Batches whose trajectories choose their own steps: ``solve_ivp(…, batched=True)``."""

from expint.ivp.batched.asked import Inner
from expint.ivp.batched.side_by_side import solve_batched

__all__ = ["Inner", "solve_batched"]
