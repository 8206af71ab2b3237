"""Operators that are diagonal in a basis: transforms, eigenvectors, and how states are combined there."""
