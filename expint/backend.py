"""Array namespaces, dtypes and norms: the only importer of array-api-compat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import array_api_compat as _compat
import numpy as np

__all__ = [
    "Array",
    "Namespace",
    "all_finite",
    "array_namespace",
    "asarray_like",
    "copied",
    "device",
    "has_values",
    "is_array",
    "is_complex",
    "is_dense",
    "is_jax",
    "is_numpy",
    "is_sparse",
    "is_torch",
    "stack",
    "to_numpy",
]

_PART = 32
"""So many arrays of JAX are stacked at once."""

Array: TypeAlias = Any
"""An array of any namespace that follows the Python array API standard."""

Namespace: TypeAlias = Any
"""A module of array functions: ``array_api_compat.numpy``, ``array_api_compat.torch``, ``jax.numpy``, …"""


@cache
def _numpy() -> Namespace:
    return _compat.array_namespace(np.empty(0))  # slow to import


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of a namespace we can compute with (Python scalars are not)."""
    return type(x) is np.ndarray or (not isinstance(x, type) and bool(_compat.is_array_api_obj(x)))


def array_namespace(*arrays: object) -> Namespace:
    """Return the one array-API namespace of ``arrays``; Python scalars and lists count as NumPy's.

    Raises
    ------
    TypeError
        If the arrays belong to different namespaces.
    """
    if len(arrays) == 1 and type(arrays[0]) in _OF_TYPE:
        return _OF_TYPE[type(arrays[0])]
    found = [a for a in arrays if type(a) is not np.ndarray and is_array(a)]
    if not found:
        return _numpy()
    namespace = _compat.array_namespace(*found, *[a for a in arrays if type(a) is np.ndarray])
    if len(arrays) == 1 and not hasattr(arrays[0], "__array_namespace__"):
        _OF_TYPE[type(arrays[0])] = namespace
    return namespace


_OF_TYPE: dict[type, Namespace] = {}
"""The namespaces of arrays that do not know it themselves, such as tensors: it is asked at every step."""


def _array(x: Any) -> Array:
    """Return an array as it is, or refuse what is none."""
    if is_array(x):
        return x
    raise TypeError(f"expected an array, received {type(x).__name__}; numpy.asarray makes one of numbers and lists")


def is_numpy(xp: Namespace) -> bool:
    """Whether ``xp`` is NumPy's namespace."""
    return hasattr(xp, "__name__") and bool(_compat.is_numpy_namespace(xp))


def is_jax(xp: Namespace) -> bool:
    """Whether ``xp`` is the array namespace of JAX."""
    return hasattr(xp, "__name__") and bool(_compat.is_jax_namespace(xp))


def is_torch(xp: Namespace) -> bool:
    """Whether ``xp`` is the array namespace of torch."""
    return hasattr(xp, "__name__") and bool(_compat.is_torch_namespace(xp))


def is_complex(x: Any) -> bool:
    """Whether ``x`` (an array of any namespace, or a Python number) has a complex dtype."""
    if type(x) is np.ndarray or not is_array(x):
        return isinstance(x, complex) or np.iscomplexobj(x if type(x) is np.ndarray else to_numpy(x))
    return bool(array_namespace(x).isdtype(x.dtype, "complex floating"))


def all_finite(x: Array) -> bool:
    """Whether no entry of ``x`` is inf or nan; on a GPU this synchronises.

    Values that JAX traces, inside ``jit`` and ``vmap``, are not known yet and taken as finite.
    """
    if type(x) is np.ndarray and x.dtype.char in "fdFD" and math.isfinite(np.vdot(x, x).real):
        return True  # a finite sum of squares has finite terms; this is asked at every step
    xp = array_namespace(_array(x))
    try:
        if is_complex(x) or 0 in x.shape:
            return bool(xp.all(xp.isfinite(x)))
        return bool(xp.max(xp.abs(x)) < math.inf)  # a maximum passes nan on, in a third of the time
    except (TypeError, RuntimeError) as error:
        if not is_jax(xp):
            raise TypeError(f"expected a dense array of numbers, received dtype {x.dtype}: {error}") from error
        return True


def device(x: Array) -> Any:
    """Return the device on which ``x`` lives."""
    return _compat.device(_array(x))


def has_values(x: Array) -> bool:
    """Whether ``x`` is dense and has values, as tensors on the device "meta" have not."""
    return is_dense(x) and str(getattr(x, "device", "cpu")) != "meta"


def is_dense(x: Array) -> bool:
    """Whether ``x`` has every entry at a place of its own, as sparse tensors have not."""
    return str(getattr(x, "layout", "torch.strided")) == "torch.strided"


def copied(x: Array) -> Array:
    """Return ``x`` in memory of its own; arrays of JAX, which cannot be written to, as they are.

    Gradients of tensors pass through, memory maps become plain arrays, and masks stay.
    """
    if isinstance(_array(x), np.ndarray):
        return np.array(x, subok=hasattr(x, "mask"))
    if hasattr(x, "clone"):
        return x.clone()
    xp = array_namespace(x)
    return x if is_jax(xp) else xp.asarray(x, copy=True)


def to_numpy(x: Any) -> np.ndarray:
    """Return ``x`` as a NumPy array on the host, detached from any graph.

    Raises
    ------
    TypeError
        If it is a tensor without values, or not dense, or lists of different lengths.
    """
    if hasattr(x, "detach"):
        if not has_values(x):
            where = f"a tensor of layout {getattr(x, 'layout', None)} on the device {x.device}"
            raise TypeError(f"expected a dense array with values, received {where}; take x.to_dense(), where they are")
        x = x.detach().cpu()
        x = x.float() if "bfloat16" in str(x.dtype) else x  # NumPy does not know it
    try:
        return np.asarray(x)
    except ValueError as error:
        raise TypeError(f"expected an array, or lists of one shape, received {type(x).__name__}: {error}") from error


def asarray_like(values: np.ndarray, like: Array) -> Array:
    """Return host float64/complex128 ``values`` in the namespace, precision and device of ``like``.

    The kind of ``values`` (real or complex) is kept; the precision is that of ``like``. For float32, complex64 and
    half-precision states the weights are rounded once, here.
    """
    if isinstance(like, np.ndarray) and like.dtype.itemsize == (16 if like.dtype.kind == "c" else 8):
        return np.ascontiguousarray(to_numpy(values))  # double precision on the host already
    xp, values = array_namespace(_array(like)), to_numpy(values)
    kind = "complex" if np.iscomplexobj(values) else "real"
    host = np.ascontiguousarray(values)
    if is_torch(xp) and not host.flags.writeable:
        host = host.copy()  # torch would share the memory, and warns that it is read only
    return xp.asarray(host, dtype=_precision(xp, like.dtype)[kind], device=device(like))


def stack(arrays: Sequence[Array]) -> Array:
    """Return ``arrays`` along a new first axis.

    Many arrays of JAX are joined in parts: the time to compile one stack grows with the square of their number.
    """
    if not isinstance(arrays, list | tuple) or not arrays:
        raise TypeError(f"expected a list of arrays to stack, at least one, received {type(arrays).__name__}")
    xp = array_namespace(*map(_array, arrays))
    if not is_jax(xp) or len(arrays) <= _PART:
        return xp.stack(list(arrays))
    return xp.concat([xp.stack(list(arrays[start : start + _PART])) for start in range(0, len(arrays), _PART)])


def _precision(xp: Namespace, dtype: Any) -> dict[str, Any]:
    """Return the real and the complex dtype of the precision of ``dtype``."""
    if dtype in (xp.float64, xp.complex128):
        return {"real": xp.float64, "complex": xp.complex128}
    if dtype in (xp.float32, xp.complex64):
        return {"real": xp.float32, "complex": xp.complex64}
    return {"real": dtype, "complex": xp.complex64}  # half precision: the array API knows no half complex


def is_sparse(matrix: Any) -> bool:
    """Whether ``matrix`` is a sparse matrix of SciPy or torch, recognised without importing either."""
    return hasattr(matrix, "tocsr") or (is_array(matrix) and "sparse" in str(getattr(matrix, "layout", "")))
