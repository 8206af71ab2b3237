"""Pictures of solutions and of errors (needs matplotlib)."""

from expint.plot.errors import curves, order_triangle, study
from expint.plot.fields import animation, field, space_time
from expint.plot.figure import axes, pyplot
from expint.plot.movie import movie

__all__ = ["animation", "axes", "curves", "field", "movie", "order_triangle", "pyplot", "space_time", "study"]
