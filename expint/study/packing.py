"""Arrays as JSON can hold them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from expint.backend import Array, to_numpy

__all__ = ["packed", "unpacked"]

_DTYPES = {np.dtype(code).newbyteorder("<").str for code in "efdgFDG"}


def packed(array: Array) -> dict[str, Any]:
    """Return an array of floating-point numbers as a mapping that JSON can hold.

    Raises
    ------
    ArithmeticError
        If an entry is not finite.
    """
    numbers = to_numpy(array)
    numbers = np.array(numbers, dtype=numbers.dtype.newbyteorder("<") if numbers.dtype.kind in "fc" else np.float64)
    if not np.isfinite(numbers).all():
        raise ArithmeticError("expected finite numbers, received inf or nan")
    data = base64.b64encode(numbers.tobytes()).decode()
    return {"dtype": numbers.dtype.newbyteorder("<").str, "shape": list(numbers.shape), "data": data}


def unpacked(found: Mapping[str, Any]) -> np.ndarray:
    """Return the array of a mapping.

    Raises
    ------
    ValueError
        If the mapping holds no array of finite floating-point numbers, or more than that.
    """
    dtype, shape, data = (found.get(name) for name in ("dtype", "shape", "data"))
    if set(found) != {"dtype", "shape", "data"} or str(dtype) not in _DTYPES or not isinstance(data, str):
        raise ValueError("expected an array of floating-point numbers with dtype, shape and data, received none")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"expected the shape of an array, received {shape!r}")
    content = base64.b64decode(data, validate=True)
    if len(content) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(f"expected data of shape {shape}, received {len(content)} bytes")
    numbers = np.frombuffer(content, dtype=dtype).reshape(shape)
    if not np.isfinite(numbers).all():
        raise ValueError("expected finite numbers, received inf or nan")
    return numbers
