"""How often a run has to wait for N: calls and waves of every method and sampler; those of a wave could be one batch.

Methods with a fixed L over equal steps, calls and waves of a step once the history is there; samplers over 6 steps on
the default schedule. Counted from plans, nothing is run.
Run: ``python -m benchmarks.waves``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import diffusion
import expint
from benchmarks import parser
from diffusion.samplers.laid_out import laid_out
from expint.lower import Plan

STEPS = (12, 24)


def counts(plan: Plan) -> tuple[int, int]:
    """Return the calls and the waves of a plan."""
    return plan.evaluations, len(plan.waves())


def of_method(name: str) -> tuple[int, int]:
    """Return the calls and the waves of a step in the middle of a run."""
    method, zero = expint.method(name), expint.operators.Scalar(-1.0)
    short, long = (counts(expint.lower(method, zero, np.linspace(0.0, 1.0, steps + 1))) for steps in STEPS)
    further = STEPS[1] - STEPS[0]
    return (long[0] - short[0]) // further, (long[1] - short[1]) // further


def of_sampler(name: str, steps: int = 6) -> tuple[int, int]:
    """Return the calls and the waves of a run."""
    schedule = diffusion.VP.linear()
    sampler, times, to_zero = laid_out(schedule, name, steps, None, ())
    return counts(sampler.plan(schedule, times, to_zero=to_zero))


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    given = parser("benchmarks.waves", __doc__).parse_args(arguments)
    methods = [name for name in expint.method_names() if getattr(expint.method(name), "kind", "fixed L") == "fixed L"]
    rows = [(name, "a step", *of_method(name)) for name in (methods[:6] if given.quick else methods)]
    samplers = diffusion.sampler_names()
    rows += [(name, "6 steps", *of_sampler(name)) for name in (samplers[:6] if given.quick else samplers)]
    print("| method or sampler | | calls | waves |")
    print("|---|---|---|---|")
    for name, per, calls, wave_count in rows:
        print(f"| {name} | {per} | {calls} | {wave_count} |")
    fewer = sum(wave_count < calls for *_, calls, wave_count in rows)
    print(f"\n{fewer} of {len(rows)} have waves of several calls.")


if __name__ == "__main__":
    main(sys.argv[1:])
