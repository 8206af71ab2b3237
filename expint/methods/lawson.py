"""Lawson methods: classical methods behind the integrating factor."""

from expint.derive.kinds.lawson import lawson
from expint.derive.kinds.tableau import Tableau
from expint.methods.butcher import CLASSICAL

__all__ = ["METHODS"]

METHODS: tuple[Tableau, ...] = tuple(lawson(classical) for classical in CLASSICAL)
