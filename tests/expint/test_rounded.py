"""Rounded coefficients: an exact method is proved to lie nearby, or it is not."""

from dataclasses import replace
from fractions import Fraction as F

import pytest

from expint.derive.algebra.contraction import has_zero_near
from expint.derive.kinds.butcher import Butcher
from expint.derive.kinds.lawson import lawson
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.rounded import is_near_a_method
from expint.methods import method
from expint.methods.butcher import CLASSICAL

KNOWN = {butcher.name: butcher for butcher in CLASSICAL}
LOW_STORAGE = KNOWN["carpenter-kennedy4"]


def moved(butcher, by):
    """The method with its coefficients moved, the weights so that their sums stay."""

    def weights(values):
        first, second, *others = values
        return (first + by, second - by, *others)

    a = tuple(tuple(entry + by if entry else entry for entry in row) for row in butcher.a)
    embedded = None if butcher.embedded is None else weights(butcher.embedded)
    return replace(butcher, a=a, b=weights(butcher.b), embedded=embedded)


def test_the_root_of_two_is_near_its_digits_and_no_nearer():
    x = F("1.41421356237")  # off by 3.1e-12
    values, slopes, bend = [x**2 - 2], [[2 * x]], F(2)
    assert has_zero_near(values, slopes, bend, F(4, 10**12))
    assert not has_zero_near(values, slopes, bend, F(3, 10**12))
    assert not has_zero_near([x**2 + 2], slopes, bend, F(1))


def test_the_printed_digits_of_low_storage_are_near_an_exact_method():
    assert is_near_a_method(LOW_STORAGE, F(1, 10**24))
    assert not is_near_a_method(LOW_STORAGE, F(1, 10**27))
    further = moved(LOW_STORAGE, F(1, 10**18))
    assert is_near_a_method(further, F(1, 10**16))
    assert not is_near_a_method(further, F(1, 10**19))


def test_the_nodes_of_low_storage_are_those_that_its_authors_print():
    printed = (F(2526269341429, 6820363962896), F(2006345519317, 3224310063776), F(2802321613138, 2924317926251))
    assert all(abs(own - node) < F(1, 10**24) for own, node in zip(LOW_STORAGE.c[2:], printed, strict=True))
    assert abs(LOW_STORAGE.b[-1] - F(2277821191437, 14882151754819)) < F(2, 10**25)


def test_a_certificate_proves_the_order_that_rounded_numbers_miss():
    report = check_orders(lawson(LOW_STORAGE))
    assert (report.order, report.stiff_order) == (4, 0)
    assert min(abs(condition.residual) for condition in report.violated) > 1e-9  # not by rounding
    assert check_orders(lawson(replace(LOW_STORAGE, rounding=None))).order == 1
    assert check_orders(lawson(replace(LOW_STORAGE, rounding=F(1, 10**30)))).order == 1


def test_both_solutions_of_a_pair_are_proved():
    pair = replace(moved(KNOWN["bogacki-shampine32"], F(1, 10**30)), rounding=F(1, 10**28))
    report = check_orders(lawson(pair))
    assert (report.order, report.embedded.order) == (3, 2)
    own = method("lawson-bogacki-shampine32").orders
    assert len(report.violated) == len(own.violated)  # what only rounding violates is not listed
    assert report.error_constant == pytest.approx(own.error_constant)
    assert report.embedded.error_constant == pytest.approx(own.embedded.error_constant)


@pytest.mark.parametrize("name", ["midpoint", "heun3", "kutta3", "ssprk3", "three-eighths"])
def test_an_exact_method_is_near_itself_but_proves_no_higher_order(name):
    assert is_near_a_method(KNOWN[name], F(1, 10**20))
    assert not is_near_a_method(replace(KNOWN[name], order=KNOWN[name].order + 1), F(1, 10**3))


TSITOURAS = """
    -0.008480655492356989 0.335480655492357 2.8971530571054935 -6.359448489975075 4.3622954328695815
    5.325864828439257 -11.748883564062828 7.4955393428898365 -0.09249506636175525 5.86145544294642
    -12.92096931784711 8.159367898576159 -0.071584973281401 -0.028269050394068383 0.09646076681806523 0.01
    0.4798896504144996 1.379008574103742 -3.290069515436081 2.324710524099774
"""


def test_the_pair_of_tsitouras_agrees_with_all_printed_digits_and_is_proved():
    butcher = KNOWN["tsitouras54"]
    printed = [F(digits) for digits in TSITOURAS.split()]
    own = [entry for row in butcher.a[2:] for entry in row]
    assert all(abs(entry - digits) < 5e-15 for entry, digits in zip(own, printed, strict=True))
    assert butcher.c[:4] == (0, F(161, 1000), F(327, 1000), F(9, 10))
    assert butcher.c[5:] == (1, 1)
    report = method("lawson-tsit5").orders
    assert (report.order, report.embedded.order, report.is_fsal) == (5, 4, True)
    assert report.error_constant < method("lawson-dormand-prince54").orders.error_constant
    assert not is_near_a_method(moved(butcher, F(1, 10**20)), F(1, 10**21))


def test_conditions_that_depend_on_each_other_prove_nothing():
    assert not is_near_a_method(KNOWN["dormand-prince54"], F(1, 10**20))


def test_a_low_storage_scheme_may_leave_its_last_weight_to_the_sum():
    whole = KNOWN["williamson3"]
    left = Butcher.low_storage("williamson3", 3, (0, F(-5, 9), F(-153, 128)), (F(1, 3), F(15, 16)))
    assert (left.a, left.b) == (whole.a, whole.b)
