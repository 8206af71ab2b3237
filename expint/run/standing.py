"""Where a run stands, in plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from expint.backend import Array

__all__ = ["Notes", "Standing", "unpacked"]


class Standing(NamedTuple):
    """What a loop needs to go on from an accepted state.

    Attributes
    ----------
    t, y, evaluations, rejected
        As in ``Accepted``.
    memory
        What the stepper remembers, as its ``pack`` returns it; of a plan its columns.
    state
        That of the policy; of a plan the place of the row.
    rest
        What else the loop remembers, in its own order.
    """

    t: float
    y: Array
    evaluations: int
    rejected: int
    memory: Any
    state: Any
    rest: tuple[Any, ...]


class Notes(Protocol):
    """What takes note of where a run stands, and knows where an earlier one stood."""

    @property
    def standing(self) -> Standing | None:
        """Where the earlier run stood, None for a run that begins."""

    def note(self, ask: Callable[[], Standing]) -> None:
        """Take note of how to ask where the run stands, before it goes on."""


def unpacked(stepper: Any, packed: Any, y: Array) -> Any:
    """Return the memory from plain values; only steppers that can make them are asked for them."""
    try:
        return stepper.unpack(packed, y)
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected what {stepper.name} remembers from step to step, received something else ({error}); resume the "
            "run from a file that it has written"
        ) from error
