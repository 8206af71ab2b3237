"""The four working days of docs/days.md: as many lines at most as elsewhere, equal results, and a kill in between."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
PAGE = Path(__file__).parents[1] / "docs" / "days.md"
TEXT = PAGE.read_text(encoding="utf-8")
DAYS = re.findall(r"^## The (\w+)\n.*?```\w+\n# here\n(.*?)```.*?```\w+\n# elsewhere\n(.*?)```", TEXT, re.M | re.S)


def lines(block: str) -> int:
    return len([line for line in block.split("\n") if line.strip() and not line.startswith("#")])


def test_a_day_takes_at_most_as_many_lines_as_elsewhere_and_the_page_says_how_many() -> None:
    counted = {name: (lines(ours), lines(theirs)) for name, ours, theirs in DAYS}
    assert list(counted) == ["physicist", "lecturer", "practitioner", "engineer"]
    assert all(ours <= theirs for ours, theirs in counted.values())
    said = {name: (int(a), int(b)) for name, a, b in re.findall(r"\| the (\w+) \| (\d+) \| (\d+) \|", TEXT)}
    assert said == counted


def of_days(names: dict[str, Any], printed: str) -> None:
    """What the scripts of the page find is the same here and elsewhere, and right where that is known."""
    for key, ours in names["ends"].items():
        theirs = names["scipy_ends"][key]  # of second order in space
        assert abs(ours - theirs).max() < 0.25 * abs(theirs).max(), key
    centres, nodes = (np.arange(16) + 0.5) * 10 / 16, np.linspace(0, 10, 18)[1:-1]
    along = np.interp(centres, nodes, names["varied"][:, 8])
    assert abs(along - names["scipy_varied"][:, 8]).max() < 0.05
    np.testing.assert_allclose(names["run"].y_end, names["ends"]["neumann", 1.0], rtol=1e-3, atol=1e-5)
    for film in ("waves.gif", "waves_scipy.gif"):
        assert Path(film).read_bytes().startswith(b"GIF")
    ours = [cell.error for cell in names["study"].cells if cell.method == "mine"]
    np.testing.assert_allclose(ours, names["errors"]["two_stage"], rtol=1e-6)
    assert r"\begin{tabular}" in Path("methods.tex").read_text()
    assert all(Path(f"{name}.png").stat().st_size > 5000 for name in ("orders", "region"))
    right = 1 + 0.5 * names["noise"]  # the exact map of noise to data
    assert all(abs(names[own] - right).max() < 0.05 for own in ("samples", "by_scipy"))
    assert names["calls"] > 3 * 10
    mpl.pyplot.close("all")


def test_the_physicists_script_goes_on_after_sigkill_to_the_last_bit(tmp_path: Path) -> None:
    script = "\n".join(line for line in DAYS[0][1].split("\n") if "plot" not in line)
    script = script.replace("return lambda t, a: ", "return lambda t, a: __import__('time').sleep(0.004) or ")
    script += "np.save('end.npy', run.y)\n"
    script = re.sub(r"^ends = .*?(?=^if Path)", PREPARED, script, flags=re.M | re.S)
    found = []
    for folder, killed in (("killed", True), ("never", False)):
        place = tmp_path / folder
        place.mkdir()
        (place / "day.py").write_text(script)
        process = subprocess.Popen([sys.executable, "day.py"], cwd=place)
        started = time.monotonic()
        while killed and not (place / "run.npz").exists() and time.monotonic() - started < 60:
            time.sleep(0.005)
        if killed:
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert not (place / "end.npy").exists()
            subprocess.run([sys.executable, "day.py"], cwd=place, check=True)
        assert killed or process.wait() == 0
        found.append(np.load(place / "end.npy"))
    np.testing.assert_array_equal(*found)


PREPARED = """grid = expint.Grid((16, 16), 16.0, boundary="neumann", real=False)
start = 0.1 * np.random.default_rng(1).normal(size=grid.shape) + 0j
linear = 1 + (1 + 0.5j) * grid.laplacian
"""
