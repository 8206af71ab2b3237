"""Who decides about steps: the controller and the policies, pure functions of a small state."""

from expint.run.control.controller import Controller
from expint.run.control.orders import best_order
from expint.run.control.protocol import ErrorOf, Policy

__all__ = ["Controller", "ErrorOf", "Policy", "best_order"]
