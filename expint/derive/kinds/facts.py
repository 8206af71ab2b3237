"""Mixins that supply the orders of a method: computed, declared, or known by construction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from expint.derive.orders.report import PROVED_UP_TO

if TYPE_CHECKING:
    from expint.derive.orders.report import OrderReport

__all__ = ["DeclaredOrders", "FullStiffOrder", "Proved", "ProvedInWords", "confirmed"]


def confirmed(method: Any) -> Any:
    """Return a method of the catalogue, whose declared orders the tests have proved."""
    if isinstance(method, DeclaredOrders):
        vars(method)["_confirmed"] = True
    return method


class Proved:
    """A method whose recipe is exact, so that its orders can be proved."""

    @cached_property
    def orders(self) -> OrderReport:
        """The orders by the exact order conditions, for uniform steps, with the violated conditions written out."""
        from expint.derive.orders.conditions import check_orders

        return check_orders(self)  # type: ignore[arg-type]  # methods have these facts


class ProvedInWords(ABC):
    """A method made of flows or of A(t), whose order is proved in words instead of trees, up to one above its own."""

    @property
    @abstractmethod
    def orders(self) -> OrderReport:
        """The order, with the words in which the next one fails."""

    @property
    def history(self) -> int:
        """The number of remembered values of N that a step may look at: N(y_n) only."""
        return 1

    def schemes(self, history: Any = None) -> None:
        """Return None: the conditions of trees do not apply."""
        del history


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
        return self._believed("order", self.declared_order)

    @property
    def stiff_order(self) -> int:
        """The stiff order with every condition satisfied for arbitrary operators (strong form)."""
        return self._believed("stiff_order", self.declared_stiff_order)

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form of Hochbruck and Ostermann (2005), top-order weights at z = 0 only."""
        return self._believed("weak_stiff_order", self.declared_weak_stiff_order)

    def _believed(self, name: str, declared: int | None) -> int:
        """Return an order as it is declared, which is proved at first use but in the catalogue, as the tests do that.

        Raises
        ------
        ValueError
            If the conditions prove another one.
        """
        if declared is not None and vars(self).get("_confirmed", False):
            return declared
        proved: int = getattr(self.orders, name)
        if declared is None or declared == proved or declared > proved == PROVED_UP_TO:
            return proved if declared is None else declared
        raise ValueError(
            f"{getattr(self, 'name', 'a method')}: expected declared_{name} to be what the order conditions prove, "
            f"{proved}, received {declared}; leave it out"
        )
