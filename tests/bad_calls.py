"""Bad and odd calls, made from the signatures of the public surface: each is answered at the door.

Every argument of every public function and class takes each of the values below in turn, the others being good. A call
works, or it raises an error that says what was expected and what was received; it never fails in the depth, hangs, asks
for more memory than there is, or takes for a number, a name or a list what is none.

``python -m tests.bad_calls [word …]`` makes all calls of the functions whose names hold one of the words, and lists
those that are answered badly; ``test_bad_calls.py`` makes a part of them.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import functools
import importlib
import inspect
import io
import os
import random
import signal
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import scipy.sparse
import torch

import diffusion
import diffusion.plot
import diffusion.study
import expint
import expint.plot
import expint.scipy
import expint.study
from expint.derive import Tableau
from tests import bad_calls_of_hosts as hosts

MODULES = [
    *(
        "expint",
        "expint.adapters",
        "expint.derive",
        "expint.jacobian",
        "expint.operators",
        "expint.phi",
        "expint.plot",
        "expint.problems",
    ),
    *("expint.scipy", "expint.spectral", "expint.study", "expint.backend", "expint.methods"),
    *("diffusion", "diffusion.adapters", "diffusion.bands", "diffusion.clock", "diffusion.gauge", "diffusion.grids"),
    "diffusion.guidance",
    *("diffusion.models", "diffusion.study", "diffusion.plot"),
]

BAD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "true": lambda: True,
    "text": lambda: "text",
    "no text": lambda: "",
    "a number as text": lambda: "1",
    "bytes": lambda: b"bytes",
    "zero": lambda: 0,
    "negative": lambda: -3,
    "fraction of a count": lambda: 2.5,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "huge": lambda: 10**13,
    "beyond floats": lambda: 10**400,
    "complex": lambda: 1 + 1j,
    "exact": lambda: Fraction(1, 3),
    "decimal": lambda: decimal.Decimal("0.5"),
    "date": lambda: datetime.date(2020, 1, 1),
    "numpy float": lambda: np.float32(0.5),
    "numpy integer": lambda: np.int8(-3),
    "numpy truth": lambda: np.True_,
    "empty list": list,
    "list of None": lambda: [None, None],
    "list of text": lambda: ["a", "b"],
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "empty mapping": dict,
    "mapping": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "iterator": lambda: iter([1.0, 2.0]),
    "object": object,
    "class": lambda: int,
    "module": lambda: types.ModuleType("nothing"),
    "function without arguments": lambda: lambda: None,
    "function of None": lambda: lambda *a, **k: None,
    "path": lambda: Path("/dev/null/at/all"),
    "empty array": lambda: np.array([]),
    "scalar array": lambda: np.array(1.0),
    "array of many axes": lambda: np.ones((2, 3, 1, 2)),
    "array of text": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([None, object()], dtype=object),
    "array of truth": lambda: np.array([True, False]),
    "integer array": lambda: np.array([1, 2]),
    "array of nan": lambda: np.full(4, np.nan),
    "masked array": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    "strided view": lambda: np.arange(8.0)[::-2],
    "read-only": lambda: _frozen(np.ones(4)),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "fields": lambda: np.zeros(2, dtype=[("a", float)]),
    "long double": lambda: np.ones(2, dtype=np.longdouble),
    "integer tensor": lambda: torch.arange(3),
    "half tensor": lambda: torch.ones(3, dtype=torch.float16),
    "tensor without data": lambda: torch.ones(3, device="meta"),
    "sparse tensor": lambda: torch.eye(2).to_sparse(),
    "named tuple": lambda: collections.namedtuple("One", "x")(1),
}


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


NUMBERS = {
    *("zero", "negative", "fraction of a count", "nan", "infinity", "huge", "beyond floats", "exact", "decimal"),
    *("numpy float", "numpy integer", "scalar array"),
}
"""The kinds that are real numbers; a 0-d array is one."""
WHOLE = {"zero", "negative", "huge", "beyond floats", "numpy integer"}
TEXTS = {"text", "no text", "a number as text"}
FUNCTIONS = {"class", "function without arguments", "function of None"}
KINDS: dict[str, set[str]] = {"int": WHOLE, "float": NUMBERS, "str": TEXTS, "Callable": FUNCTIONS}
"""What an argument of an annotated kind may take; anything else that is accepted is nonsense."""


class Call(NamedTuple):
    """One call: a function, the argument that is bad, and how."""

    name: str
    function: Callable[..., Any]
    argument: str
    kind: str
    annotation: str


def _state() -> np.ndarray:
    return np.ones(4)


def _net(x: Any, t: Any, **condition: Any) -> Any:
    return 0.1 * x


def _rest(t: float, y: Any) -> Any:
    return -0.1 * y


def _study() -> expint.study.Study:
    cells = [expint.study.Cell("p", "m", h, h**2, 10, 5, 0.1) for h in (0.1, 0.2, 0.4)]
    return expint.study.Study(tuple(cells), "step")


def _axes() -> Any:
    return expint.plot.pyplot().subplots()[1]


def _matrix() -> np.ndarray:
    return -np.diag([1.0, 2.0, 3.0, 4.0])


def _folder() -> str:
    return tempfile.mkdtemp()


def _saved() -> str:
    path = str(Path(_folder()) / "one.safetensors")
    diffusion.freeze("ddim", VP, steps=2).save(path)
    return path


mpl.use("Agg")
VP = diffusion.VP.linear()
ETD, BURGERS = expint.method("etd2rk"), expint.problems.burgers(n=16)
SOLUTION = expint.solve(BURGERS, "etd2rk", step=0.25)
HEAT = expint.solve_ivp(None, (0, 1), np.ones(4), linear=-1.0, step=0.5)
RK4 = expint.derive.Butcher("rk2", 2, ((), (Fraction(1, 2),)), (0, 1))

GOOD: dict[str, Callable[[], Any]] = {
    "a": lambda: ((), (expint.REST,)),
    "action": lambda: "auto",
    "alpha": lambda: 0.8,
    "annotations": dict,
    "array": _state,
    "arrays": _state,
    "ax": _axes,
    "b": lambda: (expint.REST, expint.derive.phi(2)),
    "blocks": lambda: [[1.0, 0.0], [0.0, 1.0]],
    "butcher": lambda: RK4,
    "c": lambda: (0, 1),
    "calls": lambda: 4,
    "cells": tuple,
    "covariances": lambda: np.eye(2)[None],
    "data": lambda: np.zeros((3, 2)),
    "denoiser": lambda: diffusion.Denoiser(_net),
    "denoisers": lambda: {"one": diffusion.Denoiser(_net)},
    "draw": lambda: lambda frame, ax: None,
    "dtype": lambda: torch.float32,
    "executor": lambda: HERE,
    "exponent": lambda: 2.0,
    "factor": lambda: 10.0,
    "factors": _matrix,
    "first": lambda: ETD,
    "flow": lambda: lambda t, tau, v: v,
    "folder": _folder,
    "frames": lambda: [np.ones((2, 2))],
    "fun": lambda: lambda t, y: -0.1 * y,
    "function": lambda: lambda t, y, v: -v,
    "functions": lambda: [(1, 1), (2, 1)],
    "gradient": lambda: lambda x, t: 0 * x,
    "grid": lambda: None,
    "high": lambda: 2,
    "images": lambda: np.zeros((2, 1, 8, 8)),
    "jac": lambda: None,
    "jacobian": lambda: _matrix,
    "labels": lambda: None,
    "left": lambda: 0.1,
    "like": _state,
    "linear": lambda: -1.0,
    "low": lambda: 1,
    "matrix": _matrix,
    "mean": lambda: 0.5,
    "matvec": lambda: lambda v: -v,
    "means": lambda: np.zeros((1, 2)),
    "method": lambda: ETD,
    "methods": lambda: ["etd2rk"],
    "name": lambda: "mine",
    "network": lambda: _net,
    "nodes": lambda: (0, Fraction(1, 2), 1),
    "noise": lambda: np.ones((2, 2)),
    "nonlinear": lambda: _rest,
    "operator": lambda: lambda t: -1.0,
    "order": lambda: 2,
    "orders": lambda: [1, 2],
    "output": _state,
    "p": lambda: 2,
    "parts": lambda: -1.0,
    "polynomial": lambda: (-2, 0, 1),
    "problem": lambda: BURGERS,
    "problems": lambda: {"p": lambda: expint.problems.riccati()},
    "q": lambda: 2,
    "rate": lambda: lambda t: 1.0,
    "result": _study,
    "right": lambda: 0.4,
    "samplers": lambda: ["ddim"],
    "scale": lambda: 1.5,
    "schedule": lambda: VP,
    "second": lambda: ETD,
    "series": lambda: {"one": ([1.0, 2.0], [1.0, 4.0])},
    "shape": lambda: (2,),
    "sigma": lambda: 0.6,
    "solution": lambda: SOLUTION,
    "source": lambda: "noise",
    "start": lambda: 1.0,
    "steps": lambda: 4,
    "symbol": lambda: -np.arange(4.0),
    "t": lambda: 0.0,
    "t0": lambda: 0.0,
    "t_bound": lambda: 1.0,
    "t_span": lambda: (0.0, 0.1),
    "tableau": lambda: expint.method("krogstad4"),
    "target": lambda: "data",
    "theta": lambda: Fraction(1, 2),
    "times": lambda: [0.5],
    "value": lambda: 1,
    "values": _state,
    "vectors": lambda: {(0, 1.0): np.ones(4)},
    "weights": lambda: [1.0],
    "x": _state,
    "xp": lambda: expint.backend.array_namespace(np.ones(1)),
    "y": _state,
    "y0": _state,
    "units": lambda: {"x": "mm"},
    "z": lambda: np.ones(2),
}
"""Good values of arguments by name, where one is needed."""


def _force(t: float, y: np.ndarray) -> np.ndarray:
    return -y


def _written() -> Path:
    """The path of a checkpoint."""
    path = Path(tempfile.mkdtemp()) / "run.npz"
    expint.solve_ivp(_force, (0, 1), np.ones(2), linear=-1.0, rtol=1e-3, checkpoint=path, checkpoint_every=2)
    return path


def _stopped() -> Any:
    """A run of a sampler that its callback ended."""

    def callback(t: float, x: Any) -> None:
        if t < 0.5:
            raise StopIteration

    return diffusion.trajectory(diffusion.Denoiser(_net), torch.ones(2, 2), sampler="ddim", steps=4, callback=callback)


SPECIAL: dict[str, dict[str, Callable[[], Any]]] = {
    "expint.study.Ranks": {"rank": lambda: expint.study.Rank(0, 1), "allgather": lambda: lambda part: [part]},
    "expint.study.Shards": {"folder": tempfile.mkdtemp, "seeds": lambda: range(4)},
    "expint.study.amplification": {"method": lambda: "krogstad4", "points": lambda: [0.1, 0.2]},
    "diffusion.guidance.superpose": {"denoisers": lambda: [diffusion.Denoiser(_net)] * 2},
    "diffusion.resume": {"run": _stopped},
    "expint.run_splitting": {"method": lambda: expint.method("strang"), "grid": lambda: [0.0, 0.1]},
    "expint.resume": {"path": _written, "nonlinear": lambda: _force},
    "expint.lower": {"grid": lambda: [0.0, 0.1], "operator": lambda: expint.operators.Scalar(-1.0)},
    "expint.method": {"name": lambda: "etd2rk"},
    "expint.scan": {"problem": expint.problems.riccati, "step": lambda: 0.1, "method": lambda: "etd2rk"},
    "expint.solve": {"method": lambda: "auto", "problem": expint.problems.riccati},
    "expint.derive.recover": {"value": lambda: 0.5},
    "expint.derive.open_tableau": {"nodes": lambda: (0, 1)},
    "expint.derive.check_orders": {"method": lambda: ETD},
    "expint.derive.solve_conditions": {"order": lambda: 1, "tableau": lambda: expint.derive.open_tableau((0, 1))},
    "expint.derive.solve_weights": {"order": lambda: 1},
    "expint.derive.Butcher": {"a": lambda: ((), (Fraction(1, 2),)), "b": lambda: (0, 1)},
    "expint.derive.Rosenbrock": {"a": lambda: ((), (expint.REST,))},
    "expint.derive.Splitting": {"a": lambda: (Fraction(1, 2), Fraction(1, 2)), "b": lambda: (1,)},
    "expint.operators.MatrixFree": {"shape": lambda: 4},
    "expint.operators.Sparse": {"matrix": lambda: scipy.sparse.csr_array(_matrix())},
    "expint.begin": {"linear": lambda: -1.0, "jac": lambda: None},
    "diffusion.estimate_statistics": {"noise": lambda: torch.ones(2, 2), "grid": lambda: [1.0, 0.5, 0.1]}
    | {"steps": lambda: None, "denoiser": lambda: diffusion.Denoiser(_net)},
    "expint.derive.collocation": {"nodes": lambda: (Fraction(1, 2),)},
    "expint.derive.compose": {"first": lambda: expint.lawson(RK4), "second": lambda: expint.lawson(RK4)},
    "expint.derive.phi": {"k": lambda: 1},
    "expint.derive.GeneralLinear": {"levels": lambda: ((1,),), "order": lambda: 3, "stiff_order": lambda: 3}
    | {"weak_stiff_order": lambda: 3},
    "expint.derive.HistoryLadder": {"levels": lambda: ((1,),), "order": lambda: 3, "stiff_order": lambda: 3}
    | {"weak_stiff_order": lambda: 3},
    "expint.jacobian.as_source": {"jac": _matrix},
    "expint.phi.phi_matrices": {"matrix": _matrix},
    "expint.phi.Chebyshev": {"low": lambda: -3.0, "high": lambda: 0.0},
    "expint.phi.Rational": {"factor": lambda: lambda s: lambda v: v},
    "expint.phi.Accuracy": {"relative": lambda: 1e-8},
    "expint.plot.movie": {"solution": lambda: HEAT, "where": lambda: {"x": np.arange(4.0)}},
    "expint.plot.field": {"values": lambda: np.ones((2, 3))},
    "expint.plot.study": {"problem": lambda: "p"},
    "expint.problems.make": {"name": lambda: "riccati"},
    "expint.problems.reference": {"name": lambda: "burgers"},
    "expint.problems.sample": {"y": lambda: BURGERS.y0},
    "expint.problems.prescribed_spectrum": {"symbol": lambda: (-1.0, -2.0)},
    **{
        name: {"shape": lambda: 16, "length": lambda: 2.0, "start": lambda: 0.0, "order": lambda: 2}
        for name in ("expint.Grid", *(f"expint.spectral.{own}" for own in ("Cosine", "Differences", "Grid", "Sine")))
    },
    "expint.adapters.Remainder": {"rate": lambda: _rest},
    "expint.adapters.assembled": {"stiffness": _matrix, "mass": lambda: np.eye(4)},
    "expint.spectral.Boundary": {"a": lambda: 1.0, "b": lambda: 0.5},
    "expint.spectral.robin": {"a": lambda: 1.0, "b": lambda: 0.5},
    "expint.operators.Transformed": {
        "symbol": lambda: -np.arange(4.0),
        "basis": lambda: expint.Grid((4,), 1.0, boundary="neumann"),
    },
    "expint.spectral.Chebyshev": {"n": lambda: 8},
    "expint.spectral.Fourier": {"n": lambda: 8},
    "expint.study.Cell": {"problem": lambda: "p", "method": lambda: "m", "value": lambda: 0.1},
    "expint.study.MethodTable": {"rows": lambda: ()},
    "expint.study.Study": {"parameter": lambda: "step"},
    "expint.study.fit_slope": {"x": lambda: [0.1, 0.2, 0.4], "y": lambda: [0.1, 0.2, 0.4]},
    "expint.study.maximum_error": {"y": lambda: BURGERS.y0, "reference": lambda: BURGERS.y0},
    "expint.study.named_problem": {"name": lambda: "burgers"},
    "expint.study.relative_error": {"y": lambda: BURGERS.y0, "reference": lambda: BURGERS.y0},
    "expint.study.run": {"steps": lambda: [0.4], "problems": lambda: {"p": expint.problems.riccati}},
    "expint.backend.stack": {"arrays": lambda: [np.ones(2)]},
    "diffusion.encode": {"data": lambda: np.ones((2, 2)), "sampler": lambda: "ddim", "steps": lambda: 2},
    "diffusion.invert": {"data": lambda: np.ones((2, 2)), "steps": lambda: 2},
    "diffusion.log_likelihood": {"data": lambda: np.ones((2, 2)), "steps": lambda: 2}
    | {"divergence": lambda: "differences"},
    "diffusion.likelihood_bound": {"data": lambda: np.ones((2, 2)), "steps": lambda: 2},
    "diffusion.reversible": {"sampler": lambda: "ddim"},
    "diffusion.Eta": {"eta": lambda: 0.5},
    "diffusion.moments": {"sampler": lambda: "ddim", "size": lambda: 2},
    "diffusion.tune": {"noise": lambda: np.random.default_rng(0).standard_normal((8, 2)), "steps": lambda: 2}
    | {"teacher": lambda: 4, "iterations": lambda: 1},
    "diffusion.sample": {"start": lambda: "noise"},
    "diffusion.trajectory": {"start": lambda: "noise"},
    "diffusion.sampler": {"name": lambda: "ddim", "start": lambda: None},
    "diffusion.Gauge": {"a": lambda: lambda a, s, d: 1, "b": lambda: lambda a, s, d: 1}
    | {"clock": lambda: diffusion.clock.CLOCKS["lambda"] if hasattr(diffusion.clock, "CLOCKS") else None}
    | {"predicts": lambda: "noise"},
    "diffusion.clock.clock": {"name": lambda: "t"},
    "diffusion.gauge.interpolated": {"linear": lambda: 0.5},
    "diffusion.singlestep": {"orders": lambda: [1, 2]},
    "diffusion.transport": {"process": lambda: diffusion.Interpolant(), "states": _state}
    | {"steps": lambda: 4, "grid": lambda: None, "predicts": lambda: "velocity", "method": lambda: "adams2"},
    "diffusion.sample_with_velocity": {"process": lambda: diffusion.CriticallyDamped()}
    | {"network": lambda: lambda u, t: -4.0 * u[..., 1], "noise": lambda: np.ones((2, 2, 2)), "steps": lambda: 4}
    | {"grid": lambda: None, "predicts": lambda: "score", "method": lambda: "adams2", "start": lambda: "noise"},
    "diffusion.grids.check": {"grid": lambda: [1.0, 0.5, 0.1]},
    "diffusion.grids.check_with_zero": {"grid": lambda: [1.0, 0.5, 0.1]},
    "diffusion.grids.nearest": {"grid": lambda: [1.0, 0.5, 0.1], "times": lambda: [1.0, 0.9, 0.5, 0.1]},
    "diffusion.grids.rounded": {"grid": lambda: [1.0, 0.5, 0.1]},
    "diffusion.grids.through": {"grid": lambda: np.array([1.0, 0.5, 0.1])},
    "diffusion.grids.named": {"name": lambda: "karras"},
    "diffusion.grids.mu_of_tokens": {"tokens": lambda: 256},
    "diffusion.grids.shifted": {"shift": lambda: 3.0, "schedule": lambda: diffusion.FlowMatching(t_start=1.0)},
    "diffusion.grids.sigmas": {"values": lambda: [10.0, 1.0, 0.0]},
    "diffusion.bands.pixels": {"shape": lambda: (4,), "count": lambda: 2},
    "diffusion.bands.frequencies": {"shape": lambda: (4,), "count": lambda: 2},
    "diffusion.bands.mask": {"labels": lambda: np.array([0, 1])},
    "diffusion.Bands": {"numbers": lambda: np.array([0, 1])},
    "diffusion.FittedSampler": {"nodes": lambda: [1.0, 0.5], "c": lambda: [0.0], "D": lambda: [[1.0]]},
    "diffusion.Report": {"quantity": lambda: "error", "before": lambda: 1.0, "after": lambda: 0.5}
    | {"spread": lambda: 0.1, "starts": lambda: (8, 4)},
    "diffusion.freeze": {"sampler": lambda: "ddim"},
    "diffusion.load_sampler": {"path": _saved},
    "diffusion.guidance.classifier_free": {"unconditional": dict},
    "diffusion.guidance.corrected": {"function_of_data": lambda: lambda x0, t: x0},
    "diffusion.guidance.inpainted": {"mask": lambda: np.ones((1, 2)), "data": lambda: np.ones((2, 2))},
    "diffusion.add_noise": {"data": lambda: np.ones((2, 2)), "t": lambda: 0.5},
    "diffusion.image_to_image": {"data": lambda: np.ones((2, 2)), "sampler": lambda: "ddim", "steps": lambda: 2},
    "diffusion.inpaint": {"data": lambda: np.ones((2, 2)), "mask": lambda: np.ones((1, 2)), "sampler": lambda: "ddim"}
    | {"steps": lambda: 2},
    "diffusion.sample_in_batches": {"batch_size": lambda: 1, "sampler": lambda: "ddim"},
    "diffusion.sample_in_parallel": {"sampler": lambda: "ddim", "steps": lambda: 2},
    "diffusion.save_images": {"images": lambda: np.zeros((2, 1, 2, 2)), "name": lambda: f"{_folder()}/{{}}.png"},
    "diffusion.slerp": {"first": lambda: np.ones((2, 2)), "second": lambda: np.eye(2), "weight": lambda: 0.5},
    "diffusion.models.frechet_distance": {"images": lambda: np.random.default_rng(0).random((40, 1, 8, 8))},
    "diffusion.study.named_model": {"name": lambda: "digits"},
    "diffusion.study.normal_noise": {"count": lambda: 2},
    "diffusion.study.endpoint_error": {"x": lambda: np.ones((2, 2)), "reference": lambda: np.ones((2, 2))},
    "diffusion.study.frechet": {"x": lambda: np.random.default_rng(0).random((40, 1, 8, 8)), "reference": lambda: None},
    "diffusion.study.run": {"calls": lambda: [2], "reference": lambda: ("ddim", 4)},
}
"""Good values where the name alone does not tell."""

DENSE = expint.solve_ivp(_rest, (0.0, 1.0), _state(), linear=-1.0, method="krogstad4", step=0.25, dense_output=True)
PHISUM = ("series", "scaled", "raised", "evaluate", "subs", "latex")
SCHEDULES: dict[str, Callable[[], Any]] = {
    "VP": diffusion.VP.linear,
    "VPCosine": diffusion.VP.cosine,
    "VPTable": lambda: diffusion.VP.from_betas(np.linspace(1e-4, 0.02, 100)),
    "VE": diffusion.VE,
    "EDM": diffusion.EDM,
    "FlowMatching": diffusion.FlowMatching,
}
OF_TIME = (
    *("alpha", "sigma", "rho", "half_log_snr", "half_log_snr_rate", "time", "noise_scale"),
    *("network_time", "time_of_network"),
)

METHODS: dict[str, Callable[[], Any]] = {
    "expint.spectral.Fourier(…).fft": lambda: expint.spectral.Fourier(8).fft,
    "expint.spectral.Fourier(…).ifft": lambda: expint.spectral.Fourier(8).ifft,
    "expint.spectral.Fourier(…).dealias": lambda: expint.spectral.Fourier(8).dealias,
    "expint.spectral.Fourier(…).dealiased": lambda: expint.spectral.Fourier(8).dealiased,
    "expint.study.Study(…).curve": lambda: _study().curve,
    "expint.study.Study(…).slopes": lambda: _study().slopes,
    "expint.study.Cache(…).get": lambda: expint.study.Cache(_folder()).get,
    "expint.derive.Tableau.from_floats": lambda: Tableau.from_floats,
    "expint.derive.Tableau(…).subs": lambda: ETD.subs,
    "expint.derive.Butcher.low_storage": lambda: expint.derive.Butcher.low_storage,
    "expint.derive.Tableau(…).schemes": lambda: ETD.schemes,
    **{f"expint.PhiSum(…).{name}": lambda name=name: getattr(expint.derive.phi(1), name) for name in PHISUM},
    "expint.Solution(…).sol": lambda: DENSE.sol.__call__,
    "diffusion.VP.linear": lambda: diffusion.VP.linear,
    "diffusion.VP.cosine": lambda: diffusion.VP.cosine,
    "diffusion.VP.from_betas": lambda: diffusion.VP.from_betas,
    **{
        f"diffusion.{kind}(…).{name}": lambda make=make, name=name: getattr(make(), name)
        for kind, make in SCHEDULES.items()
        for name in OF_TIME
    },
    "diffusion.Denoiser(…)": lambda: diffusion.Denoiser(_net).__call__,
    "diffusion.Denoiser(…).predict": lambda: diffusion.Denoiser(_net).predict,
    "diffusion.Denoiser(…).with_condition": lambda: diffusion.Denoiser(_net).with_condition,
    "diffusion.Sampler(…).plan": lambda: diffusion.sampler("ddim").plan,
    "diffusion.Sampler(…).grid": lambda: diffusion.sampler("ddim").grid,
}
SPECIAL |= {
    "expint.spectral.Fourier(…).fft": {"u": lambda: np.ones(8)},
    "expint.spectral.Fourier(…).ifft": {"v": lambda: np.ones(5, complex)},
    "expint.spectral.Fourier(…).dealias": {"v": lambda: np.ones(5, complex)},
    "expint.study.Study(…).curve": {"problem": lambda: "p", "method": lambda: "m"},
    "expint.study.Cache(…).get": {"key": lambda: "key"},
    "expint.derive.Tableau.from_floats": {"c": lambda: [0, 0.5], "a": lambda: [[], [0.5]], "b": lambda: [0, 1]},
    "expint.derive.Tableau(…).subs": {"values": dict},
    "expint.derive.Butcher.low_storage": {"a": lambda: (0,), "b": lambda: (1,), "order": lambda: 1},
    "expint.PhiSum(…).series": {"count": lambda: 3},
    "expint.PhiSum(…).raised": {"m": lambda: 1},
    "expint.PhiSum(…).evaluate": {"z": lambda: 0.5},
    "expint.PhiSum(…).subs": {"values": dict},
    "expint.Solution(…).sol": {"t": lambda: 0.3},
    "expint.step": {"state": lambda: expint.begin(_rest, 0.0, _state(), linear=-1.0), "h": lambda: 0.1},
    "diffusion.VP.from_betas": {"betas": lambda: np.linspace(1e-4, 0.02, 100)},
    **{
        f"diffusion.{kind}(…).{name}": dict.fromkeys(("t", "half_log_snr", "told"), lambda: 0.5)
        for kind in SCHEDULES
        for name in OF_TIME
    },
    "diffusion.Denoiser(…)": {"x": lambda: np.ones((2, 2)), "t": lambda: 0.5},
    "diffusion.Denoiser(…).predict": {"x": lambda: np.ones((2, 2)), "t": lambda: 0.5, "kind": lambda: "data"},
    "diffusion.Denoiser(…).with_condition": {"condition": dict},
    "diffusion.Sampler(…).plan": {
        "times": lambda: np.array([1.0, 0.5, 0.1]),
        "grid": lambda: np.array([1.0, 0.5, 0.1]),
    },
    **hosts.SPECIAL,
}
METHODS |= hosts.METHODS

LEFT_OUT = {
    *(
        "Plan",
        "Solution",
        "Solutions",
        "Stats",
        "Status",
        "StepState",
        "run_plan",
        "Latent",
        "Likelihood",
        "LikelihoodBound",
    ),  # made by the library
    "ChainRun",
    *("Method", "Stage", "StepContext", "Algebraic", "LieGroupMethod", "adjoint", "Linearisation", "Lineariser"),
    *("Source", "PhiTable", "Operator", "Row", "Step", "Array", "JacobianFailure", "ActionFailure", "Reference"),
    *("Job", "NotKeptWarning", "NotKeyed", "Outcome", "Slope", "StudyInterrupted", "run_jobs", "Processes"),
    *("VP", "Clock", "NoiseSchedule", "OffScaleWarning", "Sampler", "SamplingError", "Statistics", "dpm_solver_v3"),
    *("Network", "StateClock", "TimeClock", "Gauge", "ExponentialSolver", "LinearisedSolver", "families", "End"),
    *("ideal_digits", "workers", "Namespace", "fingerprint", "check_orders", "UnstableWarning"),
    *("ErrorEstimate", "Terms", "adams_terms", "placed", "spread"),  # of which methods make a step, each step
    *(
        "Ancestral",
        "Churned",
        "LangevinCorrected",
        "Restarted",
        "TrajectoryConsistent",
        "StateGauge",
        "TuningInterrupted",
    ),
    *("Strength", "BoundaryWarning", "Assembled", "rate_of"),  # abstract, a warning, and what others make
    *("ParallelRun", "StoppedRun", "StoppedWarning", "Superposed", "SuperposedRun", "CataloguedMethod", "MethodTable"),
}
"""Protocols, records and exceptions that the library makes, not the user, and what takes anything or minutes."""


class _Here:
    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        from concurrent.futures import Future

        future: Future = Future()
        future.set_result(function(*args, **kwargs))
        return future


HERE = _Here()


def done_with(result: Any) -> None:
    """Take a film that nobody shows for one that was shown: matplotlib warns of others when they go."""
    if hasattr(result, "_draw_was_started"):
        result._draw_was_started = True


def public_module(path: str) -> types.ModuleType:
    """Return the module that a user calls so: a part of its package, wherever its file lies, or one to import."""
    package, _, name = path.rpartition(".")
    part = getattr(importlib.import_module(package), name, None) if package else None
    return part if isinstance(part, types.ModuleType) else importlib.import_module(path)


@functools.cache
def surface() -> dict[str, Callable[..., Any]]:
    """Return the public functions and classes by name."""
    found: dict[str, Callable[..., Any]] = {}
    known: set[int] = set()
    for path in MODULES:
        module = public_module(path)
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and id(value) not in known and name not in LEFT_OUT:
                known.add(id(value))
                found[f"{path}.{name}"] = value
    return found | {name: make() for name, make in METHODS.items()}


def calls(words: tuple[str, ...] = ()) -> Iterator[Call]:
    """Yield all calls, in a fixed order, of functions whose names hold one of the words."""
    for name, function in surface().items():
        if words and not any(word in name for word in words):
            continue
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            for kind in BAD:
                yield Call(name, function, parameter.name, kind, str(parameter.annotation))


def good(name: str, function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return good arguments for a function, those that it needs and those that are special."""
    special, positional, keywords = SPECIAL.get(name, {}), [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.name in special:
            value = special[parameter.name]()
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional.append(GOOD[parameter.name]())
            continue
        elif parameter.default is parameter.empty or (parameter.name == "executor" and "study" in name):
            value = GOOD[parameter.name]()
        elif parameter.name == "steps" and name.startswith("diffusion."):
            value = 4
        else:
            continue
        keywords[parameter.name] = value
    return positional, keywords


class Hang(BaseException):
    """A call took too long."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `Hang` in a block that takes longer."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer(call: Call, seconds: float = 5.0) -> str:
    """Make a call, and return what is wrong with its answer: nothing, if it is right."""
    positional, keywords = good(call.name, call.function)
    value = BAD[call.kind]()
    if inspect.signature(call.function).parameters[call.argument].kind is inspect.Parameter.VAR_POSITIONAL:
        positional = [value]
    else:
        keywords[call.argument] = value
    np.random.seed(0)
    try:
        with (
            limited(seconds),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            done_with(call.function(*positional, **keywords))
    except Hang:
        return f"hangs for {seconds} s"
    except BaseException as error:
        return _judged(error)
    finally:
        expint.plot.pyplot().close("all")
    for kind, fitting in KINDS.items():
        plain = call.annotation == kind or (kind == "Callable" and call.annotation.startswith("Callable["))
        if plain and " | " not in call.annotation and call.kind not in fitting:
            return f"nonsense: taken as {call.annotation}"
    return ""


_OF_INT = ("arrays can be converted to", "can be converted to an index", "cannot be interpreted as an integer")
"""What ``int``, given as a function, says of its arguments."""


def _judged(error: BaseException) -> str:
    message = " ".join(str(error).split()).replace("Expected", "expected")
    if isinstance(error, ValueError | TypeError | ArithmeticError | ImportError) and all(
        word in message for word in ("expected", "received")
    ):
        return ""
    if isinstance(error, OSError) and (error.filename is not None or "expected" in message):
        return ""  # a path at which there is no such file, which the system tells by name
    if isinstance(error, TypeError) and ("<lambda>() " in message or "positional argument" in message):
        return ""  # a user's function of another signature, which Python tells best
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return ""  # of the operating system, about a file that is not there or none: documented, and it names the file
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    if frames[-1] == __file__ or "int() " in message or any(words in message for words in _OF_INT):
        return ""  # raised by what the caller gave, or by ``int`` given as a function
    return f"depth: {type(error).__name__}: {message[:150]}"


def sample(count: int, words: tuple[str, ...] = (), seed: int = 0) -> list[Call]:
    """Return so many calls, drawn by a seed."""
    found = list(calls(words))
    return random.Random(seed).sample(found, min(count, len(found)))


def main(words: tuple[str, ...]) -> None:
    """Make all calls and write what is answered badly, by function and argument."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, 24 << 30))
    bool((torch.ones(1, device="meta") > 0).shape)  # imports what takes seconds, and must not be interrupted
    os.chdir(tempfile.mkdtemp())  # where caches of odd names are made
    made, wrong = 0, collections.Counter()
    faults: dict[tuple[str, str], dict[str, list[str]]] = {}
    for call in calls(words):
        made += 1
        found = answer(call)
        if found:
            wrong[found.partition(":")[0].partition(" ")[0]] += 1
            faults.setdefault((call.name, call.argument), {}).setdefault(found, []).append(call.kind)
    lines = []
    for (name, argument), found in faults.items():
        lines += [f"{name} {argument}=", *(f"    {what}  [{', '.join(kinds)}]" for what, kinds in found.items())]
    sys.stdout.write("\n".join([*lines, f"{made} calls, {sum(wrong.values())} answered badly: {dict(wrong)}\n"]))


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
