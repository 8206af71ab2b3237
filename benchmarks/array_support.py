"""Which functions take arrays of which library: every cell is a run, held against the numbers of NumPy.

Run it as ``python -m benchmarks.array_support``; with ``--write`` it renews docs/arrays.md. A cell holds if the call
returns arrays of the library, of the precision of the state, and the numbers of NumPy. CuPy's arrays need a GPU: the
column array-api-strict, which has nothing beyond the standard, stands for libraries that follow it.
"""

# ruff: noqa: ARG001, ARG005  (N, events and networks take t, models a library, whether they look at it or not)

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import diffusion
import expint
from benchmarks import parser
from expint.backend import array_namespace, is_array, to_numpy
from expint.operators import KroneckerSum, MatrixFree, TimeDependent, TimeScaled

__all__ = ["CASES", "LIBRARIES", "cell", "rows"]

PAGE = Path(__file__).parents[1] / "docs" / "arrays.md"
MARK = "<!-- table: python -m benchmarks.array_support --write -->\n"

START = np.array([1.0, -0.5, 0.3, 0.8])
SYMBOL = np.array([-0.5, -3.0, -20.0, -1.0])
MATRIX = np.diag(SYMBOL) + 0.3 * np.eye(4, k=1)


class Library(NamedTuple):
    """A library: its name, and what makes an array of one of NumPy in a precision."""

    name: str
    make: Callable[[np.ndarray], Any]


def _libraries() -> list[Library]:
    found = [Library("NumPy", np.asarray)]
    if importlib.util.find_spec("torch"):
        import torch

        found.append(Library("torch", lambda own: torch.tensor(np.asarray(own))))
    if importlib.util.find_spec("jax"):
        import jax

        found.append(Library("JAX", lambda own: jax.numpy.asarray(own)))
    if importlib.util.find_spec("array_api_strict"):
        import array_api_strict

        found.append(Library("array-api-strict", lambda own: array_api_strict.asarray(np.asarray(own))))
    return found


LIBRARIES = _libraries()


def force(t: float, y: Any) -> Any:
    """Return N(t, y) in the library of the state."""
    xp = array_namespace(y)
    return xp.sin(y) * (1.0 + t)


def solve(array: Callable[..., Any], y0: Any = START, nonlinear: Any = force, **options: Any) -> expint.Solution:
    """Return a run with arrays of a library."""
    given = {"linear": array(SYMBOL), "rtol": 1e-3} | options
    given = {name: value for name, value in given.items() if value is not None}
    return expint.solve_ivp(nonlinear, given.pop("t_span", (0, 1)), array(y0), **given)


FIXED: dict[str, Any] = {"step": 0.1, "rtol": None}


def _falls(t: float, y: Any) -> Any:
    return y[1] + 0.45


def _model(array: Callable[..., Any]) -> diffusion.Denoiser:
    return diffusion.Denoiser(lambda x, t: 0.5 * x, predicts="noise")


NOISE = np.array([[0.5, -1.0], [1.5, 0.2]])

CASES: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "`solve_ivp` to a tolerance, with the default method": lambda a: solve(a).y,
    "… with fixed steps": lambda a: solve(a, **FIXED).y,
    "… without `rtol`, in double precision": lambda a: solve(a, rtol=None).y_end,
    "… in single precision, without `rtol`": lambda a: solve(a, START.astype("f4"), rtol=None).y_end,
    "… of complex states": lambda a: solve(a, START + 0.5j, linear=a(1j * SYMBOL)).y,
    "… of complex states in single precision": lambda a: solve(a, (START + 0.5j).astype("c8"), rtol=None).y_end,
    "… of integers": lambda a: solve(a, np.array([1, 0, 2, 3]), **FIXED).y_end,
    "… backwards, `t_span=(1, 0)`": lambda a: solve(a, t_span=(1, 0), linear=a(0.1 * SYMBOL)).y,
    "… L a number": lambda a: solve(a, linear=-2.0).y,
    "… L a matrix": lambda a: solve(a, linear=a(MATRIX)).y,
    "… L a Kronecker sum": lambda a: (
        solve(a, START.reshape(2, 2), linear=KroneckerSum(MATRIX[:2, :2], MATRIX[2:, 2:])).y
    ),
    "… L by its products": lambda a: solve(a, linear=MatrixFree(lambda v: a(MATRIX) @ v, 4), **FIXED).y_end,
    "… L a function of time": lambda a: solve(a, linear=TimeDependent(lambda t: a((1 + t) * SYMBOL)), **FIXED).y,
    "… L = g(t) A": lambda a: solve(a, linear=TimeScaled(lambda t: 1 + t, a(SYMBOL)), **FIXED).y,
    "… without L, by methods that linearise": lambda a: solve(a, linear=None).y_end,
    "… with `jac`": lambda a: solve(a, linear=None, jac=lambda t, y: a(np.diag(np.cos(to_numpy(y)) * (1 + t)))).y_end,
    "… `t_eval`": lambda a: solve(a, t_eval=[0.25, 0.5]).y,
    "… `dense_output`": lambda a: solve(a, dense_output=True).sol([0.25, 0.75]),  # type: ignore[misc]  # asked for above
    "… `events`": lambda a: solve(a, events=_falls).y_events[0],  # type: ignore[index]  # asked for above
    "… `breakpoints`": lambda a: solve(a, breakpoints=[0.5]).y_end,
    "… `save`": lambda a: solve(a, save=lambda t, y: y * y).saved,
    "… `norm`": lambda a: solve(a, norm="max").y_end,
    "… tolerances as arrays": lambda a: solve(a, atol=a(np.full(4, 1e-4))).y_end,
    '… `error="doubling"`': lambda a: solve(a, method="krogstad4", error="doubling").y_end,
    "… `args`": lambda a: solve(a, nonlinear=lambda t, y, b: b * y, args=(a(SYMBOL),), **FIXED).y_end,
    "`begin` and `step`": lambda a: expint.step(expint.begin(force, 0.0, a(START), linear=a(SYMBOL)), 0.1).y,
    "`run_splitting`": lambda a: (
        expint.run_splitting(
            expint.method("strang"), a(SYMBOL), lambda t, tau, y: y * (1 + tau), a(START), [0.0, 0.5, 1.0]
        ).y
    ),
    "`phi.phi_functions`": lambda a: expint.phi.phi_functions(a(SYMBOL), 3)[3],
    "`phi.phi_matrices`": lambda a: expint.phi.phi_matrices(a(MATRIX), 3)[3],
    "`diffusion.sample`": lambda a: diffusion.sample(_model(a), a(NOISE), steps=6),
    "`diffusion.trajectory`": lambda a: diffusion.trajectory(_model(a), a(NOISE), sampler="deis-tab3", steps=6).y,
    "`diffusion.sample`, stochastic": lambda a: diffusion.sample(
        _model(a), a(NOISE), sampler="dpmpp-2m-sde", steps=6, rng=1
    ),
    "`diffusion.encode`": lambda a: diffusion.encode(_model(a), a(NOISE), sampler="deis-tab3", steps=20),
}


def _doubles(library: Library) -> Any:
    """Return a context in which the library has double precision: JAX has it where it is switched on."""
    if library.name != "JAX":
        return nullcontext()
    import jax

    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()


def cell(case: str, library: Library) -> str:
    """Return "yes", or in a few words why not."""
    try:
        with warnings.catch_warnings(), _doubles(library):
            warnings.simplefilter("ignore")
            expected, found = to_numpy(CASES[case](np.asarray)), CASES[case](library.make)
    except Exception as error:  # whatever it is, it is what a user sees
        return "no: " + str(error).partition(", received")[0]
    if not is_array(found) or array_namespace(found) is not array_namespace(library.make(START)):
        return f"returns {type(found).__module__}.{type(found).__name__}"
    host = to_numpy(found)
    if host.dtype != expected.dtype:
        return f"returns {host.dtype}"
    near = 3e-4 if host.dtype in (np.float32, np.complex64) else 1e-7  # steps may round otherwise
    close = host.shape == expected.shape and np.allclose(host, expected, rtol=near, atol=near)
    return "yes" if close else "returns other numbers"


def rows(cases: Sequence[str] = tuple(CASES)) -> dict[str, list[str]]:
    """Return the cells of the table by the names of its rows."""
    return {case: [cell(case, library) for library in LIBRARIES] for case in cases}


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = parser("benchmarks.array_support", __doc__)
    command.add_argument("--write", action="store_true", help="renew the table in docs/arrays.md")
    given = command.parse_args(arguments)
    names = [library.name for library in LIBRARIES]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for case, cells in rows(tuple(CASES)[:6] if given.quick else tuple(CASES)).items():
        lines.append(f"| {case} | {' | '.join(cells)} |")
    if given.write:
        before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
        PAGE.write_text(before + MARK + "\n".join(["", *lines, ""]), encoding="utf-8")
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
