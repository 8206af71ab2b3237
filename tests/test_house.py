"""The laws of the house that can be read off the source; docs/design.md says why each holds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import house

ROOT = house.ROOT
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


def test_only_bind_and_the_order_conditions_ask_which_kind_a_method_is() -> None:
    rooms = ("expint/derive/kinds", "expint/derive/orders", "expint/ivp/bind.py")
    asked = list(where(house.asked_for_kinds, [path for path in FILES if not label(path).startswith(rooms)]))
    assert not asked


@pytest.mark.parametrize("room", sorted({path.parent for path in FILES}), ids=label)
def test_a_room_has_at_most_eighteen_files(room: Path) -> None:
    assert label(room) in CATALOGUES or len(list(room.glob("*.py"))) <= 18


def test_a_function_has_at_most_sixty_lines_of_code() -> None:
    long = [f"{label(f.file)}:{f.line} {f.name}: {f.code}" for path in FILES for f in house.functions(path)]
    assert not [text for text in long if int(text.rpartition(" ")[2]) > 60]


def test_every_error_says_what_was_expected_and_what_was_received() -> None:
    assert not list(where(house.silent_raises))


def test_no_base_class_hides_a_type_error() -> None:
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            assert not (line.startswith("class ") and "# type: ignore" in line), f"{label(path)}:{number}"
