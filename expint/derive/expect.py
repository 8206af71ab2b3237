"""Arguments of the wrong kind are refused with a sentence."""

from typing import Any

__all__ = ["expect"]


def expect(value: object, kinds: Any, what: str) -> None:
    """Refuse a value that is none of ``kinds``, a type or a union of types, which is called ``what``.

    Raises
    ------
    TypeError
        With a hint where a name stands for a method.
    """
    if not isinstance(value, kinds):
        hint = "; expint.method(name) finds methods by their names" if isinstance(value, str) else ""
        raise TypeError(f"expected {what}, received {value!r} of type {type(value).__name__}{hint}")
