"""Which methods of the catalogue a test can run with a fixed linear part."""

import expint
from expint.derive.rosenbrock import Linearised
from expint.derive.splitting import Splitting

FIXED_L = [name for name in expint.method_names() if not isinstance(expint.method(name), Linearised | Splitting)]
"""The names of all methods but those that need the Jacobian at every step, or the flow of N."""
