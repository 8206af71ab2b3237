"""Semilinear problems with the parameters of the literature; each function returns a ``SemilinearProblem``."""

from expint.problems.allen_cahn import allen_cahn, allen_cahn_chebyshev
from expint.problems.burgers import burgers
from expint.problems.hochbruck_ostermann import hochbruck_ostermann
from expint.problems.korteweg_de_vries import korteweg_de_vries, two_solitons
from expint.problems.kuramoto_sivashinsky import kuramoto_sivashinsky
from expint.problems.scalar import linear_system, riccati

__all__ = [
    "allen_cahn",
    "allen_cahn_chebyshev",
    "burgers",
    "hochbruck_ostermann",
    "korteweg_de_vries",
    "kuramoto_sivashinsky",
    "linear_system",
    "riccati",
    "two_solitons",
]
