"""Kinds of methods: each says, as exact data, how the points of a step are combined."""
