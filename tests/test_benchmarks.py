"""Every benchmark runs, on very little; what is claimed of its results is tested beside what it measures."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import PRINT, WRITE, main

README = Path(__file__).parent.parent / "README.md"


def test_every_benchmark_is_listed_and_says_in_one_line_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    modules = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    runnable = {
        name for name in modules - {"__main__"} if hasattr(importlib.import_module(f"benchmarks.{name}"), "main")
    }
    assert runnable == set(PRINT + WRITE)
    main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(PRINT + WRITE)
    assert all(line.endswith((".", ":")) or len(line) > 40 for line in lines)


def test_the_readme_names_every_benchmark() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in (*PRINT, *WRITE) if name not in text] == []


@pytest.mark.parametrize("name", PRINT)
def test_a_benchmark_prints_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--quick"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"== {name}"
    assert len(printed) >= 4


@pytest.mark.parametrize("name", WRITE)
def test_a_script_writes_where_it_is_told(name: str, tmp_path: Path) -> None:
    importlib.import_module(f"benchmarks.{name}").main(["--quick", "--folder", str(tmp_path)])
    assert list(tmp_path.iterdir())


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["marathon"])
    assert "unknown benchmark 'marathon'; expected one of adr_grids" in capsys.readouterr().err
