"""Files appear whole or not at all, and nothing about a file is believed that does not add up."""

import errno
import functools
import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffusion
import expint
import expint.study
from expint.files import read_whole, whole_file
from expint.study import Cache, NotKeptWarning
from tests.expint.test_study import Here

LINEAR = functools.partial(expint.problems.prescribed_spectrum, (-1.0, -3.0))


def study(cache: Path | None, **options: Any) -> tuple[expint.study.Study, int]:
    """Return a study of one cell, and how many of its two results were computed."""
    found = expint.study.run(
        {"linear": LINEAR}, ["etd2rk"], steps=[0.1], cache=cache, executor=(here := Here()), **options
    )
    return found, len(here.jobs)


def signed(kept: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept with a checksum that fits, as somebody who knows how could write it."""
    text = json.dumps([kept["key"], kept["computed"], kept["result"]], sort_keys=True)
    return kept | {"checksum": hashlib.sha256(text.encode()).hexdigest()}


def crafted(**changes: Any) -> Callable[[dict[str, Any]], str]:
    return lambda kept: json.dumps(signed(kept | {"result": kept["result"] | changes}))


def digit(kept: dict[str, Any]) -> str:
    text = json.dumps(kept)
    at = text.index('"error": 0') if '"error"' in text else text.index('"data": "') + 9
    place = at + 13 if '"error"' in text else at
    return text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]


DAMAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "half-written": lambda kept: json.dumps(kept)[:40],
    "empty": lambda kept: "",
    "a changed digit": digit,
    "a changed time": lambda kept: json.dumps(kept | {"computed": "2001-01-01T00:00:00+00:00"}),
    "no time": lambda kept: json.dumps(signed(kept | {"computed": "yesterday"})),
    "a number": lambda kept: "1",
    "a list": lambda kept: json.dumps([kept]),
    "deep nesting": lambda kept: "[" * 100_000 + "]" * 100_000,
    "deep nesting inside": lambda kept: '{"key": ' + '{"a": ' * 90_000 + "1" + "}" * 90_001,
    "no result": lambda kept: json.dumps(signed(kept | {"result": None})),
    "a list as result": lambda kept: json.dumps(signed(kept | {"result": [1.0]})),
    "an empty result": lambda kept: json.dumps(signed(kept | {"result": {}})),
    "an extended result": crafted(more=1),
    "null": crafted(error=None, data=None),
    "nan": crafted(error=float("nan"), shape=float("nan")),
    "infinity": crafted(error=float("inf"), shape=[float("inf")]),
    "a negative error": crafted(error=-1.0, shape=[-2]),
    "text": crafted(error="0.1", shape="2"),
    "a truth value": crafted(error=True, shape=[True]),
    "fractions of calls": crafted(calls=1.5, dtype="<f4"),
    "negative calls": crafted(calls=-1, dtype="<U8"),
    "objects": crafted(seconds=None, dtype="|O"),
    "a crafted dtype": crafted(steps=[], dtype="V1000000000"),
    "a list of fields": crafted(steps={}, dtype=[["a", "<f8"]]),
    "a shape too large": crafted(seconds=-1, shape=[1 << 62]),
    "data of another length": crafted(seconds="", data="AAAA"),
    "no base 64": crafted(seconds=[], data="é"),
    "a nan in the data": crafted(error="nan", shape=[1], data="AAAAAAAA+H8="),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_computed_again_and_repaired(tmp_path: Path, damage: str) -> None:
    found, _ = study(tmp_path)
    for file in tmp_path.glob("*.json"):
        file.write_text(DAMAGES[damage](json.loads(file.read_text())), encoding="utf-8")
    again, computed = study(tmp_path)
    assert computed == 2
    assert again.cells[0].error == found.cells[0].error
    assert study(tmp_path)[1] == 0


def put_folder(file: Path) -> None:
    file.mkdir()


def put_pipe(file: Path) -> None:
    os.mkfifo(file)


def put_link(target: str, file: Path) -> None:
    file.symlink_to(target)


def put_large(file: Path) -> None:
    with file.open("wb") as handle:
        handle.truncate(1 << 40)  # holes


PLACES: dict[str, Callable[[Path], None]] = {
    "a folder": put_folder,
    "a pipe": put_pipe,
    "a link to an endless device": functools.partial(put_link, "/dev/zero"),
    "a link to itself": lambda file: file.symlink_to(file),
    "a link to nowhere": functools.partial(put_link, "nowhere"),
    "a file of a tebibyte": put_large,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.filterwarnings("ignore::expint.study.NotKeptWarning")
@pytest.mark.parametrize("what", PLACES)
def test_what_is_no_file_in_a_cache_is_no_result_and_loses_none(tmp_path: Path, what: str) -> None:
    found, _ = study(tmp_path)
    for file in list(tmp_path.glob("*.json")):
        file.unlink()
        PLACES[what](file)
    again, computed = study(tmp_path)
    assert computed == 2
    assert again.cells[0].error == found.cells[0].error


def test_a_study_says_how_many_results_come_from_the_cache_and_from_when(tmp_path: Path) -> None:
    first, _ = study(tmp_path)
    assert not first.remarks
    again, _ = study(tmp_path)
    (remark,) = again.remarks
    times = {json.loads(file.read_text())["computed"] for file in tmp_path.glob("*.json")}
    assert remark.startswith("2 of 2 results come from the cache, computed ")
    assert all(time in remark for time in (min(times), max(times)))
    assert remark in again.markdown()
    assert f"% {remark}" in again.latex()


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_loses_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(os, call, full)
    with pytest.warns(NotKeptWarning, match="2 of 2 results are not kept in the cache: it could not be written"):
        found, _ = study(tmp_path)
    assert found.cells[0].error > 0
    assert "No space left" in found.remarks[0]
    assert not list(tmp_path.iterdir())


def test_a_result_that_cannot_be_keyed_is_not_kept_and_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def noisy() -> expint.SemilinearProblem:
        return LINEAR() if rng is not None else None

    options = {"methods": ["etd2rk"], "steps": [0.1], "cache": tmp_path}
    for _ in range(2):
        with pytest.warns(NotKeptWarning, match=r"received an object of type numpy.random.*pass key="):
            expint.study.run([noisy], executor=(here := Here()), **options)
        assert len(here.jobs) == 2
    assert not list(tmp_path.iterdir())
    for key, computed in (("one", 2), ("one", 0), ("another", 2), ("one", 0)):
        expint.study.run([noisy], executor=(here := Here()), key=key, **options)
        assert len(here.jobs) == computed
    with pytest.raises(TypeError, match="expected key as text"):
        expint.study.run([noisy], key="", **options)


def test_others_may_read_what_a_study_keeps(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        study(tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.json")} == {0o644}


@pytest.mark.parametrize(
    ("cache", "kind", "message"),
    [
        (3, TypeError, "path of a folder, received int"),
        (b"x", TypeError, "path of a folder, received bytes"),
        ("file", ValueError, "a folder that is there or can be made"),
        ("file/inside", ValueError, "a folder that is there or can be made"),
        ("nul\0", ValueError, "a folder that is there or can be made"),
    ],
)
def test_a_cache_that_is_no_folder_is_refused(tmp_path: Path, cache: Any, kind: type[Exception], message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(kind, match=message):
        Cache(tmp_path / cache if isinstance(cache, str) else cache)


def test_a_file_replaces_what_was_there_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(target)

    def interrupted() -> None:
        with whole_file(link) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    with whole_file(link) as file:
        file.write(b"new")
    assert (target.read_text(), link.is_symlink(), stat.S_IMODE(target.stat().st_mode)) == ("new", True, 0o640)
    assert sorted(tmp_path.iterdir()) == [link, target]
    with pytest.raises(OSError, match="which is a folder"), whole_file(tmp_path):
        pass
    with pytest.raises(OSError, match="no regular file"), whole_file("/dev/null"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("load", [diffusion.load_sampler, diffusion.Statistics.load])
def test_what_is_no_whole_file_is_refused_at_once(tmp_path: Path, load: Callable[[Any], Any]) -> None:
    pytest.importorskip("safetensors")
    for name, put in PLACES.items():
        put(tmp_path / name)
        with pytest.raises((ValueError, OSError), match=r"expected|No such file|symbolic links"):
            load(tmp_path / name)
    statistics = diffusion.Statistics(np.array([-1.0, 1.0]), *(np.ones((2, 3)) for _ in range(3)))
    for save in (statistics.save, diffusion.freeze("ddim", diffusion.VP.linear(), steps=3).save):
        save(tmp_path / "whole")
        whole = (tmp_path / "whole").read_bytes()
        for damaged in (b"", whole[:20], whole[:-3], whole[:8] + b"[" + whole[9:], b"\xff" * 64):
            (tmp_path / "damaged").write_bytes(damaged)
            with pytest.raises(ValueError, match="expected a whole file in the safetensors format"):
                load(tmp_path / "damaged")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_statistics_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    pytest.importorskip("safetensors")
    place = tmp_path / "statistics"
    diffusion.Statistics.of_prediction("data").save(place)
    before = place.read_bytes()
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        diffusion.Statistics.of_prediction("noise").save(place)
    assert place.read_bytes() == before
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_whole(tmp_path / "file", 3) == b"abc"
    assert read_whole(tmp_path / "file", 2) is None
    assert read_whole(tmp_path / "none", 3) is None


@pytest.mark.parametrize("name", ["u.npz", "u.png"])
def test_the_command_line_keeps_the_older_file_when_the_disk_is_full(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    out.write_text("old")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "import expint.cli.commands as c; import expint.plot; expint.plot.pyplot();"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (500, {resource.RLIM_INFINITY}));"
        f"c.commands(['solve', 'burgers', '--set', 'n=64', '--t-end', '0.1', '--step', '0.05', '--out', {str(out)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["../references/burgers", "/etc/passwd", "a/b", "", ".", "..", "x\0y", 3, None, b"burgers"]
)
def test_a_reference_solution_is_found_by_name_only(name: Any, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError), match="expected the name of a problem"):
        expint.problems.reference(name)
    elsewhere = tmp_path / "elsewhere.npz"
    np.savez(elsewhere, t=1.0)
    with pytest.raises(ValueError, match="with a stored solution"):
        expint.problems.reference(str(elsewhere.with_suffix("")))
