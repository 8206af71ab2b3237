"""The figures of the house, and what is printed of them."""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import house
from benchmarks.house.step import Step, walk

__all__ = ["FEATURES", "OLD", "Figures", "figures", "show"]

REVISION = "07b388b"
"""The old house: the last state before it was cut into the rooms of today."""

FEATURES = {
    "other libraries' samplers, networks and formats": "diffusion/adapters diffusion/adapted.py",
    "few calls: tuned times and rows": "diffusion/tuning diffusion/samplers/fitted diffusion/cli/tuning.py",
    "noise, bridges, restoration, training": "diffusion/noise diffusion/bridges diffusion/samplers/stochastic "
    "diffusion/training diffusion/process/mean_reverting.py diffusion/process/interpolant.py diffusion/process/sde.py "
    "diffusion/process/strength.py diffusion/process/with_mean.py diffusion/planning/noise.py",
    "likelihood, inversion, editing, chains, superposition": "diffusion/likelihood diffusion/inversion "
    "diffusion/editing diffusion/chains diffusion/guidance/superposed.py diffusion/guidance/tracking.py "
    "diffusion/guidance/reverse.py diffusion/guidance/along_flow.py diffusion/guidance/inpainted.py "
    "diffusion/tolerance.py diffusion/samplers/reversible.py diffusion/samplers/dpm_adaptive.py "
    "expint/lower/reversible.py",
    "batches, gradients, compiled runs": "expint/run/batch expint/run/compiled expint/ivp/batched expint/ivp/scanning "
    "expint/ivp/elsewhere/gradients.py expint/run/steppers/batched.py expint/run/control/many.py expint/solutions.py "
    "diffusion/running/compiled.py diffusion/running/gradients.py expint/lower/waves.py expint/lower/canonical.py",
    "grids with walls, long runs, plug-ins, shards, tables": "expint/spectral expint/ivp/checkpoint.py "
    "expint/ivp/resuming.py expint/run/standing.py expint/plugins.py expint/study/shards.py expint/study/stability.py "
    "expint/plot/regions.py expint/plot/movie.py expint/tables.py expint/files.py diffusion/cli/sharded.py",
    "answers that were wrong: pulses, turning modes, keys of studies": "expint/run/control/rest.py "
    "expint/run/dense/turning.py expint/operators/rotations.py expint/exchange.py expint/given.py expint/arguments.py "
    "expint/study/code.py expint/study/installed.py expint/study/key_of_arrays.py expint/study/key_of_code.py "
    "expint/study/key_of_objects.py expint/study/surroundings.py expint/run/events/moving.py "
    "expint/run/events/phases.py expint/ivp/elsewhere/breakpoints.py",
}
"""Files and rooms for what the old house could not do, whoever built them; the house itself is the rest."""


class Figures(NamedTuple):
    """What is counted of a checkout."""

    files: int
    lines: int
    code: int
    functions: int
    long_functions: int
    circles: int
    loops: int
    kinds: int
    columns: int
    behind: int
    silent: int
    step: tuple[int, int]
    around: int
    room: int


WORDS = {
    "files": "files",
    "lines": "lines",
    "code": "lines of code",
    "functions": "functions",
    "long_functions": "functions over 60 lines of code",
    "circles": "circles of imports",
    "loops": "loops over steps outside run/compiled",
    "kinds": "tests for a kind of method",
    "columns": "files that build columns",
    "behind": "submodules of expint behind its faces, imported by diffusion",
    "silent": "errors without expected and received",
    "step": "one adaptive step: files, lines of code of its functions",
    "around": "around it, files that ask the user's N or keep states",
    "room": "files of the largest room",
}

OLD = Figures(
    files=248,
    lines=29572,
    code=17662,
    functions=1732,
    long_functions=5,
    circles=8,
    loops=6,
    kinds=25,
    columns=8,
    behind=17,
    silent=17,
    step=(6, 183),
    around=1,
    room=44,
)
"""Those of the old house: python -m benchmarks.house --old 07b388b measures them again."""


def figures(root: Path, step: Step) -> Figures:
    """Return the figures of a checkout, a step of which runs through ``step``."""
    paths = house.files(root)
    every = [function for path in paths for function in house.functions(path)]
    loops = [house.loops_over_steps(path) for path in paths if "compiled" not in path.parts]
    rooms = {path.parent for path in paths}
    return Figures(
        files=len(paths),
        lines=sum(path.read_text(encoding="utf-8").count("\n") for path in paths),
        code=sum(len(house.code_lines(path)) for path in paths),
        functions=len(every),
        long_functions=sum(function.code > 60 for function in every),
        circles=len(house.circles(root)),
        loops=sum(map(len, loops)),
        kinds=sum(len(house.asked_for_kinds(path)) for path in paths),
        columns=sum(bool(house.builds_columns(path)) for path in paths),
        behind=len(house.behind_the_faces(root)),
        silent=sum(len(house.silent_raises(path)) for path in paths),
        step=(len(step.inside), _code_of(root, step)),
        around=len(step.around),
        room=max(len(list(room.glob("*.py"))) for room in rooms),
    )


def _code_of(root: Path, step: Step) -> int:
    """Return how many lines of code the functions have that a step runs through."""
    found = 0
    for file, entered in step.inside.items():
        names = {name.rpartition(".")[2] for name in entered}
        found += sum(own.code for own in house.functions(root / "expint" / file) if own.name in names)
    return found


def of_features(root: Path) -> dict[str, int]:
    """Return the lines of code in the files of each feature of ``FEATURES``, as far as they are there."""
    return {
        what: sum(len(house.code_lines(path)) for own in places.split() for path in _sources(root / own))
        for what, places in FEATURES.items()
    }


def _sources(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place] if place.exists() else []


def show(argv: Sequence[str] | None = None) -> None:
    """Print the figures of a checkout beside those of the old house, and where they come from."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.house", description=(house.__doc__ or "").split("\n")[0]
    )
    parser.add_argument("root", nargs="?", default=str(house.ROOT), help="another checkout")
    parser.add_argument("--old", metavar="REVISION", help=f"measure the old house again, such as {REVISION}")
    parser.add_argument("--quick", action="store_true", help="as without: this takes a few seconds")
    asked = parser.parse_args(argv)
    root = Path(asked.root).resolve()
    step, old = walk(root), OLD
    if asked.old:
        with tempfile.TemporaryDirectory() as folder:
            _put(asked.old, Path(folder))
            old = figures(Path(folder), walk(Path(folder)))
    now = figures(root, step)
    print(f"{'':62} {'old':>9} {'now':>9}")
    for name, words in WORDS.items():
        print(f"{words:62} {_told(getattr(old, name)):>9} {_told(getattr(now, name)):>9}")
    _show_features(of_features(root), old.code, now.code)
    for path in house.files(root):
        if "compiled" not in path.parts and (found := house.loops_over_steps(path)):
            print(f"loops over steps: {path.relative_to(root)}: {', '.join(found)}")
    for what, entered in zip(("a step", "around it"), step):
        for file, functions in entered.items():
            print(f"{what}: expint/{file}: {', '.join(functions)}")
    for group in house.circles(root):
        print("circle:", " ⇄ ".join(group))


def _told(figure: int | tuple[int, ...]) -> str:
    return ", ".join(map(str, figure)) if isinstance(figure, tuple) else str(figure)


def _show_features(found: Mapping[str, int], old: int, now: int) -> None:
    for what, count in found.items():
        print(f"  lines of code for {what:62} {count:6}")
    print(f"{'lines of code of the house itself, without these':62} {old:9} {now - sum(found.values()):9}")


def _put(revision: str, folder: Path) -> None:
    """Put the packages of a revision into a folder."""
    command = ["git", "archive", revision, *house.PACKAGES]
    packed = subprocess.run(command, cwd=house.ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
