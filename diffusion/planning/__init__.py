"""From a sampler, a schedule and a grid to a plan: numbers only."""
