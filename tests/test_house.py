"""The laws of the house that can be read off the source; docs/design.md says why each holds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import house
from benchmarks.house.figures import FEATURES
from benchmarks.house.step import walk

ROOT = house.ROOT
loops = house.loops_over_steps
FILES = house.files()
CATALOGUES = {"expint/methods", "expint/problems"}  # lists of data, one file a subject
AUTODIFF = ["expint.phi.elementwise", "expint.phi.jax_rule", "expint.phi.torch_rule"]
"""The φ-functions and the rules that tell torch and JAX their derivatives, which are φ-functions again."""

BETAS = ["diffusion.process.vp", "diffusion.process.vp_table"]
"""``VP.from_betas`` and its kin are names of VP, and the schedules that they return are a VP."""


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def where(found: Callable[[Path], list[int]], paths: list[Path] = FILES) -> Iterator[str]:
    for path in paths:
        yield from (f"{label(path)}:{line}" for line in found(path))


def test_no_files_import_each_other_in_a_circle_but_the_two_that_are_argued_for() -> None:
    assert house.circles() == [BETAS, AUTODIFF]


def test_diffusion_meets_expint_at_its_faces() -> None:
    assert not house.behind_the_faces()


@pytest.mark.parametrize(
    "source",
    [
        "from expint.lower.plan import Plan",
        "import expint.run.loops as own",
        "def f():\n    from expint.derive.kinds import adams",
        "import expint\nplan = expint.lower.plan.Plan",
        "from importlib import import_module\nplan = import_module('expint.lower.plan')",
    ],
)
def test_the_search_finds_what_goes_behind_a_face(source: str, tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(source + "\n", encoding="utf-8")
    assert house.behind_the_faces(paths=[file])


def test_only_bind_and_the_order_conditions_ask_which_kind_a_method_is() -> None:
    rooms = ("expint/derive/kinds", "expint/derive/orders", "expint/ivp/bind.py")
    asked = list(where(house.asked_for_kinds, [path for path in FILES if not label(path).startswith(rooms)]))
    assert not asked


@pytest.mark.parametrize("room", sorted({path.parent for path in FILES}), ids=label)
def test_a_room_has_at_most_eighteen_files(room: Path) -> None:
    assert label(room) in CATALOGUES or len(list(room.glob("*.py"))) <= 18


def test_a_file_has_at_most_350_lines() -> None:
    lines = {label(path): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert {file: count for file, count in lines.items() if count > 350} == {}


def test_a_function_has_at_most_sixty_lines_of_code() -> None:
    long = [f"{label(f.file)}:{f.line} {f.name}: {f.code}" for path in FILES for f in house.functions(path)]
    assert not [text for text in long if int(text.rpartition(" ")[2]) > 60]


def test_every_error_says_what_was_expected_and_what_was_received() -> None:
    assert not list(where(house.silent_raises))


def test_no_base_class_hides_a_type_error() -> None:
    assert not list(where(house.hidden_bases))


TREES = ("expint", "diffusion", "benchmarks", "tests", "notebooks")


def test_what_silences_a_checker_has_its_reason_beside_it() -> None:
    """``# noqa: CODE  # reason`` and ``# type: ignore[code]  # reason``; mypy does not read the tests."""
    silent = [
        f"{label(path)}:{number}"
        for tree in TREES
        for path in sorted((ROOT / tree).rglob("*.py"))
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if re.search(r"# (ruff: )?noqa|# type: ignore", line)
        and ((tree == "tests" and "type: ignore" in line) or not re.search(r"(noqa: [A-Z0-9, ]+|\])  [#(]", line))
    ]
    assert not silent


def test_there_are_four_loops_over_steps_and_guests() -> None:
    """Guests take a plan and are held equal to the loop over plans by tests of their own.

    The fourth is the third in arrays, for many trajectories, and held equal to it by ``test_batched.py``.
    """
    found = {label(path): list(own) for path in FILES if "compiled" not in path.parts if (own := loops(path))}
    assert found == {
        "expint/run/loops.py": ["over_plan", "over_times", "to_tolerance"],
        "expint/run/batch/loop.py": ["each_to_tolerance"],
    }


def test_rows_of_columns_are_built_in_one_place() -> None:
    assert {label(path) for path in FILES if house.builds_columns(path)} <= {"expint/lower/memory.py"}


def test_a_step_runs_through_the_files_that_the_design_names() -> None:
    step = walk()
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("## One step, file by file")[2]
    assert {f"expint/{file}" for file in step.inside} == set(re.findall(r"^\| `(.*?\.py)`", text, re.MULTILINE))
    assert all(f"`expint/{file}`" in text for file in step.around)


def test_the_features_that_are_counted_apart_are_where_they_are_looked_for() -> None:
    named = [ROOT / own for places in FEATURES.values() for own in places.split()]
    assert [label(place) for place in named if not place.exists()] == []
    assert len(set(named)) == len(named)


EVASIONS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "a loop over steps": (
        house.loops_over_steps,
        [
            "def f(y):\n    for step in plan:\n        y = step(y)\n        yield Accepted(t, y, 1)",
            "def f(y):\n    found = []\n    while t < 1:\n        found.append(Accepted(t, y, 1))",
            "def f(m):\n    for a, b in pairs:\n        m = stepper.advance(m, slope, a, b, h).commit(None)",
            "def f(m):\n    for _ in range(9):\n        trial = own.attempt(m, slope, t, end, h, 3)",
            "def f(m):\n    make = own.advance\n    for a, b in pairs:\n        m = make(m, slope, a, b, h)",
            "def f(m):\n    return [own.advance(m, slope, a, b, h) for a, b in pairs]",
        ],
    ),
    "a row of columns": (
        house.builds_columns,
        [
            "p = combine(row.weights, (y, *slopes))",
            "e = self._combine(w, [y, *slopes])",
            "Row((a, *b), True, True)",
            "def f(y, past):\n    columns = (y, *past)\n    return combine(w, columns)",
            "e = linear_combination(w, [y] + past)",
            "e = linear_combination(w, (y,) + past)",
        ],
    ),
    "a test for a kind of method": (
        house.asked_for_kinds,
        [
            "isinstance(method, Adams)",
            "isinstance(method, (int, expint.derive.Rosenbrock))",
            "issubclass(type(m), Tableau)",
            "type(m) is Splitting",
            "match m:\n    case GeneralisedLawson():\n        pass",
            "isinstance(m, HistoryLadder | EpiMultistep)",
        ],
    ),
    "an error in few words": (
        house.silent_raises,
        [
            "raise ValueError('no')",
            "raise RuntimeError(f'expected {a}')",
            "raise KeyError('received b')",
            "def f():\n    return TypeError('wrong')",
            "try:\n    f()\nexcept ValueError as error:\n    raise ValueError('wrong') from error",
        ],
    ),
    "a base that hides a type error": (
        house.hidden_bases,
        [
            "class A(B):  # type: ignore\n    pass",
            "if x:\n    class A(\n        B,  # type: ignore[misc]\n    ):\n        pass",
        ],
    ),
}
CASES = [(search, source) for search, sources in EVASIONS.values() for source in sources]


@pytest.mark.parametrize(("search", "source"), CASES, ids=[source.split("\n")[0] for _, source in CASES])
def test_the_searches_find_what_they_look_for(search: Callable[[Path], Any], source: str, tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(source + "\n", encoding="utf-8")
    assert search(file)
