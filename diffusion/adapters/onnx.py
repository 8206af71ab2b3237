"""Networks in the format ONNX, run by onnxruntime.

.. code-block:: python

    from diffusion.adapters import onnx

    net = diffusion.Denoiser(adapters.with_index(onnx.network("unet.onnx"), rounded=True), "noise", schedule)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.adapted import Network
from diffusion.optional import require
from expint.arguments import path, seen, text
from expint.arrays import real_values
from expint.backend import Array, array_namespace, device, has_values, is_array, to_numpy

__all__ = ["network"]

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def network(
    model: str | os.PathLike[str] | Any,
    *,
    state: str | None = None,
    time: str | None = None,
    output: str | None = None,
    providers: Sequence[str] | None = None,
) -> Network:
    r"""Return a network in the format ONNX as a function (x, t, \*\*condition) for a `Denoiser`.

    Parameters
    ----------
    model
        A file, or an ``InferenceSession`` of onnxruntime.
    state, time
        The names of the inputs for x and t; the first two inputs if they are not given. Conditions go by the names of
        the other inputs.
    output
        The name of the output; the first one if it is not given.
    providers
        What onnxruntime runs a file by, such as ["CUDAExecutionProvider"]; None for all that there are.

    Returns
    -------
    function
        Arrays go through the memory of the host. They are cast to the types of the inputs, and the output to that of x;
        a time of no axis is told once, else for each sample. Other adapters, such as ``with_index``, go around it.

    Raises
    ------
    TypeError, ValueError
        If there are no two inputs, or none of a name; in a run, if a time that is no whole number is to be one.
    ImportError
        Without onnxruntime, for a file.
    """
    session: Any = model
    if not hasattr(model, "get_inputs"):
        file = path("model", model)
        onnxruntime = require("onnxruntime", "onnxruntime>=1.17,<2")
        chosen = onnxruntime.get_available_providers() if providers is None else list(providers)
        session = onnxruntime.InferenceSession(file, providers=chosen)
    inputs = {given.name: given for given in session.get_inputs()}
    outputs = [given.name for given in session.get_outputs()]
    if len(inputs) < 2:
        raise ValueError(f"expected a model of at least two inputs, the state and the time, received {list(inputs)}")
    names = list(inputs)
    asked = [names[0] if state is None else text("state", state), names[1] if time is None else text("time", time)]
    result = outputs[0] if output is None else text("output", output)
    for name, known in ((asked[0], names), (asked[1], names), (result, outputs)):
        if name not in known:
            raise ValueError(f"expected one of {known}, received {name!r}; look at the inputs and outputs of the model")
    return _Session(session, inputs, asked[0], asked[1], result)


@dataclass(frozen=True, eq=False)
class _Session:
    session: Any
    inputs: dict[str, Any]
    state: str
    time: str
    output: str

    def __call__(self, x: Array, t: Array, **condition: Any) -> Array:
        """Return the output, like x."""
        if not is_array(x) or not has_values(x):
            raise TypeError(f"expected the state as a dense array or tensor, received {seen(x)}; pass noise or data")
        told = real_values("t", t)
        if not self.inputs[self.time].shape:
            told = told.reshape(-1)[:1].reshape(())
        given = {self.state: x, self.time: told, **condition}
        (found,) = self.session.run([self.output], {name: self._cast(name, value) for name, value in given.items()})
        return array_namespace(x).asarray(found, dtype=x.dtype, device=device(x))

    def _cast(self, name: str, value: Any) -> np.ndarray:
        if name not in self.inputs:
            raise ValueError(f"expected a condition of the names {list(self.inputs)}, received {name!r}; rename it")
        dtype: Any = _DTYPES.get(self.inputs[name].type)
        try:
            cast = np.asarray(to_numpy(value) if is_array(value) else value, dtype=dtype)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise TypeError(
                f"expected {name} as numbers, {self.inputs[name].type}, received {seen(value)}; convert it"
            ) from error
        if name == self.time and cast.dtype.kind == "i" and np.any(cast != value):
            raise ValueError(
                f"expected whole times, which the model is told as {self.inputs[name].type}, received {seen(value)}; "
                "take adapters.with_index(network, rounded=True) and a grid of such times (grids.rounded)"
            )
        return cast
