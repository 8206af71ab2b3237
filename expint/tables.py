"""Solutions as tables of other libraries, which are optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np

from expint.backend import to_numpy

__all__ = ["dataframe", "dataset"]


def _library(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"expected {name} for {what}, received none; pip install {name}") from error


def dataframe(solution: Any) -> Any:
    """Return a pandas data frame; see ``Solution.to_dataframe``."""
    pandas = _library("pandas", "to_dataframe")
    times = pandas.Index(solution.t, name="t")
    if isinstance(solution.saved, dict):
        named = {name: to_numpy(own) for name, own in solution.saved.items()}
        flat = {name: own if own.ndim == 1 else list(own) for name, own in named.items()}
        return pandas.DataFrame(flat, index=times)
    values = to_numpy(solution.y if solution.saved is None else solution.saved)
    entries = list(product(*(range(n) for n in values.shape[1:])))
    columns = (
        pandas.MultiIndex.from_tuples(entries) if values.ndim > 2 else [entry[0] if entry else 0 for entry in entries]
    )
    return pandas.DataFrame(values.reshape(len(times), -1), index=times, columns=columns)


def dataset(solution: Any, coords: Mapping[str, Any] | None) -> Any:
    """Return an xarray dataset; see ``Solution.to_xarray``."""
    xarray = _library("xarray", "to_xarray")
    states = to_numpy(solution.y)
    axes = _axes(states.shape[1:], coords)
    known = {name: own for name, own in axes.items() if own is not None}
    attrs = {"method": solution.method, "message": solution.message, **asdict(solution.stats)}
    if solution.saved is None:
        variables: dict[str, Any] = {"y": (("t", *axes), states)}
    else:
        saved = solution.saved if isinstance(solution.saved, dict) else {"saved": solution.saved}
        variables = {"y_end": (tuple(axes), states[-1])} if len(states) else {}
        for name, own in saved.items():
            values = to_numpy(own)
            inner = tuple(f"{name}_{k}" for k in range(values.ndim - 1))
            variables[str(name)] = (("t", *inner), values)
    return xarray.Dataset(variables, coords={"t": solution.t, **known}, attrs=attrs)


def _axes(shape: tuple[int, ...], coords: Mapping[str, Any] | None) -> dict[str, np.ndarray | None]:
    """Return the names of the axes of a state, with their coordinates as far as they are known."""
    if coords is None:
        return {f"axis_{k}": None for k in range(len(shape))}
    given = {name: None if own is None else np.asarray(own) for name, own in coords.items()}
    lengths = [n if own is None else len(own) for own, n in zip(given.values(), shape)]
    if len(given) != len(shape) or tuple(lengths) != tuple(shape):
        raise ValueError(
            f"expected coords of the axes of a state of shape {tuple(shape)}, received {list(given)} of lengths "
            f"{[None if own is None else len(own) for own in given.values()]}; pass one for each axis, in order"
        )
    return given
