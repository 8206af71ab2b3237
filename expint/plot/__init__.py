"""Pictures of solutions and of errors (needs matplotlib)."""

from expint.plot.errors import curves, order_triangle, study
from expint.plot.fields import animation, field, space_time
from expint.plot.figure import axes as axes  # a check, for pictures of other packages
from expint.plot.figure import pyplot
from expint.plot.movie import movie
from expint.plot.regions import stability_region

__all__ = [
    "animation",
    "curves",
    "field",
    "movie",
    "order_triangle",
    "pyplot",
    "space_time",
    "stability_region",
    "study",
]
