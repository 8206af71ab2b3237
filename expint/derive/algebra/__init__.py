"""Exact numbers and functions: φ-sums, algebraic numbers, interpolation, and how they are printed."""
