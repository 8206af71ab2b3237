"""A random family of matrices, and every way to apply their φ-functions judged against exponentials that are formed.

Run many: ``python -m tests.expint.matrix_family 1000``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from expint.operators import Sparse
from expint.phi.action import Accuracy, ActionFailure, Propagator, phi_action
from expint.phi.krylov import Krylov

STENCILS = {  # of the second derivative, by order: the middle and one side
    2: (-2.0, 1.0),
    4: (-5 / 2, 4 / 3, -1 / 12),
    6: (-49 / 18, 3 / 2, -3 / 20, 1 / 90),
    8: (-205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560),
}
SLOPES = {2: (1 / 2,), 4: (2 / 3, -1 / 12), 6: (3 / 4, -3 / 20, 1 / 60), 8: (4 / 5, -1 / 5, 4 / 105, -1 / 280)}
"""Of the first derivative: one side; the other has the opposite sign."""

Random = np.random.Generator


def _banded(n: int, offsets: dict[int, float], periodic: bool) -> np.ndarray:
    matrix = np.zeros((n, n))
    for offset, value in offsets.items():
        matrix += value * (np.roll(np.eye(n), offset, axis=1) if periodic else np.eye(n, k=offset))
    return matrix


def second(n: int, order: int, periodic: bool) -> np.ndarray:
    """Return the second derivative by differences, in units of the mesh width."""
    middle, *sides = STENCILS[order]
    return _banded(n, {0: middle} | {s * k: a for k, a in enumerate(sides, start=1) for s in (1, -1)}, periodic)


def first(n: int, order: int, periodic: bool) -> np.ndarray:
    """Return the first derivative by central differences, in units of the mesh width."""
    return _banded(n, {s * k: s * a for k, a in enumerate(SLOPES[order], start=1) for s in (1, -1)}, periodic)


def _plane(axis: np.ndarray) -> np.ndarray:
    unit = np.eye(len(axis))
    return np.kron(axis, unit) + np.kron(unit, axis)


def _second_somewhere(rng: Random, n: int) -> np.ndarray:
    order, periodic = int(rng.choice([2, 4, 6, 8])), bool(rng.integers(2))
    return second(n, order, periodic) if rng.integers(2) else _plane(second(max(9, int(n**0.5)), order, periodic))


def _turned(rng: Random, values: np.ndarray) -> np.ndarray:
    basis = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    whole = (basis * values) @ basis.T
    return (whole + whole.T) / 2


def _graph(rng: Random, n: int, directed: bool) -> np.ndarray:
    weights = rng.uniform(0, 1, (n, n)) * (rng.uniform(0, 1, (n, n)) < 4 / n)
    weights = weights if directed else weights + weights.T
    np.fill_diagonal(weights, 0)
    return weights - np.diag(weights.sum(axis=1))


def _saddle(rng: Random, n: int, sign: float) -> np.ndarray:
    m = n // 3
    stiff = -_turned(rng, 10.0 ** rng.uniform(-1, 3, n - m))
    across = rng.standard_normal((n - m, m)) * 10.0 ** rng.uniform(-1, 1)
    return np.block([[stiff, across], [sign * across.T, np.zeros((m, m))]])


def _advection(rng: Random, n: int) -> np.ndarray:
    upwind = _banded(n, {0: -1.0, 1: 1.0}, bool(rng.integers(2)))
    drift = upwind if rng.integers(2) else first(n, int(rng.choice([2, 4, 6, 8])), bool(rng.integers(2)))
    return second(n, int(rng.choice([2, 4, 6, 8])), False) + 10.0 ** rng.uniform(-1, 1.5) * drift


FAMILY: dict[str, Callable[[Random, int], np.ndarray]] = {
    "negative": lambda rng, n: -_turned(rng, 10.0 ** rng.uniform(-3, 2, n)),
    "positive": lambda rng, n: _turned(rng, rng.uniform(0, 1, n)),
    "shifted up": lambda rng, n: _turned(rng, 3 - 10.0 ** rng.uniform(-2, 2, n)),
    "indefinite": lambda rng, n: _turned(rng, rng.standard_normal(n)),
    "skew": lambda rng, n: (lambda m: m - m.T)(rng.standard_normal((n, n))),
    "sparse skew": lambda rng, n: (lambda m: m - m.T)(np.triu(_graph(rng, n, True), 1)),
    "second difference": _second_somewhere,
    "squared": lambda rng, n: -np.linalg.matrix_power(_second_somewhere(rng, n), 2),
    "sixth": lambda rng, n: np.linalg.matrix_power(second(n, int(rng.choice([2, 4, 6, 8])), bool(rng.integers(2))), 3),
    "eighth": lambda rng, n: -np.linalg.matrix_power(second(n, 2, bool(rng.integers(2))), 4),
    "Kuramoto–Sivashinsky": lambda rng, n: (
        lambda d, h: -(d @ d) - h * d  # in units of the mesh width to the fourth power
    )(second(n, int(rng.choice([2, 4, 6, 8])), bool(rng.integers(2))), 10.0 ** rng.uniform(-3, 0)),
    "first difference": lambda rng, n: first(n, int(rng.choice([2, 4, 6, 8])), bool(rng.integers(2))),
    "third difference": lambda rng, n: np.linalg.matrix_power(first(n, int(rng.choice([2, 4, 6, 8])), True), 3),
    "advection and diffusion": _advection,
    "advection on a plane": lambda rng, n: _plane(_advection(rng, max(9, int(n**0.5)))),
    "graph": lambda rng, n: _graph(rng, n, False),
    "directed graph": lambda rng, n: _graph(rng, n, True),
    "random": lambda rng, n: rng.standard_normal((n, n)) / n**0.5 - rng.uniform(-1, 2) * np.eye(n),
    "triangle": lambda rng, n: np.triu(rng.standard_normal((n, n)), 1) / n**0.5 - np.diag(rng.uniform(0, 3, n)),
    "Jordan block": lambda rng, n: -rng.uniform(0, 2) * np.eye(n) + rng.uniform(0.3, 3) * np.eye(n, k=1),
    "Grcar": lambda rng, n: -(_banded(n, {-1: -1.0, 0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}, False)),
    "saddle": lambda rng, n: _saddle(rng, n, -1.0),
    "symmetric saddle": lambda rng, n: _saddle(rng, n, 1.0),
}
FACTORS: dict[str, complex] = {"1": 1.0, "-1": -1.0, "i": 1j, "-i": -1j, "1+i": (1 + 1j) / 2**0.5, "-1+3i": -0.3 + 0.9j}


class Case(NamedTuple):
    """A matrix, a step, vectors, and Σ φ_k(c h A) v.

    Attributes
    ----------
    growth
        The largest ‖e^{s h A}‖ at sixteen s from 0 to 1.
    size
        ‖hA‖.
    """

    name: str
    matrix: np.ndarray
    step: float
    vectors: dict[tuple[int, float], np.ndarray]
    exact: np.ndarray
    growth: float
    size: float


def case(kind: str, factor: str, rng: Random, n: int, reach: float = 5.0) -> Case:
    """Return a matrix of a kind times a number, with a step by which it grows no more than e^20 or so."""
    matrix = FACTORS[factor] * FAMILY[kind](rng, n)
    size = float(np.linalg.norm(matrix, 2)) or 1.0
    abscissa = float(np.linalg.eigvalsh((matrix + matrix.conj().T) / 2)[-1])
    step = 10.0 ** rng.uniform(-1, reach) / size
    step = min(step, 20.0 / abscissa) if abscissa > 1e-9 * size else step
    kind_of = matrix.dtype
    vectors = {}
    for k, c in ((0, 1.0), (1, 1.0), (2, 0.5), (3, 1.0))[: rng.integers(1, 5)]:
        x = np.linspace(0, 1, len(matrix))
        smooth = np.exp(-30 * (x - 0.5) ** 2) * 10.0 ** rng.uniform(-2, 2)
        v = smooth if rng.integers(2) else rng.standard_normal(len(matrix)) * 10.0 ** rng.uniform(-2, 2)
        vectors[k, c] = v.astype(kind_of)
    flow, growth = linalg.expm(step / 16 * matrix), 1.0
    whole = np.eye(len(matrix), dtype=kind_of)
    for _ in range(16):
        whole = flow @ whole
        growth = max(growth, float(np.linalg.norm(whole, 2)))
    exact = sum(_phi(c * step * matrix, k, v) for (k, c), v in vectors.items())
    return Case(f"{kind} × {factor}", matrix, step, vectors, exact, growth, step * size)


def _phi(matrix: np.ndarray, k: int, v: np.ndarray) -> np.ndarray:
    """Return φ_k(A) v from the exponential of A bordered by v and a chain, or in the eigenbasis of a normal A."""
    n = len(matrix)
    if np.allclose(
        matrix @ matrix.conj().T, matrix.conj().T @ matrix, rtol=0, atol=1e-14 * np.linalg.norm(matrix) ** 2
    ):
        turned = next((u for u in FACTORS.values() if np.allclose(u * matrix, (u * matrix).conj().T)), None)
        if turned is not None:
            values, basis = np.linalg.eigh((turned * matrix + (turned * matrix).conj().T) / 2)
            moved = _scalar_phi(values / turned, k) * (basis.conj().T @ v)
            moved = basis @ moved
            return moved if np.iscomplexobj(matrix) else moved.real
    bordered = np.zeros((n + k, n + k), dtype=matrix.dtype)
    bordered[:n, :n] = matrix
    if not k:
        return linalg.expm(matrix) @ v
    size = np.linalg.norm(v)
    bordered[:n, n] = v / size
    bordered[n:, n:] = np.eye(k, k=1)
    return size * linalg.expm(bordered)[:n, -1]


def _scalar_phi(z: np.ndarray, k: int) -> np.ndarray:
    """Return φ_k(z) = ∫ e^{(1-s) z} s^{k-1}/(k-1)! ds by its recurrence, by its series where |z| < 1."""
    z = np.asarray(z, dtype=complex)
    series = sum(z**j / float(np.prod(np.arange(1.0, j + k + 1))) for j in range(25))
    value = np.exp(z)
    with np.errstate(all="ignore"):
        for j in range(k):
            value = (value - 1 / float(np.prod(np.arange(1.0, j + 1)))) / z
    return np.where(np.abs(z) < 1, series, value)


def ways(operator: Sparse, like: np.ndarray, step: float) -> Iterator[tuple[str, Propagator]]:
    """Return the ways to apply φ-functions, by name: what is chosen, and each by itself."""
    known = operator.propagators(like)
    yield "auto", known[operator.choice(step)]
    yield from known.items()
    yield "krylov, two back", Krylov(orthogonalise=2)


def judge(given: Case, way: Propagator, tolerance: float) -> tuple[str, float, int]:
    """Return "right", "wrong" or "failed", the error in units of what is allowed, and the products spent."""
    products = 0
    some = sparse.csr_array(given.matrix)

    def matvec(v: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return some @ v

    start = max((float(np.linalg.norm(v)) for (k, _), v in given.vectors.items()), default=0.0)
    try:
        got = phi_action(matvec, given.vectors, given.step, accuracy=Accuracy(tolerance, products=3000), propagate=way)
    except ActionFailure:
        return "failed", np.inf, products
    size = max(
        float(np.linalg.norm(given.exact)),
        *(float(np.linalg.norm(v)) * (k == 0) for (k, _), v in given.vectors.items()),
    )
    rounding = 1e-15 * given.growth * (100 + given.size) * start
    error = float(np.linalg.norm(got - given.exact)) / (tolerance * size + rounding)
    return ("right" if error <= 2 else "wrong"), error, products


def main(arguments: list[str]) -> None:
    """Print how many of many cases are wrong or fail, for each way, and which."""
    many, seed, kinds = int(arguments[0]), int(arguments[1]), arguments[2:] or list(FAMILY)
    rng = np.random.default_rng(seed)
    counts: dict[str, Counter[str]] = {}
    worst: dict[tuple[str, str], list[str]] = {}
    for i in range(many):
        kind, factor = kinds[i % len(kinds)], str(rng.choice(["1", *FACTORS]))
        given = case(kind, factor, rng, int(rng.integers(24, 60)))
        if not np.all(np.isfinite(given.exact)) or given.growth > 1e10:
            continue
        tolerance = float(rng.choice([1e-4, 1e-8, 2e-12]))
        operator = Sparse(sparse.csr_array(given.matrix))
        for name, way in ways(operator, given.exact, given.step):
            verdict, error, products = judge(given, way, tolerance)
            counts.setdefault(name, Counter())[verdict] += 1
            counts[name]["products"] += products
            if verdict != "right":
                line = (
                    f"{given.name:30s} n = {len(given.matrix)}, ‖hA‖ = {given.size:.2g}, growth {given.growth:.1e}, "
                    f"tolerance {tolerance:.0e}, error {error:.1e} of it; {operator.choice(given.step)} is chosen"
                )
                worst.setdefault((name, verdict), []).append(line)
    lines = [
        f"{name:18s} " + ", ".join(f"{count[key]} {key}" for key in ("right", "wrong", "failed", "products"))
        for name, count in counts.items()
    ]
    for (name, verdict), which in worst.items():
        lines += [f"\n{name}: {verdict} ({len(which)})", *(f"  {line}" for line in which[:25])]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["200", "0"])
