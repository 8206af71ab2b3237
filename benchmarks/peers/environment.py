"""An environment of the peers' own: made, filled one peer at a time, and entered."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import parser

__all__ = ["PEERS", "install", "main", "python_of", "surroundings"]

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
OURS = ("numpy", "scipy", "sympy", "array-api-compat", "matplotlib")
"""What this library and the pictures need."""

PEERS = ("rkstiff", "exponax", "diffrax")
"""What is compared beside SciPy, each installed by itself."""

Runner = Callable[[Sequence[str]], int]


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(command: Sequence[str]) -> int:
    """Run a command and return its exit status; its output is shown."""
    return subprocess.run(list(command), check=False).returncode


def install(environment: Path, runner: Runner = call) -> tuple[list[str], list[str]]:
    """Make the environment where it is missing, install the peers, and return those installed and those that failed.

    Raises
    ------
    ValueError
        If the environment is the one that runs this script.
    RuntimeError
        If the environment cannot be made, or not even what this library needs can be installed.
    """
    environment = environment.absolute()  # a link in it leads to the interpreter it was made by: not to be followed
    if environment == Path(sys.prefix).absolute():
        raise ValueError(f"expected an environment apart, received the one in use, {environment}; name another folder")
    python = str(python_of(environment))
    if not python_of(environment).exists() and runner([sys.executable, "-m", "venv", str(environment)]):
        raise RuntimeError(f"expected to make a virtual environment in {environment}, which failed; see above")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", str(REQUIREMENTS)]
    if runner([*pip, *OURS]):
        raise RuntimeError(f"expected to install {', '.join(OURS)} into {environment}, which failed; see above")
    done = {peer: runner([*pip, peer]) == 0 for peer in PEERS}
    return [peer for peer in PEERS if done[peer]], [peer for peer in PEERS if not done[peer]]


def surroundings() -> dict[str, str]:
    """Return the environment variables of the comparison: this checkout is found, and all use one thread."""
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    jax = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**os.environ, **one, "XLA_FLAGS": jax, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}


def main(arguments: Sequence[str] = ()) -> None:
    """Install the peers and compare; what follows an option unknown here is for the comparison."""
    command = parser("benchmarks.peers", __doc__)
    command.add_argument("--environment", type=Path, default=ROOT / "out" / "peers-environment", metavar="FOLDER")
    options, others = command.parse_known_args(arguments)
    installed, failed = install(options.environment)
    for peer in failed:
        print(f"{peer} could not be installed and is left out")
    print(f"beside SciPy: {', '.join(installed) or 'nobody'}", flush=True)
    others += ["--quick"] if options.quick else []
    side_by_side = [str(python_of(options.environment)), "-m", "benchmarks.peers.side_by_side", *others]
    sys.exit(subprocess.run(side_by_side, check=False, env=surroundings()).returncode)
