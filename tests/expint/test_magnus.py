"""Magnus and commutator-free methods: orders proved in words, and measured where the solution is known."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
from scipy import special

import expint
from expint.derive.kinds.lie_group import Exponent, LieGroupMethod, Motion
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.time_words import linear_order, missed_words
from expint.methods.citations import bibtex
from expint.methods.magnus import magnus, magnus_names
from expint.operators import MatrixFree, TimeDependent

SLOPE = 0.15


@pytest.mark.parametrize("name", magnus_names())
def test_declared_orders_are_the_proved_ones(name: str) -> None:
    assert linear_order(magnus(name), max_order=6) == magnus(name).order


def test_coefficients_that_are_a_little_wrong_lose_the_order() -> None:
    gauss, fields = magnus("cf4").c, magnus("cf4").final.exponents
    assert linear_order(LieGroupMethod("swapped", gauss, Motion(0, fields[::-1]), order=4)) == 2
    half = Fraction(1, 2)
    ((_, _, root),) = magnus("magnus4").final.exponents[0].commutators
    assert linear_order(LieGroupMethod("no commutator", gauss, Motion(0, (Exponent((half, half)),)), order=4)) == 2
    wrong = Exponent((half, half), ((1, 2, root),))
    assert linear_order(LieGroupMethod("wrong sign", gauss, Motion(0, (wrong,)), order=4)) == 2
    assert linear_order(LieGroupMethod("not whole", gauss, Motion(0, (Exponent((half, half / 2)),)), order=4)) == 0
    assert linear_order(LieGroupMethod("left end", (0,), Motion(0, (Exponent((1,)),)), order=1)) == 1


@pytest.mark.parametrize("name", magnus_names())
def test_the_report_names_what_fails_in_the_next_order(name: str) -> None:
    report = check_orders(magnus(name))
    assert report is magnus(name).orders
    assert (report.order, report.violated_stiff != ()) == (magnus(name).order, True)
    assert report.violated
    assert all(condition.order == report.order + 1 and condition.residual != 0 for condition in report.violated)
    assert (report.error_constant is None) == bool(magnus(name).points)  # with words and trees


@pytest.mark.parametrize("name", ["magnus4", "cf4"])
def test_the_leading_error_is_what_is_missed_in_words(name: str) -> None:
    """A second route: the error of one step with matrix coefficients, divided by h⁵."""
    order, words = missed_words(magnus(name), max_order=6)
    assert order == 4
    h, a = 0.01, np.random.default_rng(3).normal(size=(5, 3, 3))
    foreseen = sum(float(missed) * functools.reduce(np.matmul, a[list(word)]) for word, missed in words.items())
    taylor = [np.eye(3)]
    for n in range(12):
        taylor.append(sum(a[k] @ taylor[n - k] for k in range(min(n, 4) + 1)) / (n + 1))
    exact = sum(coefficient * h**n for n, coefficient in enumerate(taylor))
    operator = TimeDependent(lambda t: sum(coefficient * t**k for k, coefficient in enumerate(a)))
    columns = [
        expint.solve_ivp(None, (0, h), unit, linear=operator, method=magnus(name), step=h).y_end for unit in np.eye(3)
    ]
    measured = (np.array(columns).T - exact) / h**5
    assert np.max(np.abs(measured - foreseen)) < 0.05 * np.max(np.abs(foreseen))


def test_the_exponent_is_the_magnus_expansion_up_to_order_four() -> None:
    """A second route: Ω₁ + Ω₂ + Ω₃ by iterated integrals; Ω₄ and what follows is of order five at least."""
    a = sympy.symbols("a0:4", commutative=False)
    h, r, s, t = sympy.symbols("h r s t")

    def at(x: sympy.Expr) -> sympy.Expr:
        return sum(ak * x**k for k, ak in enumerate(a))

    def bracket(x: sympy.Expr, y: sympy.Expr) -> sympy.Expr:
        return sympy.expand(x * y - y * x)

    def over(f: sympy.Expr, *bounds: tuple) -> sympy.Expr:
        for variable, top in bounds:
            powers = sympy.collect(sympy.expand(f), variable, evaluate=False)
            f = sum(c * top ** (n + 1) / (n + 1) for p, c in powers.items() for n in [sympy.degree(p, variable)])
        return sympy.expand(f)

    def truncated(f: sympy.Expr) -> dict:
        powers = sympy.collect(sympy.expand(f), h, evaluate=False)
        found = {int(sympy.degree(p, h)) if p != 1 else 0: sympy.expand(c) for p, c in powers.items()}
        return {n: c for n, c in found.items() if n <= 4 and c != 0}

    first = over(at(t), (t, h))
    second = over(bracket(at(t), at(s)), (s, t), (t, h)) / 2
    inner = bracket(at(t), bracket(at(s), at(r))) + bracket(at(r), bracket(at(s), at(t)))
    third = over(sympy.expand(inner), (r, s), (s, t), (t, h)) / 6
    assert truncated(third) == {}
    method = magnus("magnus4")
    root = sympy.sqrt(3)
    nodes = [at(h * (3 - root) / 6), at(h * (3 + root) / 6)]
    (field,), b = method.final.exponents, root / 12
    assert [float(c) for c in method.c] == pytest.approx([float(3 - root) / 6, float(3 + root) / 6], abs=2e-16)
    assert (field.linear, field.commutators[0][:2]) == ((Fraction(1, 2),) * 2, (2, 1))
    assert float(field.commutators[0][2]) == pytest.approx(float(b), abs=2e-16)
    exponent = h * (nodes[0] + nodes[1]) / 2 + h**2 * b * bracket(nodes[1], nodes[0])
    difference = sympy.expand(exponent - first - second - third)
    assert {n: sympy.simplify(x) for n, x in truncated(difference).items() if sympy.simplify(x) != 0} == {}


def test_at_constant_operators_the_methods_are_tableaux_with_proved_orders() -> None:
    method, known = magnus("cfree4").tableau, expint.method("cfree4")
    assert (method.c, method.a, method.b) == (known.c, known.a, known.b)
    midpoint = magnus("magnus2").tableau
    assert (midpoint.order, midpoint.stiff_order, midpoint.weak_stiff_order) == (2, 1, 2)
    assert magnus("cfree4").weak_stiff_order == 2
    assert [(magnus(name).stiff_order, magnus(name).weak_stiff_order) for name in ("magnus4", "cf4")] == [(1, 2)] * 2
    assert [magnus(name).exponentials for name in magnus_names()] == [2, 1, 2, 5]
    with pytest.raises(ValueError, match="expected a method with points, received one for N = b"):
        _ = magnus("cf4").tableau


def test_methods_print_themselves_and_name_their_sources() -> None:
    assert r"0.144337567297\ldots h^2 [F_{2}, F_{1}]" in magnus("magnus4").latex()
    assert magnus("cfree4").latex().count(r"\exp") == 5
    assert magnus("magnus4").markdown().endswith("| y_(n+1) | y_n | 1/2 | 1/2 | 0.144337567297… [F_2, F_1] |")
    for name in magnus_names():
        assert magnus(name).orders.order == magnus(name).order
        assert magnus(name).cite() == bibtex(magnus(name).reference)
        assert magnus(name)._repr_latex_().startswith("$$")


def test_the_catalogue_knows_them() -> None:
    assert {"magnus2", "magnus4", "cf4", "cfree4"} <= set(expint.method_names())
    assert expint.method("Magnus-4") is magnus("magnus4")
    y0, react = np.array([1.0, 0.5]), lambda t, y: np.sin(t + y)
    options = {"linear": np.array([-1.0, -2.0]), "step": 0.25}
    one = expint.solve_ivp(react, (0, 1), y0, method="magnus2", **options)
    two = expint.solve_ivp(react, (0, 1), y0, method=magnus("magnus2").tableau, **options)
    np.testing.assert_array_equal(one.y, two.y)


def test_methods_that_are_none_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"one of the methods for a linear part that depends on time, magnus2, .*'ab4'"
    ):
        magnus("ab4")
    with pytest.raises(ValueError, match="coefficients for nodes that are known"):
        LieGroupMethod("wrong", (0,), Motion(0, (Exponent((1, 1)),)), order=1)
    with pytest.raises(ValueError, match="from a point that is known"):
        LieGroupMethod("wrong", (0,), Motion(2, (Exponent((1,)),)), order=1)


def slope(errors: list[float]) -> float:
    return math.log2(errors[0] / errors[1])


def solved(name: str, operator: object, t_span: tuple, y0: np.ndarray, steps: int, **options: object) -> np.ndarray:
    step = (t_span[1] - t_span[0]) / steps
    linear = TimeDependent(operator)
    return expint.solve_ivp(None, t_span, y0, linear=linear, method=name, step=step, **options).y_end


@pytest.mark.parametrize("name", magnus_names())
def test_airy_functions(name: str) -> None:
    def operator(t: float) -> np.ndarray:
        return np.array([[0.0, 1.0], [-t, 0.0]])

    def airy(t: float) -> np.ndarray:
        value, derivative, _, _ = special.airy(-t)
        return np.array([value, -derivative])

    errors = [np.max(np.abs(solved(name, operator, (1, 6), airy(1), n) - airy(6))) for n in (40, 80)]
    assert slope(errors) == pytest.approx(magnus(name).order, abs=SLOPE)


@pytest.mark.parametrize("name", magnus_names())
def test_mathieu_functions(name: str) -> None:
    q = 2.0
    a = special.mathieu_a(2, q)

    def operator(t: float) -> np.ndarray:
        return np.array([[0.0, 1.0], [-(a - 2 * q * math.cos(2 * t)), 0.0]])

    def mathieu(t: float) -> np.ndarray:
        return np.array(special.mathieu_cem(2, q, math.degrees(t)))

    errors = [np.max(np.abs(solved(name, operator, (0, 2), mathieu(0), n) - mathieu(2))) for n in (20, 40)]
    assert slope(errors) == pytest.approx(magnus(name).order, abs=SLOPE)


SIGMA = (np.array([[0, 1], [1, 0j]]), np.array([[0, -1j], [1j, 0]]), np.array([[1, 0], [0, -1 + 0j]]))


def rabi(t: float, level: float = 3.0, drive: float = 2.0, coupling: float = 1.5) -> np.ndarray:
    """-i H of two levels in a rotating field."""
    x, y, z = SIGMA
    return -0.5j * (level * z + coupling * (math.cos(drive * t) * x + math.sin(drive * t) * y))


def rabi_solution(
    t: float, y0: np.ndarray, level: float = 3.0, drive: float = 2.0, coupling: float = 1.5
) -> np.ndarray:
    """Exact: in the rotating frame the field stands still."""
    x, _, z = SIGMA
    rate = math.hypot(level - drive, coupling)
    axis = ((level - drive) * z + coupling * x) / rate
    still = math.cos(rate * t / 2) * np.eye(2) - 1j * math.sin(rate * t / 2) * axis
    return np.diag(np.exp(-0.5j * drive * t * np.array([1, -1]))) @ still @ y0


@pytest.mark.parametrize("name", magnus_names())
def test_two_levels_in_a_rotating_field(name: str) -> None:
    y0 = np.array([0.6, 0.8j])
    errors = []
    for n in (20, 40):
        y = solved(name, rabi, (0, 3), y0, n)
        errors.append(np.max(np.abs(y - rabi_solution(3, y0))))
        assert np.linalg.norm(y) == pytest.approx(1.0, abs=1e-13)  # skew A: every exponential is unitary
    assert slope(errors) == pytest.approx(magnus(name).order, abs=SLOPE)


@pytest.mark.parametrize("name", ["magnus2", "magnus4", "cf4"])
def test_a_driven_wave_packet_known_by_products_only(name: str) -> None:
    """i ψ_t = -ψ_xx/2 + (x²/2 + x sin 2t) ψ : |ψ|² keeps its shape, its middle obeys q'' = -q - sin 2t."""
    n = 64
    x = 16 * (np.arange(n) / n - 0.5)
    k = 2 * np.pi * np.fft.fftfreq(n, 16 / n)

    def operator(t: float) -> MatrixFree:
        potential = x**2 / 2 + x * math.sin(2 * t)

        def matvec(v: np.ndarray) -> np.ndarray:
            return -1j * (np.fft.ifft(0.5 * k**2 * np.fft.fft(v)) + potential * v)

        interval = (-np.max(potential) - 0.5 * np.max(k) ** 2, -np.min(potential))
        return MatrixFree(matvec, n, symmetry="skew", interval=interval, complex=True)

    ground = np.pi**-0.25 * np.exp(-(x**2) / 2) + 0j
    end = 2.0
    q = math.sin(2 * end) / 3 - 2 / 3 * math.sin(end)
    errors = []
    for steps in (16, 32):
        y = solved(name, operator, (0, end), ground, steps)
        assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(ground), rel=1e-10)
        errors.append(np.max(np.abs(np.abs(y) ** 2 - np.exp(-((x - q) ** 2)) / math.sqrt(math.pi))))
    assert slope(errors) == pytest.approx(magnus(name).order, abs=0.3)


def turning(t: float) -> np.ndarray:
    return np.array([[-1.0, 2 * math.cos(t)], [math.sin(3 * t), -3.0]])


def exact(t: float) -> np.ndarray:
    return np.array([math.cos(2 * t), math.exp(-t)])


def force(t: float, y: np.ndarray) -> np.ndarray:
    """What makes ``exact`` the solution, with a part that depends on y."""
    derivative = np.array([-2 * math.sin(2 * t), -math.exp(-t)])
    return derivative - turning(t) @ exact(t) + np.sin(y[::-1]) - np.sin(exact(t)[::-1])


@pytest.mark.parametrize("name", ["magnus2", "cfree4"])
def test_semilinear_equations_with_a_turning_operator(name: str) -> None:
    linear, errors = TimeDependent(turning), []
    for n in (20, 40):
        run = expint.solve_ivp(force, (0, 2), exact(0), linear=linear, method=name, step=2 / n)
        errors.append(np.max(np.abs(run.y_end - exact(2))))
    assert slope(errors) == pytest.approx(magnus(name).order, abs=SLOPE)


@pytest.mark.parametrize("name", magnus_names())
def test_forces_that_depend_on_time_alone(name: str) -> None:
    def forcing(t: float) -> np.ndarray:
        return np.array([-2 * math.sin(2 * t), -math.exp(-t)]) - turning(t) @ exact(t)

    errors = []
    for n in (20, 40):
        linear = TimeDependent(turning, forcing=forcing)
        run = expint.solve_ivp(None, (0, 2), exact(0), linear=linear, method=name, step=2 / n)
        errors.append(np.max(np.abs(run.y_end - exact(2))))
    assert slope(errors) == pytest.approx(magnus(name).order, abs=SLOPE)
