"""Picard iteration on a plan: N at all points of a window in one batched call, again until they agree."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from expint.arguments import integer, number
from expint.backend import Array, array_namespace, stack, to_numpy
from expint.lower.plan import Plan, Row
from expint.run.loops import Accepted

__all__ = ["Asked", "Told", "agreement", "picard", "requests"]


class Asked(NamedTuple):
    """What a round asks for: N at these times and points, and what was taken for it when they were made."""

    times: list[float]
    points: list[Array]
    taken: list[Array | None]


class Told(NamedTuple):
    """What a round is told: the values, and for each whether it is what was taken for it."""

    values: Sequence[Array]
    agree: Sequence[bool]


class _Place(NamedTuple):
    """A row, its time, and the number of its step where it is the first of it."""

    t: float
    row: Row
    begins: int | None


def picard(
    plan: Plan,
    nonlinear: Callable[[list[float], Array], Array],
    y: Array,
    *,
    window: int | None = None,
    tolerance: float = 0.0,
) -> Iterator[Accepted]:
    r"""Run ``plan`` from ``y`` by Picard iteration and yield every accepted state.

    The points of the plan are :math:`x_i = c_i y + \sum_{j<i} D_{ij} f_j` with :math:`f_j = N(t_j, x_j)`. A round takes
    values :math:`f_j` for known, makes the points of a window of them, and evaluates N at all of these in one call,

    .. math:: f_i ← N\bigl(t_i, \; c_i y + \sum_{j<i} D_{ij} f_j\bigr).

    The linear part and the quadrature are those of the plan, so that the iteration is preconditioned by its method: it
    has only to find how N changes along the run. Where nothing is known yet the last value stands in. A value is done
    once all before it are what they were taken for; the window then begins behind it. So each round is done with one
    value at least, and a run with n of them takes n rounds at most.

    Parameters
    ----------
    plan
        A plan without noise.
    nonlinear
        N of several times, a list, and as many states along a new first axis; it returns as many values.
    y
        The initial state.
    window
        The most points of one call; None for all that are left.
    tolerance
        How much a value may differ, relative to its root mean square, from what was taken for it. 0 asks for the same
        bits: the states are those of ``expint.run.over_plan`` up to the rounding of a batched N.

    Raises
    ------
    ValueError, TypeError
        If the plan draws noise or looks at states before ``y``, or ``window`` or ``tolerance`` make no sense.

    Notes
    -----
    Shih et al., *Parallel sampling of diffusion models*, 2023 (ParaDiGMS), slide a window over Euler steps.

    Examples
    --------
    Sixteen steps in seven rounds:

    >>> import numpy as np, expint
    >>> from expint.run.compiled import picard
    >>> plan = expint.lower(expint.Adams(2), expint.operators.Scalar(-50.0), np.linspace(0.0, 1.0, 17))
    >>> calls = []
    >>> def together(times, states):
    ...     calls.append(len(times))
    ...     return np.cos(times)[:, None] - states**2
    >>> run = list(picard(plan, together, np.array([1.0]), tolerance=1e-12))
    >>> len(run), len(calls), bool(sum(calls) > 16)
    (17, 7, True)
    """
    if plan.layout.noise or plan.layout.states > 1:
        raise ValueError(
            f"expected a plan of one state and without noise, received one of {plan.layout.states} states and "
            f"{plan.layout.noise} random columns; run it one by one, by expint.run.over_plan"
        )
    most = None if window is None else integer("window", window)
    return _alone(requests(plan, y, most), nonlinear, number("tolerance", tolerance, least=0.0))


def _alone(
    rounds: Generator[Asked | Accepted, Told | None], nonlinear: Callable[[list[float], Array], Array], tolerance: float
) -> Iterator[Accepted]:
    told = None
    while True:
        try:
            due = rounds.send(told)
        except StopIteration:
            return
        if isinstance(due, Accepted):
            told = None
            yield due
            continue
        values = nonlinear(due.times, stack(due.points))
        told = Told(values, agreement([due.taken], values, tolerance)[0])


def agreement(taken: Sequence[Sequence[Array | None]], values: Array, tolerance: float) -> list[list[bool]]:
    """Return for each value whether it is what was taken for it; what was taken comes in lists, of several runs.

    It is looked once at all, so that a device is waited for once.
    """
    known = [own for one in taken for own in one]
    xp = array_namespace(values)
    flat = xp.reshape(values, (len(known), -1))
    there = stack([flat[i, ...] if own is None else xp.reshape(own, (-1,)) for i, own in enumerate(known)])
    off, size = (xp.sqrt(xp.mean(xp.abs(own) ** 2, axis=1)) for own in (there - flat, flat))
    same = to_numpy(off <= tolerance * size).tolist()
    found = iter([one and own is not None for one, own in zip(same, known, strict=True)])
    return [[next(found) for _ in one] for one in taken]


def requests(
    plan: Plan,
    y: Array,
    window: int | None = None,
    *,
    earlier: Sequence[Array] = (),
    noise: Callable[[int], Sequence[Array | None]] | None = None,
) -> Generator[Asked | Accepted, Told | None]:
    """Yield what each round of one run asks for, and the accepted states in between; be sent what a round is told.

    Parameters
    ----------
    plan, y, window
        As in `picard`; the plan may draw noise.
    earlier, noise
        As in ``expint.run.over_plan``; ``noise`` returns the columns of a step by its number, in any order.
    """
    combine, layout = plan.operator.combiner(), plan.layout
    accept, evaluate = layout.moves(plan.depth)
    places = [
        _Place(t, row, number if first == 0 else None)
        for number, step in enumerate(plan.steps)
        for first, (t, row) in enumerate(zip(step.times, step.rows, strict=True))
    ]

    def moved(memory: Any, place: _Place) -> tuple[Any, Array]:
        """Return the memory after a row but for its value of N, and the point."""
        if place.begins is not None and noise is not None:
            memory = layout.draw(memory, noise(place.begins))
        point = combine(place.row.weights, memory)
        return (accept(memory, point) if place.row.accept else memory), point

    memory, at, calls = layout.start(y, earlier), 0, 0
    guessed: list[Array] = []  # values of the calls from here on, as the last round gave them
    newest: Array | None = None
    while at < len(places):
        ahead, asked, stand_in = memory, Asked([], [], []), newest
        for place in places[at:]:
            ahead, point = moved(ahead, place)
            if not place.row.evaluate:
                continue
            number = len(asked.times)
            stand_in = guessed[number] if number < len(guessed) else stand_in
            asked.times.append(place.row.told(place.t))
            asked.points.append(point)
            asked.taken.append(stand_in)
            if stand_in is None or len(asked.times) == window:
                break
            ahead = evaluate(ahead, stand_in)
        told = Told([], [])
        if asked.times:
            received = yield asked
            assert received is not None
            told = received
        same = len(told.agree)
        done = next((n + 1 for n, agrees in enumerate(told.agree) if not agrees), same)
        found = 0
        for place in places[at:]:
            if place.row.evaluate and found == done:
                break
            memory, point = moved(memory, place)
            at += 1
            if place.row.accept:
                yield Accepted(place.t, point, calls)
            if place.row.evaluate:
                newest = told.values[found]
                memory, found, calls = evaluate(memory, newest), found + 1, calls + 1
        guessed = [told.values[n] for n in range(done, same)]
