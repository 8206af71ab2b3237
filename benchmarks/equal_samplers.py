"""Which named samplers are the same map, on which grids, decided by the canonical form of their plans.

Run it as ``python -m benchmarks.equal_samplers``; with ``--write`` it renews docs/equal_samplers.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import diffusion
from benchmarks import parser
from expint.lower import Plan

PAGE = Path(__file__).parent.parent / "docs" / "equal_samplers.md"
SCHEDULES = {
    "VP": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "EDM": diffusion.EDM(),
    "flow matching": diffusion.FlowMatching(t_start=0.999, t_end=0.01),
}
CLOCKS = ("t", "lambda", "rho")

INTRODUCTION = """# Which sampler equals which

Written by `python -m benchmarks.equal_samplers --write`; do not edit. A plan has one canonical form
x_i = c_i x_T + Σ_j D_ij x₀(x_j, τ_j) over the network's calls. Two samplers are the same map if and only if (c, D, τ)
agree, whatever their names, gauges and histories: `sampler_a.plan(schedule, times) == sampler_b.plan(schedule, times)`.
"""


def plans(schedule: diffusion.NoiseSchedule, clock: str, steps: int) -> dict[str, Plan]:
    """Return the plans of all named samplers on one grid, those left out that refuse it."""
    times = diffusion.grids.uniform(steps, clock, schedule=schedule)
    found = {}
    for name in diffusion.sampler_names():
        if name == "auto":  # a rule, not a map
            continue
        try:
            chosen = diffusion.sampler(name)
            found[name] = chosen.for_run(steps, schedule).on(schedule, times).plan(schedule, times)
        except ValueError:
            continue
    return found


def groups(made: Mapping[str, Plan]) -> list[tuple[str, ...]]:
    """Return the samplers of each map."""
    found: list[list[str]] = []
    for name, plan in made.items():
        for group in found:
            if made[group[0]] == plan:
                group.append(name)
                break
        else:
            found.append([name])
    return [tuple(group) for group in found]


def table(steps: int, schedules: Sequence[str] = tuple(SCHEDULES)) -> list[str]:
    """Return the lines of the page: groups that are equal on all grids, then pairs that are equal on some."""
    grids = [(name, clock) for name in schedules for clock in CLOCKS]
    by_grid = {grid: groups(plans(SCHEDULES[grid[0]], grid[1], steps)) for grid in grids}
    same: dict[tuple[str, str], list[tuple[str, str]]] = {}
    present = [{name for group in found for name in group} for found in by_grid.values()]
    for grid, found in by_grid.items():
        for group in found:
            for i, one in enumerate(group):
                for other in group[i + 1 :]:
                    same.setdefault((one, other), []).append(grid)
    everywhere = {
        pair for pair, where in same.items() if len(where) == sum({*pair} <= names for names in present) and where
    }
    lines = [
        f"## Equal on every grid tried ({', '.join(schedules)}; uniform in {', '.join(CLOCKS)}; {steps} steps)",
        "",
    ]
    first: dict[str, str] = {}
    for one in sorted({name for pair in everywhere for name in pair}):
        group = sorted({one} | {a if b == one else b for a, b in everywhere if one in (a, b)})
        if one not in first:
            lines.append(f"- {', '.join(f'`{name}`' for name in group)}")
            first.update(dict.fromkeys(group, one))
    lines += ["", "## Equal on some grids only", "", "Of each group above only the first stands for all.", ""]
    lines += ["| samplers | grids |", "| --- | --- |"]
    for one, other in sorted(pair for pair in same if pair not in everywhere):
        if first.get(one, one) == one and first.get(other, other) == other:
            where = "; ".join(f"{name}, {clock}" for name, clock in same[one, other])
            lines.append(f"| `{one}`, `{other}` | {where} |")
    return lines


def main(arguments: Sequence[str] = ()) -> None:
    """Print the page, or write it."""
    asked = parser("benchmarks.equal_samplers", __doc__)
    asked.add_argument("--write", action="store_true", help="renew docs/equal_samplers.md")
    given = asked.parse_args(arguments)
    np.seterr(all="ignore")
    lines = table(4, ("VP",)) if given.quick else table(12)
    if given.write:
        PAGE.write_text("\n".join([INTRODUCTION, *lines, ""]), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
