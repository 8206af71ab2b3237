"""Arguments of the wrong kind are refused with a sentence."""

from typing import Any

__all__ = ["expect", "few"]

_MOST = 32


def expect(value: object, kinds: Any, what: str) -> None:
    """Raise TypeError unless a value, called ``what``, is of ``kinds``, a type or a union of types.

    Raises
    ------
    TypeError
        With a hint where a name stands for a method.
    """
    if not isinstance(value, kinds):
        hint = "; expint.method(name) finds methods by their names" if isinstance(value, str) else ""
        raise TypeError(f"expected {what}, received {value!r} of type {type(value).__name__}{hint}")


def few(name: str, q: int) -> None:
    """Refuse more past values of N than double precision bears.

    Raises
    ------
    ValueError
        If they are more than 32.
    """
    if q > _MOST:
        raise ValueError(f"{name}: expected at most {_MOST} past values of N, whose weights leave digits, received {q}")
