"""Sums and linear combinations of operators, and what they simplify to: one table, by kind."""
