"""The house in figures: files, lines, circles of imports, loops over steps, and who knows what.

    python -m benchmarks.house [ROOT]

``ROOT`` is another checkout, so that two can be compared. ``tests/test_house.py`` holds the laws to these figures.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("expint", "diffusion")
STEP_NAMES = {"steps", "grid", "stops", "times", "timesteps", "sigmas", "lambdas", "rows"}
"""What loops over steps run over; also a loop as often as ``most``, the largest number of steps."""

KINDS = {
    "Adams",
    "FlowPoints",
    "LieGroupMethod",
    "Linearised",
    "LinearisedAdams",
    "PredictorCorrector",
    "ProvedInWords",
    "Rosenbrock",
    "Splitting",
    "Tableau",
}


class Function(NamedTuple):
    """A function or method and its lines of code, without docstring, comments and blank lines."""

    file: Path
    name: str
    line: int
    code: int


def files(root: Path = ROOT) -> list[Path]:
    """Return the source files of both packages."""
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path, root: Path = ROOT) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(path: Path) -> set[int]:
    """Return the lines of a file that hold code: no blank line, comment or docstring."""
    text = path.read_text(encoding="utf-8")
    lines = {i for i, line in enumerate(text.split("\n"), 1) if line.strip() and not line.strip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions of a file with their lines of code, those of nested functions included."""
    code = code_lines(path)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            own = code & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            yield Function(path, node.name, node.lineno, len(own))


def imported(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield the names that a file imports from the packages, those inside functions and for type checks included."""
    package = module_name(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Return {module: modules that it imports}; what a package's face hands on counts as the face."""
    modules = {module_name(path, root): path for path in files(root)}
    arrows: dict[str, set[str]] = {}
    for name, path in modules.items():
        arrows[name] = set()
        for full in imported(path, root):
            target = full if full in modules else full.rpartition(".")[0]
            if target in modules and target != name and not name.startswith(f"{target}."):
                arrows[name].add(target)
    return arrows


def circles(root: Path = ROOT) -> list[list[str]]:
    """Return the groups of files that import each other in a loop (Tarjan 1972); faces of packages are left out."""
    arrows = graph(root)
    faces = {module_name(path, root) for path in files(root) if path.name == "__init__.py"}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows[name] - faces):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for name in sorted(set(arrows) - faces):
        if name not in index:
            visit(name)
    return found


def asked_for_kinds(path: Path) -> list[int]:
    """Return the lines that test by ``isinstance`` which kind of method a value is."""
    return [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and {inner.id for inner in ast.walk(node.args[1]) if isinstance(inner, ast.Name)} & KINDS
    ]


def builds_columns(path: Path) -> list[int]:
    """Return the lines that put a state before a row of slopes, ``(y, *slopes)``."""
    return [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Tuple)
        and len(node.elts) >= 2
        and isinstance(node.elts[0], ast.Name)
        and node.elts[0].id in {"y", "state", "x", "point"}
        and any(isinstance(element, ast.Starred) for element in node.elts[1:])
    ]


def loops_over_steps(path: Path) -> list[int]:
    """Return the loops that advance a state: they run over steps and evaluate or combine on the way."""
    found = []
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.For | ast.While):
            continue
        source = node.iter if isinstance(node, ast.For) else node.test
        names = {inner.id for inner in ast.walk(source) if isinstance(inner, ast.Name)}
        names |= {inner.attr for inner in ast.walk(source) if isinstance(inner, ast.Attribute)}
        yields = any(isinstance(inner, ast.Yield) for inner in ast.walk(node))
        if yields and names & (STEP_NAMES | {"most", "pairwise"}):
            found.append(node.lineno)
    return found


def behind_the_faces(root: Path = ROOT) -> dict[str, set[str]]:
    """Return {submodule of expint: files of diffusion that import it}; faces of rooms and single files are left out."""
    faces = {module_name(path, root) for path in files(root) if path.name == "__init__.py"}
    found: dict[str, set[str]] = {}
    modules = {module_name(path, root) for path in files(root)}
    for path in sorted((root / "diffusion").rglob("*.py")):
        for full in imported(path, root):
            if full.split(".")[0] != "expint":
                continue
            target = full if full in modules else full.rpartition(".")[0]
            if target.count(".") > 1 and target not in faces:
                found.setdefault(target, set()).add(module_name(path, root))
    return found


def walk(root: Path = ROOT) -> tuple[int, int]:
    """Return how many files of a checkout, and functions in them, one step of the default method to a tolerance runs.

    It is run in a process of its own, and watched from one evaluation of N to the one five steps later.
    """
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    told = subprocess.run(
        [sys.executable, "-c", _WALK], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    entered = {tuple(line.split("\t")) for line in told.stdout.splitlines()}
    return len({file for file, _ in entered}), len(entered)


_WALK = """
import sys
import numpy as np
import expint

seen, calls = set(), 0

def enter(frame, event, argument):
    if event == "call" and f"{expint.__path__[0]}/" in frame.f_code.co_filename:
        seen.add((frame.f_code.co_filename, frame.f_code.co_name))

def nonlinear(t, y):
    global calls
    calls += 1
    sys.setprofile(enter if 200 <= calls < 205 else None)
    return np.array([10 * y[1], y[0] * (28 - y[2]), y[0] * y[1]])

expint.solve_ivp(nonlinear, (0.0, 5.0), np.array([1.0, 2.0, 20.0]), linear=np.array([-10.0, -1.0, -8 / 3]), rtol=1e-6)
sys.setprofile(None)
for place in seen:
    print(*place, sep="\\t")
"""


def silent_raises(path: Path) -> list[int]:
    """Return the lines that raise ValueError or TypeError without saying what was expected and what was received.

    Those that pass on what another error says, ``raise … from error``, are left out.
    """
    text = path.read_text(encoding="utf-8").split("\n")
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            said = "\n".join(text[node.lineno - 1 : node.end_lineno])
            literal = any(isinstance(inner, ast.Constant | ast.JoinedStr) for inner in ast.walk(node.exc))
            passed_on = isinstance(node.cause, ast.Name) and "{" + node.cause.id + "}" in said
            named = node.exc.func.id in {"ValueError", "TypeError"} and not passed_on
            if named and literal and not (re.search("expected", said) and re.search("received", said)):
                found.append(node.lineno)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of a checkout, this one by default."""
    arguments = [argument for argument in (sys.argv[1:] if argv is None else argv) if not argument.startswith("--")]
    root = Path(arguments[0]).resolve() if arguments and Path(arguments[0]).is_dir() else ROOT
    paths = files(root)
    every = [function for path in paths for function in functions(path)]
    columns = [path for path in paths if builds_columns(path)]
    loops = {path: lines for path in paths if (lines := loops_over_steps(path))}
    rooms = {path.parent for path in paths}
    largest = max(rooms, key=lambda room: len(list(room.glob("*.py"))))
    figures = {
        "files": len(paths),
        "lines": sum(path.read_text(encoding="utf-8").count("\n") for path in paths),
        "lines of code": sum(len(code_lines(path)) for path in paths),
        "functions": len(every),
        "functions over 60 lines of code": sum(function.code > 60 for function in every),
        "circles of imports": len(circles(root)),
        "loops over steps": sum(map(len, loops.values())),
        "tests for a kind of method": sum(len(asked_for_kinds(path)) for path in paths),
        "files that build columns": len(columns),
        "submodules of expint behind its faces, imported by diffusion": len(behind_the_faces(root)),
        "errors without expected and received": sum(len(silent_raises(path)) for path in paths),
        "files of one adaptive step's walk": "{}, {} functions".format(*walk(root)),
        "largest room": f"{largest.relative_to(root)}, {len(list(largest.glob('*.py')))} files",
    }
    for what, figure in figures.items():
        print(f"{what:62} {figure}")
    for path, lines in loops.items():
        print(f"loop over steps: {path.relative_to(root)}:{lines}")
    for group in circles(root):
        print("circle:", " ⇄ ".join(group))


if __name__ == "__main__":
    main()
