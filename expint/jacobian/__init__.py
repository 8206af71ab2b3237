"""Jacobians of right-hand sides, for methods that linearise at every step: where they come from is said by an object.

``Differences`` (the default for NumPy), ``ComplexStep``, ``Autodiff`` (the default for torch and JAX), ``Given``
matrices and ``Product`` functions; ``check`` compares one of them with differences.
"""

from expint.jacobian.autodiff import Autodiff
from expint.jacobian.checking import as_source, check
from expint.jacobian.differences import ComplexStep, Differences
from expint.jacobian.given import Given, Product
from expint.jacobian.lineariser import JacobianFailure, Linearisation, Lineariser
from expint.jacobian.source import Source

__all__ = [
    "Autodiff",
    "ComplexStep",
    "Differences",
    "Given",
    "JacobianFailure",
    "Linearisation",
    "Lineariser",
    "Product",
    "Source",
    "as_source",
    "check",
]
