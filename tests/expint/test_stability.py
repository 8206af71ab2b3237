"""Stability functions against closed forms, and tables of methods."""

from math import factorial

import numpy as np
import pytest

import expint
import expint.plot
from expint.study import amplification, compare_methods, stability

LAMBDA = np.array([[-1.0 + 2.0j, 3.0j], [-2.5, 0.3 - 0.7j]])
ONE_STEP = [name for name in expint.method_names() if stability._has_factor(expint.method(name))]


def test_exponential_euler_has_its_closed_form() -> None:
    z = -2.0 + 1.0j
    expected = np.exp(z) + LAMBDA * (np.exp(z) - 1) / z
    np.testing.assert_allclose(amplification("exponential-euler", LAMBDA, z), expected, rtol=1e-13)


def test_lawson_methods_multiply_by_the_exponential_and_the_polynomial_of_their_tableau() -> None:
    z = -3.0 + 4.0j
    expected = np.exp(z) * sum(LAMBDA**k / factorial(k) for k in range(5))
    np.testing.assert_allclose(amplification("lawson-rk4", LAMBDA, z), expected, rtol=1e-13)


@pytest.mark.parametrize("name", ONE_STEP)
def test_without_l_the_factor_is_the_exponential_to_the_order_that_is_proved(name: str) -> None:
    order = expint.method(name).order
    distances = np.array([0.4, 0.2])
    errors = np.abs(amplification(name, 1j * distances) - np.exp(1j * distances))
    assert (errors < 2.0 * distances ** (order + 1)).all()
    assert errors[1] < 1e-13 or np.log2(errors[0] / errors[1]) > order + 0.6


@pytest.mark.parametrize(
    ("name", "real", "imaginary"),
    [  # the stability polynomials 1 + x + … + x^s/s!, whose intervals are in every textbook
        ("exponential-euler", 2.0, 0.0),
        ("etd2rk", 2.0, 0.0),
        ("lawson-kutta3", 2.5127, 1.7321),
        ("krogstad4", 2.7853, 2.8284),
        ("lawson-rk4", 2.7853, 2.8284),
    ],
)
def test_intervals_of_stability_are_those_of_the_textbooks(name: str, real: float, imaginary: float) -> None:
    (row,) = compare_methods([name]).rows
    assert row["real"] == pytest.approx(real, abs=1.5e-3)
    assert row["imaginary"] == pytest.approx(imaginary, abs=1.5e-3)


def test_a_table_of_every_method_is_written_in_markdown_and_latex() -> None:
    names = ["krogstad4", "adams3", "exprb32", "strang", "magnus2", expint.method("etd34")]
    table = compare_methods(names)
    markdown, latex = table.markdown().splitlines(), table.latex().splitlines()
    assert [line.split(" | ")[0] for line in markdown[2:]] == [
        "| krogstad4",
        "| adams3",
        "| exprb32",
        "| strang",
        "| magnus2",
        "| etd34",
    ]
    assert len(latex) == len(names) + 6
    assert latex[0] == r"\begin{tabular}{lrrrrrrr}"
    for row, name in zip(table.rows[:5], names[:5], strict=True):
        report = expint.method(str(name)).orders
        assert (row["order"], row["error_constant"]) == (report.order, report.error_constant)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        *(
            ((name, LAMBDA), ValueError)
            for name in ("adams3", "pec2", "eglm322", "exprb43", "strang", "magnus4", "exp4")
        ),
        (("no such", LAMBDA), ValueError),
        ((7, LAMBDA), TypeError),
        ((expint.derive.Tableau, LAMBDA), TypeError),
        (("krogstad4", np.array([np.nan])), ValueError),
        (("krogstad4", LAMBDA, np.inf), ValueError),
        (("krogstad4", LAMBDA, LAMBDA), ValueError),
        (("krogstad4", "x"), TypeError),
    ],
)
def test_what_has_no_stability_function_is_refused(arguments: tuple[object, ...], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"(?s)expected .*received"):
        amplification(*arguments)


def test_a_region_is_drawn_where_the_factor_is_at_most_one() -> None:
    ax = expint.plot.stability_region("lawson-rk4", z=iter([0.0, -1.0]))
    assert [line.get_label() for line in ax.get_legend().get_lines()] == ["z = 0", "z = -1"]
    shaded = ax.collections[0].get_paths()[0]
    assert [bool(shaded.contains_point(point)) for point in [(-2.7, 0), (-2.9, 0), (0, 5)]] == [True, False, False]
    with pytest.raises(ValueError, match="expected a window"):
        expint.plot.stability_region("lawson-rk4", window=(1, 0, 0, 1))
    with pytest.raises(ValueError, match="expected a one-step method"):
        expint.plot.stability_region("strang")
