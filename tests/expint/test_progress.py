"""Progress bars: by tqdm where it is installed, never needed."""

import builtins
import io
import sys
from collections.abc import Callable

import pytest
import tqdm.auto

import expint


def solve(**options: object) -> expint.Solution:
    return expint.solve_ivp(lambda t, y: 0 * y, (0, 1), [1.0], linear=-1.0, step=0.1, method="etd2rk", **options)


def test_the_bar_advances_once_a_step_and_names_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[object] = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options: object) -> None:
            super().__init__(**(options | {"disable": False, "file": io.StringIO()}))
            bars.append(self)

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    assert solve(progress=True).success
    (bar,) = bars
    assert (bar.n, bar.total) == (10, 10)
    assert bar.desc.startswith("etd2rk")


def test_a_bar_is_silent_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    solve(progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., object] = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name.startswith("tqdm"):
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    for module in [module for module in sys.modules if module.startswith("tqdm")]:
        monkeypatch.delitem(sys.modules, module)


@pytest.mark.usefixtures("without_tqdm")
def test_without_tqdm_a_solve_runs_and_a_bar_is_refused_with_the_install_line() -> None:
    assert solve(progress=False).success
    with pytest.raises(ImportError, match=r"progress bars need tqdm: pip install .* \(or pass progress=False\)"):
        solve(progress=True)
