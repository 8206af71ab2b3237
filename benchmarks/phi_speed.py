"""Cost of φ_0, …, φ_p for a million numbers in units of ``np.exp``, and of lowering a scheme for a long symbol.

φ_0, …, φ_p and ``np.exp`` of the same numbers are timed alternately in one run and the best of each is compared, so
that a busy machine disturbs the ratio little. To lower a scheme is to compute the weights of all its rows for one
operator and one step size.
Run: ``python -m benchmarks.phi_speed``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

import expint
from benchmarks import parser
from expint.lower import lower
from expint.operators import Diagonal
from expint.phi import phi_functions

SIZE, REPEATS = 10**6, 7
SCHEMES = (
    "cox-matthews4",
    "krogstad4",
    "strehmel-weiner4",
    "friedli4",
    "minchev4",
    "hochbruck-ostermann4",
    "lawson-rk4",
)


def numbers(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Return the sets of numbers: each regime by itself, and all of them mixed at random."""
    logarithmic = 10.0 ** rng.uniform(-16, 4, size)
    return {
        "real, −50 … 0": rng.uniform(-50, 0, size),
        "real, −5 … 5": rng.uniform(-5, 5, size),
        "real, −50 … 50": rng.uniform(-50, 50, size),
        "real, 0 … 50": rng.uniform(0, 50, size),
        "real, both signs, logarithmic": np.sqrt(logarithmic) * rng.choice([-1.0, 1.0], size),
        "real, where recurrences turn": rng.choice([-3.0, -1.0, 1.0, 5.0], size) + rng.uniform(-0.1, 0.1, size),
        "real, −1e4 … −1e-16, logarithmic": -logarithmic,
        "real, diffusion symbol −k²": -(np.linspace(0, 100, size) ** 2),
        "imaginary, −50 … 50": 1j * rng.uniform(-50, 50, size),
        "left half plane, logarithmic": logarithmic * np.exp(1j * rng.uniform(0.5 * np.pi, 1.5 * np.pi, size)),
    }


def seconds(function: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def symbols(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Return symbols with which schemes are lowered."""
    k = np.linspace(0, 100, size)
    return {
        "−k²": -(k**2),
        "−5 … 5": rng.uniform(-5, 5, size),
        "i k³": 1j * k**3,
        "i (−50 … 50)": 1j * rng.uniform(-50, 50, size),
        "left half plane": numbers(rng, size)["left half plane, logarithmic"],
    }


def evaluation(size: int, repeats: int) -> None:
    """Print the cost of evaluating φ-functions."""
    print(f"{size:.0e} numbers; time of φ_0 … φ_p / ((p + 1) × time of np.exp)\n")
    print(f"{'numbers':<34} {'p':>2} {'np.exp':>10} {'φ_0 … φ_p':>11} {'ratio':>6}")
    for name, z in numbers(np.random.default_rng(0), size).items():
        for p in (4, 8):
            exp_times, phi_times = [], []
            for _ in range(repeats):
                exp_times.append(seconds(lambda z=z: np.exp(z)))
                phi_times.append(seconds(lambda z=z, p=p: phi_functions(z, p)))
            exp, phi = min(exp_times), min(phi_times)
            print(f"{name:<34} {p:>2} {exp * 1e3:>7.1f} ms {phi * 1e3:>8.1f} ms {phi / exp / (p + 1):>6.2f}")


def lowering(size: int, repeats: int) -> None:
    """Print the time that it takes to lower schemes."""
    given = symbols(np.random.default_rng(0), size)
    print(f"\nLowering for a symbol of {size} entries, ms\n")
    print(f"{'scheme':<22}" + "".join(f"{name:>17}" for name in given))
    for scheme in SCHEMES:
        method = expint.method(scheme)
        lower(method, Diagonal([-1.0]), (0.0, 1.0))  # what is derived once is no part of it
        best = [
            min(
                seconds(lambda m=method, s=symbol: lower(m, Diagonal(s), (0.0, 1.0), like=0 * s))
                for _ in range(repeats)
            )
            for symbol in given.values()
        ]
        print(f"{scheme:<22}" + "".join(f"{time * 1e3:>17.1f}" for time in best))


def main(arguments: Sequence[str] = ()) -> None:
    """Print both tables."""
    quick = parser("benchmarks.phi_speed", __doc__).parse_args(arguments).quick
    evaluation(*(1000, 2) if quick else (SIZE, REPEATS))
    lowering(*(1000, 2) if quick else (SIZE // 10, REPEATS))


if __name__ == "__main__":
    main(sys.argv[1:])
