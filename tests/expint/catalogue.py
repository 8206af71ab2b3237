"""Which methods of the catalogue a test can run with a fixed linear part."""

import expint
from expint.derive.rosenbrock import Linearised

FIXED_L = [name for name in expint.method_names() if not isinstance(expint.method(name), Linearised)]
"""The names of all methods but those that need the Jacobian at every step."""
