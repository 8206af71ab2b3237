"""Benchmarks and demonstrations; scripts, not a library."""
