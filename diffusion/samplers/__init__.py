"""Samplers: what a declaration holds, the catalogue of named ones, and the presets of other libraries."""
