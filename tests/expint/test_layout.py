"""The house: imports point one way, one loop over steps, and nothing heavy is imported before it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# What each part of expint may import from the others. backend ← phi ← operators ← lower ← run ← ivp; derive ← methods,
# derive ← lower; problem and solution stand alone.
MAY_IMPORT = {
    "backend": set(),
    "progress": set(),
    "solution": {"backend"},
    "solutions": {"backend", "solution"},
    "problem": {"backend"},
    "spectral": {"backend", "operators"},
    "derive": set(),
    "exchange": {"arrays", "backend"},
    "given": {"arrays", "backend", "exchange"},
    "methods": {"derive", "plugins"},
    "phi": {"backend"},
    "operators": {"backend", "derive", "exchange", "given", "phi"},
    "lower": {"backend", "derive", "operators", "phi"},
    "jacobian": {"backend", "exchange", "operators", "solution"},
    "run": {
        "backend",
        "derive",
        "exchange",
        "given",
        "jacobian",
        "lower",
        "operators",
        "phi",
        "progress",
        "solution",
        "solutions",
    },
    "plugins": set(),
    "problems": {"backend", "operators", "plugins", "problem", "spectral"},
}
MAY_IMPORT["ivp"] = MAY_IMPORT["run"] | {"methods", "problem", "run"}
MAY_IMPORT["ivp"] |= {"files", "netcdf"}  # checkpoints, and results on disk
MAY_IMPORT["scipy"] = MAY_IMPORT["ivp"] | {"ivp"}
MAY_IMPORT["arguments"] = {"backend"}
MAY_IMPORT["arrays"] = {"backend"}
for name in MAY_IMPORT.keys() - {"arguments", "backend"}:
    MAY_IMPORT[name] |= {"arguments"}
for name in ("ivp", "jacobian", "lower", "operators", "phi", "problems", "run", "scipy", "spectral"):
    MAY_IMPORT[name] |= {"arrays"}
MAY_IMPORT["adapters"] = {"arguments", "backend", "operators"}
MAY_IMPORT["moved"] = set()
MAY_IMPORT["tables"] = {"backend"}
MAY_IMPORT["netcdf"] = set()
GUESTS = ("study", "plot", "cli", "__main__", "__init__")  # on top of everything; nobody inside imports them
# A method answers questions (its citation, its proved orders, its values) by asking upwards when it is asked.
WHEN_ASKED = {"derive": {"arrays", "methods", "phi"}}

INSTALLED = {"numpy", "scipy"}
LIBRARIES = ("torch", "jax")  # their derivatives are told to them, or asked of them, when their arrays arrive
RULES = {(room, f"{own}_{kind}.py") for room, kind in (("phi", "rule"), ("jacobian", "source")) for own in LIBRARIES}
LAZY = {"sympy": "derive", "tqdm": "progress", "matplotlib": "plot", "click": "cli"}
BEHIND_THE_DOOR = "cli"  # its files are imported only after its door has found click

TRAINING = {"models/train_digits.py"}  # descends, does not sample
PLANNING = {  # lays out scales, times and rows before a run, or chooses among such; steps nothing
    *("planning/plan.py", "planning/noise.py", "bridges/transport.py", "samplers/stochastic/jumps.py"),
    *("samplers/stochastic/langevin.py", "bridges/stochastic.py", "phase/run.py"),
    *("tuning/search.py", "tuning/stages.py", "tuning/structures.py"),
    *("adapters/k_diffusion.py", "adapters/k_diffusion_noise.py", "running/compiled.py"),
}
STEPS = {"steps", "grid", "times", "timesteps", "sigmas", "lambdas", "rows", "schedule"}


class Import(NamedTuple):
    """What one import statement brings in, and whether it waits until a function is called."""

    name: str
    lazy: bool
    line: int


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def part(path: Path) -> str:
    """The part of expint to which a file belongs: its folder, or its own name."""
    return path.relative_to(ROOT / "expint").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    checking = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    unrun = {id(node) for block in checking for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unrun:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            bare = node.module == "expint"
            names = [f"expint.{alias.name}" for alias in node.names] if bare else [str(node.module)]
        else:
            continue
        yield from (Import(name, id(node) in inside, node.lineno) for name in names)


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", files("expint"), ids=label)
def test_imports_inside_expint_point_one_way(path: Path) -> None:
    own = part(path)
    for imported in imports(path):
        top, _, rest = imported.name.partition(".")
        if top != "expint" or own in GUESTS:
            continue
        other = rest.partition(".")[0]
        allowed = MAY_IMPORT[own] | {own} | (WHEN_ASKED.get(own, set()) if imported.lazy else set())
        assert other in allowed, f"{label(path)}:{imported.line}: {own} must not import {other}"


@pytest.mark.parametrize("path", files("expint"), ids=label)
def test_expint_knows_nothing_of_diffusion_and_little_of_other_libraries(path: Path) -> None:
    inside = path.relative_to(ROOT / "expint").parts
    for imported in imports(path):
        top, where = imported.name.partition(".")[0], f"{label(path)}:{imported.line}"
        assert top != "diffusion", where
        if top in sys.stdlib_module_names or top in {"expint", *INSTALLED}:
            continue
        if top == "array_api_compat":
            assert part(path) == "backend", where
        elif top in {"torch", "jax", "numba"}:
            assert inside[:2] == ("run", "compiled") or inside in RULES, where
            assert imported.lazy or len(inside) > 2 or inside in RULES, where
        else:
            behind = part(path) == BEHIND_THE_DOOR and path.name != "__init__.py"
            assert imported.lazy or behind, where
            assert part(path) == LAZY.get(top), where


def test_nobody_inside_imports_the_compiled_guests_but_the_doors_when_a_run_asks_for_one() -> None:
    for path in files("expint"):
        if "compiled" not in path.parts:
            found = [imported for imported in imports(path) if "compiled" in imported.name]
            assert all(imported.lazy and part(path) == "ivp" for imported in found), path


def test_derivative_rules_are_imported_only_when_their_arrays_arrive() -> None:
    rules = {f"expint.{folder}.{name.removesuffix('.py')}" for folder, name in RULES}
    for path in files("expint"):
        assert all(imported.lazy for imported in imports(path) if imported.name in rules), path


def test_problem_solution_and_control_stand_alone() -> None:
    for name in ("problem.py", "solution.py", "run/control/controller.py"):
        own = {imported.name for imported in imports(ROOT / "expint" / name)}
        assert not {other for other in own if other.startswith("expint.")} - {"expint.arguments", "expint.backend"}


def looped_over(node: ast.AST) -> set[str]:
    """The names and attributes over which a loop runs."""
    source = node.iter if isinstance(node, ast.For) else node.test
    named = {inner.id for inner in ast.walk(source) if isinstance(inner, ast.Name)}
    return named | {inner.attr for inner in ast.walk(source) if isinstance(inner, ast.Attribute)}


def loops(path: Path) -> Iterator[tuple[int, set[str]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            yield node.lineno, looped_over(node)


@pytest.mark.parametrize("path", files("diffusion"), ids=label)
def test_no_file_of_diffusion_loops_over_steps(path: Path) -> None:
    if str(path.relative_to(ROOT / "diffusion")) in TRAINING | PLANNING:
        return
    for line, names in loops(path):
        assert not names & STEPS, f"{label(path)}:{line}: a loop over {names & STEPS}; declare a plan instead"


KINDS = ("expint.derive", "expint.methods", "expint.operators")


@pytest.mark.parametrize("path", sorted((ROOT / "expint/run/control").glob("*.py")), ids=label)
def test_policies_know_neither_methods_nor_operators_nor_steppers(path: Path) -> None:
    others = (*KINDS, "expint.lower", "expint.run.steppers", "expint.run.loops")
    assert not [imported.name for imported in imports(path) if imported.name.startswith(others)]


def test_the_loops_know_neither_methods_nor_operators() -> None:
    path = ROOT / "expint/run/loops.py"
    assert not [imported.name for imported in imports(path) if imported.name.startswith(KINDS)]
    assert "isinstance" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", files("expint"), ids=label)
def test_only_the_runners_of_expint_loop_over_the_steps_of_a_plan(path: Path) -> None:
    if part(path) in {"run", "lower"}:  # see the four loops
        return
    for line, names in loops(path):
        assert not names & (STEPS - {"grid", "rows", "times"}), f"{label(path)}:{line}"


@pytest.mark.parametrize(
    "loop",
    [
        "for i in range(steps): x = net(x)",
        "for t, s in zip(times[:-1], times[1:]): pass",
        "while i < len(self.grid): i += 1",
        "def f():\n    for i, sigma in enumerate(sigmas): pass",
    ],
)
def test_the_search_finds_loops_over_steps(loop: str, tmp_path: Path) -> None:
    file = tmp_path / "sampler.py"
    file.write_text(loop, encoding="utf-8")
    assert any(names & STEPS for _, names in loops(file))


def test_importing_expint_and_solving_leaves_heavy_libraries_alone() -> None:
    script = (
        "import sys, expint\n"
        "expint.solve_ivp(lambda t, y: y, (0, 1), [1.0], linear=-1.0, method='adams3', step=0.1)\n"
        "expint.method('krogstad4').order\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "expint" in loaded
    assert not loaded & {"sympy", "torch", "jax", "tqdm", "matplotlib", "diffusion"}


def test_every_public_name_exists_and_is_listed_once() -> None:
    import expint

    assert len(set(expint.__all__)) == len(expint.__all__)
    assert all(hasattr(expint, name) for name in expint.__all__)
    assert len(expint.__all__) <= 30
