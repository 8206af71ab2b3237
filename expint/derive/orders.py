"""The orders of a method: computed, declared, or equal for good reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expint.derive.report import OrderReport

__all__ = ["DeclaredOrders", "FullStiffOrder", "Proved", "ProvedInWords"]


class Proved:
    """A method whose recipe is exact, so that its orders can be proved."""

    @cached_property
    def orders(self) -> OrderReport:
        """The orders by the exact order conditions, for uniform steps, with the violated conditions written out."""
        from expint.derive.conditions import check_orders

        return check_orders(self)  # type: ignore[arg-type]


class ProvedInWords(ABC):
    """A method made of flows or of A(t), whose order is proved in words instead of trees, up to one above its own."""

    @property
    @abstractmethod
    def orders(self) -> OrderReport:
        """The order, with the words in which the next one fails."""


class FullStiffOrder(Proved, ABC):
    """A method that integrates its interpolation polynomial exactly for any L: both stiff orders equal the order."""

    @property
    @abstractmethod
    def order(self) -> int:
        """The classical order."""

    @property
    def stiff_order(self) -> int:
        """The stiff order for arbitrary operators, equal to the order."""
        return self.order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form, equal to the order."""
        return self.order


class DeclaredOrders(Proved):
    """A method that may declare its orders; the tests confirm them, and what is left out is computed at first use."""

    declared_order: int | None
    declared_stiff_order: int | None
    declared_weak_stiff_order: int | None

    @property
    def order(self) -> int:
        """The classical order."""
        return self.orders.order if self.declared_order is None else self.declared_order

    @property
    def stiff_order(self) -> int:
        """The stiff order with every condition satisfied for arbitrary operators (strong form)."""
        return self.orders.stiff_order if self.declared_stiff_order is None else self.declared_stiff_order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form of Hochbruck and Ostermann (2005), top-order weights at z = 0 only."""
        declared = self.declared_weak_stiff_order
        return self.orders.weak_stiff_order if declared is None else declared
