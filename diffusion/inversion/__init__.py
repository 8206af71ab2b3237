"""Runs from data to noise: exact inverses, and how errors grow backwards."""
