"""Runs of plans in torch: a step compiled once, or captured as a CUDA graph, and made as often as there are steps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch

from expint.arguments import choice
from expint.backend import Array, asarray_like
from expint.exchange import asking
from expint.lower.memory import Memory
from expint.lower.plan import Plan
from expint.operators.iterated import IteratedOperator
from expint.run.compiled.stacked import Numbers, Piece, Program, filled, stacked

__all__ = ["TorchRuns", "guest"]

T = TypeVar("T")

BACKENDS = ("auto", "inductor", "cuda-graph", "eager")

_WORTH = 8
"""Patterns of fewer steps, such as those of a start, are run as they are: compiling one takes seconds."""


def guest(nonlinear: Callable[..., Array], checkpoint: bool, backend: str) -> TorchRuns:
    """Return the runs of one N, for ``expint.scan``."""
    if checkpoint:
        raise ValueError(
            "expected checkpoint=False for states of torch, received True; take expint.solve_ivp(..., "
            "gradient='adjoint'), whose memory grows with √n"
        )
    return TorchRuns(nonlinear, choice("backend", backend, BACKENDS))


class TorchRuns:
    """The runs of one N.

    Parameters
    ----------
    nonlinear
        N(t, y, *args), with t a tensor of shape () in double precision.
    backend
        As in ``expint.scan``.
    """

    library = "torch"

    def __init__(self, nonlinear: Callable[..., Array], backend: str) -> None:
        self._nonlinear, self._backend, self._last = nonlinear, backend, backend
        self._known: WeakKeyDictionary[Plan, dict[Any, tuple[Program, Numbers]]] = WeakKeyDictionary()
        self._steps: dict[Any, Callable[..., Any]] = {}
        self._graphs: dict[Any, tuple[Any, Callable[..., Any]]] = {}

    @property
    def name(self) -> str:
        """What ran the last run, in words."""
        return {
            "inductor": "steps compiled by torch.compile",
            "cuda-graph": "steps captured as a CUDA graph",
            "eager": "steps as they are" + (": no compiler is at hand" if self._backend == "auto" else ""),
            "auto": "not run yet",
        }[self._last]

    def key(self, y: Array) -> Any:
        """Return by what plans for states like ``y`` are kept."""
        return self.library, y.dtype, y.device

    def template(self, y: Array) -> Array:
        """Return a state like ``y``, without its graph."""
        return y.detach()

    def outside(self, make: Callable[[], T]) -> T:
        """Return what is made without a graph."""
        with torch.no_grad():
            return make()

    def by_plan(self, plan: Plan, y: Array, args: Any, every: bool, earlier: tuple[Array, ...], noise: Any) -> Array:
        """Run a plan; its numbers are laid out once for each kind of state."""
        if isinstance(plan.operator, IteratedOperator):
            raise TypeError(
                f"expected an operator whose weights are numbers, received {plan.operator!r}, which is applied by "
                "iterations that depend on values; take expint.solve_ivp"
            )
        known, kind = self._known.setdefault(plan, {}), (y.dtype, y.device)
        if kind not in known:
            known[kind] = self.outside(lambda: _program_of(plan, y.detach()))
        program, numbers = known[kind]
        self._last = runner = _chosen(self._backend, y)
        memory: Memory = program.layout.start(y.clone(), earlier)
        slope, found, done = asking(self._nonlinear, args, y, "nonlinear(t, y)"), [], 0
        for number, (piece, weights, which, times) in enumerate(zip(program.pieces, *numbers)):
            memory = filled(memory, piece.live, lambda: torch.zeros_like(y))
            worth = piece.count >= _WORTH
            step = self._step(plan, program, number, runner if worth else "eager", slope)
            if worth and runner == "cuda-graph":
                first = (memory, _at(weights, which, 0), times[0], None if noise is None else noise[0], args)
                step = self._captured((program, number, y.shape, y.dtype, y.device), step, first)
            for k in range(piece.count):
                drawn = None if noise is None or done + k == 0 else noise[done + k - 1]
                memory, state = step(memory, _at(weights, which, k), times[k], drawn, args)
                memory = filled(memory, piece.live, lambda: torch.zeros_like(y)) if worth else memory
                if every:
                    found.append(state.clone() if runner == "cuda-graph" else state)
            done += piece.count
        if every:
            return torch.stack(found)
        return memory[0].clone() if runner == "cuda-graph" else memory[0]  # the buffer serves the next run

    def _captured(self, key: Any, step: Callable[..., Any], first: Any) -> Callable[..., Any]:
        """Return a captured step; one for each of the arguments of N, whose memory it reads."""
        args = first[-1]
        key = (*key, *(id(own) for own in args))
        if key not in self._graphs:
            self._graphs[key] = args, _captured(step, *first)  # holding the arguments keeps their ids unique
        return self._graphs[key][1]

    def _step(
        self, plan: Plan, program: Program, number: int, runner: str, slope: Callable[..., Array]
    ) -> Callable[..., Any]:
        """Return (memory, weights, times, noise, args) ↦ (memory after the step, state), compiled if that is asked."""
        piece, combiner = program.pieces[number], plan.operator.combiner
        if runner == "eager":
            return _step(piece, program, combiner(), lambda t, y, *_: slope(t, y))
        key = (program, number, runner, getattr(combiner, "__func__", combiner))
        if key not in self._steps:
            step = _step(piece, program, combiner(), self._lent)
            compiles = runner == "inductor"
            self._steps[key] = torch.compile(step, dynamic=False) if compiles else step
        return self._steps[key]

    def _lent(self, t: Array, y: Array, *args: Any) -> Array:
        """Return N of a copy of the state, in memory that nobody else holds; compilers leave copies out that they may.

        What it returns was checked at the first evaluation, which is never compiled.
        """
        return self._nonlinear(t, y.clone(), *args).clone()


def _program_of(plan: Plan, like: Array) -> tuple[Program, Numbers]:
    """Return a plan as a program and its numbers, as tensors beside ``like``; times are in double precision."""

    def of(weight: Any) -> Any:
        if isinstance(weight, tuple):
            return tuple(of(own) for own in weight)
        return (
            weight
            if isinstance(weight, torch.Tensor)
            else asarray_like(np.asarray(0.0 if weight is None else weight), like)
        )

    program, numbers = stacked(plan, _stack, of)
    times = tuple(torch.as_tensor(own, device=like.device).unbind(0) for own in numbers.times)
    which = tuple(None if own is None else own.tolist() for own in numbers.which)
    return program, numbers._replace(times=times, which=which)


def _stack(weights: Sequence[Any]) -> Any:
    if isinstance(weights[0], tuple):
        return tuple(_stack(own) for own in zip(*weights))
    return torch.stack(torch.broadcast_tensors(*weights)).unbind(0)


def _at(weights: Any, which: Any, k: int) -> Any:
    """Return the weights of step k of a piece."""
    if which is None:
        return weights
    return tuple(tuple(None if own is None else own[which[k]] for own in row) for row in weights)


def _step(piece: Piece, program: Program, combine: Callable[..., Array], nonlinear: Callable[..., Array]) -> Any:
    """Return (memory, weights, times, noise, args) ↦ (memory after the step, the state accepted)."""
    layout = program.layout
    accept, evaluate = layout.moves(program.depth)

    def step(memory: Memory, weights: Any, times: Array, noise: Any, args: Any) -> tuple[Memory, Array | None]:
        memory = memory if noise is None else layout.draw(memory, list(noise))
        state = None
        for k, (row, of_row) in enumerate(zip(piece.rows, weights)):
            point = combine(of_row, memory)
            if row.accept:
                memory, state = accept(memory, point), point
            if row.evaluate:
                memory = evaluate(memory, nonlinear(times[k], point, *args))
        return memory, state

    return step


def _chosen(backend: str, y: Array) -> str:
    """Return what runs states like ``y``.

    Raises
    ------
    RuntimeError
        If it is asked for and not at hand.
    """
    on_gpu, records = y.device.type == "cuda", torch.is_grad_enabled() and y.requires_grad
    if backend == "auto":
        return "cuda-graph" if on_gpu and not torch.is_grad_enabled() else "inductor" if _compiler(y) else "eager"
    if backend == "cuda-graph" and not on_gpu:
        raise RuntimeError(
            f"expected a state on a CUDA device for backend='cuda-graph', received one on {y.device}; move it there "
            "(y0.cuda()), or take backend='inductor'"
        )
    if backend == "cuda-graph" and records:
        raise RuntimeError(
            "expected a state without a gradient for backend='cuda-graph', which records none, received one that "
            "requires it; take backend='inductor', or torch.no_grad()"
        )
    if backend == "inductor" and not _compiler(y):
        raise RuntimeError(
            "expected a C++ compiler for backend='inductor', received none on the path; install g++ or clang++, name "
            "it in the environment variable CXX, or take backend='eager'"
        )
    return backend


def _compiler(y: Array) -> bool:
    """Whether what ``torch.compile`` needs for the device of ``y`` is at hand: triton on a GPU, else a C++ compiler."""
    if y.device.type != "cpu":
        return bool(torch.utils._triton.has_triton())
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))


def _captured(
    step: Callable[..., Any], memory: Memory, weights: Any, times: Array, noise: Any, args: Any
) -> Callable[..., Any]:
    """Return the step captured as a CUDA graph with buffers that stay where they are.

    A step then costs one launch, whatever the number of kernels. Weights and times of each step are copied into the
    buffers where they change, and what the step makes is copied back into those of the memory.
    """
    held, of_weights, of_times, of_noise = _map(torch.clone, (memory, weights, times, noise))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # kernels are chosen, and memory is found, before anything is captured
            step(held, of_weights, of_times, of_noise, args)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        after, state = step(held, of_weights, of_times, of_noise, args)
        fresh = _map(torch.clone, after)  # columns move up: none is written over before it is read
        for buffer, new in zip(held, fresh):
            if buffer is not None and new is not None:
                buffer.copy_(new)

    def replay(memory: Memory, weights: Any, times: Array, noise: Any, args: Any) -> tuple[Memory, Array]:
        del args  # captured
        _copy((held, of_weights, of_times, of_noise), (memory, weights, times, noise))
        graph.replay()
        return held, state

    return replay


def _map(function: Callable[[Array], Array], tree: Any) -> Any:
    """Return a structure with ``function`` of each tensor in it."""
    if isinstance(tree, tuple | list):
        return tuple(_map(function, own) for own in tree)
    return function(tree) if isinstance(tree, torch.Tensor) else tree


def _copy(into: Any, source: Any) -> None:
    """Copy the tensors of one structure into those of another of its form, but for those that are the same."""
    if isinstance(into, tuple | list):
        for own, new in zip(into, source):
            _copy(own, new)
    elif isinstance(into, torch.Tensor) and into is not source:
        into.copy_(source)
