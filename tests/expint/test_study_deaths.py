"""Whatever a cell does, it is a result of this cell: the rest finishes, and nothing that is done is lost."""

import functools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import expint
import expint.study
from expint.study import Job, Processes, StudyInterrupted


class Wordless(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class Needy(Exception):
    """Cannot be made again from its arguments, as pickle does."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


def exit_hard() -> None:
    os._exit(7)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def throw(error: type[BaseException], *arguments: Any) -> None:
    raise error(*arguments)


def deadly(end: Callable[[], None], t: float, y: np.ndarray) -> np.ndarray:
    end()
    return y


def problem(end: Callable[[], None] | None) -> expint.SemilinearProblem:
    nonlinear = (lambda t, y: 0 * y) if end is None else functools.partial(deadly, end)
    return expint.SemilinearProblem(-1.0, nonlinear, np.ones(1), (0.0, 1.0), exact=lambda t: np.exp(-t) * np.ones(1))


DEATHS: dict[str, tuple[Callable[[], None], str]] = {
    "killed": (kill, "ended by SIGKILL, as the system does when memory runs out"),
    "faulty": (fault, "ended by SIGSEGV"),
    "exits": (exit_hard, "exit code 7"),
}
RAISED: dict[str, tuple[Callable[[], None], str]] = {
    "memory": (functools.partial(throw, MemoryError), "MemoryError"),
    "exit": (functools.partial(throw, SystemExit, 3), "SystemExit: 3"),
    "interrupt": (functools.partial(throw, KeyboardInterrupt), "KeyboardInterrupt"),
    "generator exit": (functools.partial(throw, GeneratorExit), "GeneratorExit"),
}


def study(ends: dict[str, tuple[Callable[[], None], str]], **options: Any) -> expint.study.Study:
    problems = {name: functools.partial(problem, end) for name, (end, _) in ends.items()}
    return expint.study.run(problems | {"fine": functools.partial(problem, None)}, ["etd2rk"], steps=[0.5], **options)


def failed_alone(found: expint.study.Study, ends: dict[str, tuple[Callable[[], None], str]]) -> None:
    for cell in found.cells:
        if cell.problem == "fine":
            assert not cell.failure
        else:
            assert ends[cell.problem][1] in cell.failure
            assert "__main__" not in cell.failure


def test_a_process_that_dies_fails_its_cell_with_the_reason_and_the_rest_finishes() -> None:
    ends = DEATHS | RAISED
    failed_alone(study(ends), ends)


def test_a_pool_of_the_user_that_breaks_is_replaced() -> None:
    fresh = multiprocessing.get_context("spawn")  # a fork beside the threads of other tests may hang
    with ProcessPoolExecutor(1, fresh) as pool:
        failed_alone(study({"killed": DEATHS["killed"]}, executor=pool), DEATHS)


def test_threads_survive_what_cells_raise() -> None:
    with ThreadPoolExecutor(2) as threads:
        failed_alone(study(RAISED, executor=threads), RAISED)


def test_an_exception_that_cannot_tell_itself_is_a_failure_like_any() -> None:
    assert Job(throw, (Wordless,))().failure == "Wordless: (no message)"


def test_a_pool_gives_results_raises_what_was_raised_and_goes_on() -> None:
    with Processes(1) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result()
        with pytest.raises(RuntimeError, match="Needy: 1 2"):
            pool.submit(throw, Needy, 1, 2).result()
        with pytest.raises(RuntimeError, match="exit code 7"):
            pool.submit(exit_hard).result()
        assert pool.submit(divmod, 7, 2).result() == (3, 1)


SCRIPT = """
import functools, os, signal, sys, threading, time
import numpy as np
import expint, expint.study

def slow(t, y):
    time.sleep(0.05)
    return 0 * y

def make(n):
    return expint.SemilinearProblem(-1.0, n, np.ones(1), (0.0, 1.0), exact=lambda t: np.exp(-t) * np.ones(1))

def rest(t, y):
    return 0 * y

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
    problems = {name: functools.partial(make, n) for name, n in (("fast", rest), ("slow", slow))}
    try:
        expint.study.run(problems, ["etd2rk"], steps=[0.5, 1e-4], cache=sys.argv[1])
    except KeyboardInterrupt as stopped:
        print([bool(cell.failure) for cell in stopped.study.cells])
        raise
"""


@contextmanager
def started(tmp_path: Path, text: str = SCRIPT) -> Iterator[subprocess.Popen]:
    """Run a script for the time of the context at most: one that a failed test leaves would run for minutes."""
    script = tmp_path / "script.py"
    script.write_text(text)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(expint.__file__).parents[1])},  # the package that is tested here
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def descendants(parent: int) -> list[int]:
    """Return the processes that a process has started, as Linux knows them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def kept(tmp_path: Path) -> int:
    return len(list((tmp_path / "cache").glob("*.json")))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_study_keeps_what_is_done_and_leaves_no_process_behind(
    tmp_path: Path, how: signal.Signals
) -> None:
    with started(tmp_path) as running:
        until(lambda: kept(tmp_path) == 5)  # two references, the fast cells and the first slow one
        workers = descendants(running.pid)
        assert workers
        running.send_signal(how)
        out, _ = running.communicate(timeout=30)
    if how == signal.SIGINT:
        assert out.strip() == "[False, False, False, True]"
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert kept(tmp_path) == 5


def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    with started(tmp_path, SCRIPT.replace('if __name__ == "__main__":', "if True:")) as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode
    assert 'call the study under `if __name__ == "__main__":`' in " ".join(err.split())


def test_ctrl_c_brings_the_study_with_it_and_travels() -> None:
    calls = []

    def end() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    from tests.expint.test_study import Here

    with pytest.raises(StudyInterrupted) as stopped:
        study({"ends": (end, "")}, executor=Here())
    assert [bool(cell.failure) for cell in stopped.value.study.cells] == [True, True]
    assert pickle.loads(pickle.dumps(stopped.value)).study.methods() == ["etd2rk"]
