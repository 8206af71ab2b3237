"""The accounts of arrays for a key."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np

from expint.study.walk import Account, Walk

__all__ = ["of_array", "of_ndarray", "of_numpy"]


def of_ndarray(walk: Walk, value: np.ndarray) -> Account:
    """Return the account of an array of NumPy."""
    if type(value) is np.ma.MaskedArray:
        return ["masked", *map(walk, (value.data, np.ma.getmaskarray(value), value.fill_value, value.hardmask))]
    if type(value) is not np.ndarray:
        raise walk.refuse(f"an array of type {type(value).__qualname__}")
    if value.dtype == object:
        return ["objects", walk(value.shape), *map(walk, value.ravel().tolist())]
    return of_numpy(walk, value)


def of_numpy(walk: Walk, value: np.ndarray) -> list[bytes | str]:
    """Return the account of plain numbers."""
    if value.dtype.hasobject:
        raise walk.refuse(f"an array of dtype {value.dtype}")
    return ["array", repr(value.dtype), walk(value.shape), hashlib.sha256(value.tobytes()).digest()]


def of_array(walk: Walk, value: Any) -> Account:
    """Return the account of an array of another library."""
    if not hasattr(value, "detach"):
        return ["array of", walk(type(value)), str(value.dtype), *of_numpy(walk, np.asarray(value))]
    torch = sys.modules["torch"]  # loaded, as there is a tensor
    plain = value.layout == torch.strided and not value.is_quantized and value.device.type != "meta"
    if not plain:
        raise walk.refuse(f"a tensor of layout {value.layout} on {value.device.type}")
    data = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    numbers = data.view(torch.uint8).numpy()
    facts = (str(value.dtype), tuple(value.shape), value.device.type, value.requires_grad, vars(value))
    return ["tensor", walk(type(value)), *map(walk, facts), hashlib.sha256(numbers).digest()]
