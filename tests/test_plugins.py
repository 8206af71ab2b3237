"""Packages that add methods, problems and samplers by entry points, as pip would have installed them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import diffusion
import expint
from expint import plugins

Install = Callable[..., None]

CODE = """
from fractions import Fraction
import numpy as np
import expint, diffusion
from expint.derive import REST, Tableau, phi

METHOD = Tableau(name="guest-method2", c=(0, Fraction(1, 2)), a=((), (REST,)), b=(REST, 2 * phi(2)))

def problem(rate=1.0):
    return expint.SemilinearProblem(-rate, lambda t, y: 0.0 * y, np.array([1.0]), (0.0, 1.0))

def sampler():
    return diffusion.sampler("deis-tab2", end=diffusion.End(zero=1))

def fails():
    raise RuntimeError("no such device")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Writes a package with its metadata into a folder of the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(group: str, line: str, package: str = "guest") -> None:
        (tmp_path / f"{package}.py").write_text(CODE, encoding="utf-8")
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{line}\n", encoding="utf-8")
        plugins._declared.cache_clear()

    yield write
    plugins._declared.cache_clear()
    sys.modules.pop("guest", None)


def test_a_method_of_another_package_is_found_by_its_name(install: Install) -> None:
    install("expint.methods", "guest-method2 = guest:METHOD")
    assert "guest-method2" in expint.method_names()
    assert "guest" not in sys.modules, "expected listing to load nothing"
    assert expint.method("Guest Method2").order == 2
    run = expint.solve(expint.problems.riccati(), "guest-method2", step=0.1)
    assert run.success


def test_a_problem_of_another_package_is_made_with_its_parameters(install: Install) -> None:
    install("expint.problems", "guest_decay = guest:problem")
    assert "guest_decay" in expint.problems.names()
    made = expint.problems.make("guest_decay", rate=2.0)
    assert np.isclose(expint.solve(made, "etd34", step=0.5).y_end[0], np.exp(-2.0))
    with pytest.raises(TypeError, match=r"parameters of guest_decay \(rate\)"):
        expint.problems.make("guest_decay", speed=2.0)


def test_a_sampler_of_another_package_runs_by_its_name(install: Install) -> None:
    install("diffusion.samplers", "guest-tab2 = guest:sampler")
    assert "guest-tab2" in diffusion.sampler_names()
    assert diffusion.sampler("Guest_Tab2") == diffusion.sampler("deis-tab2", end=diffusion.End(zero=1))


def test_names_of_this_library_come_first(install: Install) -> None:
    install("expint.methods", "krogstad4 = guest:METHOD")
    assert expint.method("krogstad4").name == "krogstad4"
    install("diffusion.samplers", "deis-tab6 = other:sampler", package="other")
    assert diffusion.sampler("deis-tab6").name == "deis-tab6"
    assert "other" not in sys.modules


FIND = {
    "expint.methods": expint.method,
    "expint.problems": expint.problems.make,
    "diffusion.samplers": diffusion.sampler,
}


@pytest.mark.parametrize("group", FIND)
@pytest.mark.parametrize("target", ["guest:missing", "no_such_module:METHOD", "guest.inner:METHOD"])
def test_a_plug_in_that_does_not_load_names_its_package(install: Install, group: str, target: str) -> None:
    install(group, f"broken = {target}")
    with pytest.raises(
        ImportError, match=r"the plug-in 'broken' of the package guest .* received .*; update or uninstall"
    ):
        FIND[group]("broken")


@pytest.mark.parametrize("group", ["expint.methods", "diffusion.samplers"])
def test_a_plug_in_that_fails_or_is_something_else_names_its_package(install: Install, group: str) -> None:
    install(group, "fails = guest:fails")
    with pytest.raises(ImportError, match=r"package guest .* RuntimeError: no such device"):
        FIND[group]("fails")
    install(group, "array = other:np", package="other")
    with pytest.raises(TypeError, match=r"package other to be a .*, received module"):
        FIND[group]("array")
    sys.modules.pop("other")


def test_two_packages_with_one_name_are_refused(install: Install) -> None:
    install("expint.methods", "twice = guest:METHOD")
    install("expint.methods", "Twice = other:METHOD", package="other")
    with pytest.raises(ValueError, match="the package guest and the package other; uninstall all but one"):
        expint.method("twice")


def test_a_name_that_no_package_adds_is_refused_as_before() -> None:
    with pytest.raises(ValueError, match="did you mean"):
        expint.method("krogstadt4")
