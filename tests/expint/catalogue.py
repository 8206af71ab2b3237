"""Which methods of the catalogue a test can run with a fixed linear part."""

import expint
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.rosenbrock import Linearised
from expint.derive.kinds.splitting import Splitting

OTHER = Linearised | Splitting | LieGroupMethod
FIXED_L = [name for name in expint.method_names() if not isinstance(expint.method(name), OTHER)]
"""The names of all methods but those that need the Jacobian at every step, the flow of N, or A(t)."""
