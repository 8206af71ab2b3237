"""Old import paths: each still works, and says what it became."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["forward"]


class _Forwarding:
    """Finds modules that have moved. It stands last, so that it is asked only for what does not exist.

    It is a finder and a loader without the base classes for them, which would import temporary files and compression.
    """

    def __init__(self, moved: Mapping[str, str]) -> None:
        self.moved = moved

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return a spec for an old path, None for any other."""
        del path, target
        return ModuleSpec(fullname, self) if fullname in self.moved else None  # type: ignore[arg-type]  # a loader by its two methods

    def create_module(self, spec: ModuleSpec) -> None:
        """Return None: the module is made as others are."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new path in the place of the old one."""
        old = module.__name__
        new = self.moved[old]
        warnings.warn(f"{old} is now {new}; the old path will go", DeprecationWarning, stacklevel=2)
        sys.modules[old] = import_module(new)


def forward(moved: Mapping[str, str]) -> None:
    """Let every old path in ``moved``, {old: new}, import the module of the new one, with a DeprecationWarning."""
    sys.meta_path.append(_Forwarding(moved))


_ALGEBRA = "algebraic contraction lagrange phisum printing recovery"
_KINDS = (
    "adams butcher composition generalised_lawson lawson lie_group "
    "predictor_corrector presentation rosenbrock splitting stage tableau"
)
_ORDERS = "classical conditions forcing linearised report rounded scheme stiff time_words trees words"
_SEARCH = "open_coefficients unknowns"
_ADDITION = "combination commuting sum"

MOVED = {
    **{f"expint.derive.{name}": f"expint.derive.algebra.{name}" for name in _ALGEBRA.split()},
    **{f"expint.derive.{name}": f"expint.derive.kinds.{name}" for name in _KINDS.split()},
    **{f"expint.derive.{name}": f"expint.derive.orders.{name}" for name in _ORDERS.split()},
    **{f"expint.derive.{name}": f"expint.derive.search.{name}" for name in _SEARCH.split()},
    "expint.auto": "expint.ivp.choose",
    "expint.clocked": "expint.ivp.elsewhere.time_scaled",
    "expint.derive.bootstrap": "expint.derive.kinds.collocation",
    "expint.derive.epi": "expint.derive.kinds.linearised_collocation",
    "expint.derive.history_ladder": "expint.derive.kinds.general_linear",
    "expint.derive.increments": "expint.derive.kinds.rosenbrock",
    "expint.derive.ladder": "expint.derive.kinds.collocation",
    "expint.derive.lawson_adams": "expint.derive.kinds.lawson",
    "expint.derive.linearised_ladder": "expint.derive.kinds.linearised_collocation",
    "expint.derive.pair_numbers": "expint.lower.pair_numbers",
    "expint.derive.rows": "expint.derive.kinds.tableau_checks",
    "expint.derive.tableau_printing": "expint.derive.kinds.presentation",
    "expint.door": "expint.ivp.checks",
    "expint.nonautonomous": "expint.ivp.over_time",
    **{f"expint.operators.{name}": f"expint.operators.addition.{name}" for name in _ADDITION.split()},
    "expint.operators.merge": "expint.operators.addition.combination",
    "expint.operators.axes": "expint.operators.bases.in_basis",
    "expint.operators.clock": "expint.operators.over_time.time_integral",
    **{f"expint.operators.{name}": f"expint.operators.bases.{name}" for name in ("eigen", "in_basis", "transformed")},
    "expint.operators.placed": "expint.operators.on_device",
    "expint.operators.time_dependent": "expint.operators.over_time.time_dependent",
    "expint.operators.time_scaled": "expint.operators.over_time.time_scaled",
    "expint.phi.few": "expint.phi.short_arrays",
    "expint.run.adaptive": "expint.run.loops",
    "expint.run.dense_output": "expint.run.dense.collocated",
    "expint.run.fixed": "expint.run.loops",
    "expint.run.recorder": "expint.run.watch",
    "expint.run.scattered": "expint.run.compiled.tensors",
    "expint.run.split": "expint.ivp.splitting",
    "expint.run.variable_order": "expint.run.control.orders",
    "expint.stepping": "expint.ivp.stepping",
    "expint.times": "expint.ivp.times",
    "expint.unsplit": "expint.ivp.linearise",
}
