r"""φ-functions, the numbers behind every exponential integrator.

.. math::

    φ_0(z) = e^z, \qquad
    φ_k(z) = \int_0^1 e^{(1-s) z} \frac{s^{k-1}}{(k-1)!} \, ds \quad (k ≥ 1),

so that φ_k(0) = 1/k! and φ_k(z) = z φ_{k+1}(z) + 1/k!. ``phi_functions`` takes numbers, elementwise; ``phi_matrices``
square matrices; ``phi_action`` applies those of a matrix, known by its products, to vectors.
"""

from __future__ import annotations

from expint.phi.action import Accuracy, ActionFailure, phi_action
from expint.phi.chebyshev import Chebyshev
from expint.phi.dense import phi_matrices
from expint.phi.elementwise import phi_functions
from expint.phi.krylov import Krylov
from expint.phi.rational import Rational

__all__ = [
    "Accuracy",
    "ActionFailure",
    "Chebyshev",
    "Krylov",
    "Rational",
    "phi_action",
    "phi_functions",
    "phi_matrices",
]
