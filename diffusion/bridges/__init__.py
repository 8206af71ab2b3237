"""Runs between two data sets."""
