"""What a function holds that torch differentiates: its leaves, found in the function and in the graph of a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch

__all__ = ["held_by", "leaves_of"]

_PLAIN = (str, bytes, int, float, complex, type(None))


def leaves_of(value: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the leaves that ask for a gradient in the graph of a value."""
    if value.grad_fn is None:
        if value.requires_grad:
            yield value
        return
    seen, waiting = {value.grad_fn}, [value.grad_fn]
    while waiting:
        node = waiting.pop()
        own = getattr(node, "variable", None)  # of the nodes at which gradients of leaves arrive
        if own is not None:
            yield own
        for other, _ in node.next_functions:
            if other is not None and other not in seen:
                seen.add(other)
                waiting.append(other)


def held_by(function: Callable[..., Any]) -> Iterator[torch.Tensor]:
    """Yield the leaves that ask for a gradient among what a function can reach.

    These are the parameters of modules, and tensors, in its closure, its defaults, the globals that it names, the
    object whose method it is, and in lists, mappings, objects and functions there.
    """
    seen, waiting = set[int](), list[Any]([function])
    while waiting:
        own = waiting.pop()
        if id(own) in seen or isinstance(own, _PLAIN):
            continue
        seen.add(id(own))
        if isinstance(own, torch.Tensor):
            if own.requires_grad and own.is_leaf:
                yield own
        elif isinstance(own, torch.nn.Module):
            waiting += [*own.parameters(), *vars(own).values()]
        else:
            waiting += _inside(own)


def _inside(own: Any) -> list[Any]:
    """Return what an object refers to that a function may compute with."""
    if isinstance(own, partial):
        return [own.func, *own.args, *own.keywords.values()]
    if isinstance(own, MethodType):
        return [own.__self__, own.__func__]
    if isinstance(own, FunctionType):
        cells = [cell.cell_contents for cell in own.__closure__ or () if _filled(cell)]
        named = [own.__globals__[name] for name in own.__code__.co_names if name in own.__globals__]
        computes = [value for value in named if isinstance(value, torch.Tensor | torch.nn.Module | FunctionType)]
        return [*cells, *(own.__defaults__ or ()), *(own.__kwdefaults__ or {}).values(), *computes]
    if isinstance(own, Mapping):
        return list(own.values())
    if isinstance(own, list | tuple | set | frozenset):
        return list(own)
    if isinstance(own, type):
        return [] if own.__module__.partition(".")[0] in _LIBRARIES else list(vars(own).values())
    return [type(own), *vars(own).values()] if hasattr(own, "__dict__") else []


def _filled(cell: Any) -> bool:
    """Whether a variable of a closure has a value yet."""
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


_LIBRARIES = {"builtins", "torch", "numpy", "types", "expint"}
"""Whose classes hold no tensors of the user."""
