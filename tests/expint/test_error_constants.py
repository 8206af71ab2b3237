"""Error constants by a second route: trees as nested tuples, weights by recursion in floating point."""

from collections import Counter
from functools import cache
from itertools import combinations_with_replacement, product
from math import factorial, sqrt

import pytest

import expint

# A tree is ("L", child), ("L", None) for L y_n, or ("N", children).


@cache
def trees(order):
    grown = [("L", child) for child in trees(order - 1)] if order > 1 else [("L", None)]
    return (*grown, *(("N", forest) for forest in forests(order - 1)))


@cache
def forests(order):
    found = set()
    for sizes in partitions(order, order):
        groups = [list(combinations_with_replacement(trees(size), many)) for size, many in Counter(sizes).items()]
        found |= {tuple(sorted(sum(chosen, ()), key=repr)) for chosen in product(*groups)}
    return sorted(found, key=repr)


def partitions(total, largest):
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        yield from ((part, *rest) for rest in partitions(total - part, part))


def children(tree):
    letter, below = tree
    return below if letter == "N" else () if below is None else (below,)


def size(tree):
    return 1 + sum(map(size, children(tree)))


def density(tree):
    result = size(tree)
    for child in children(tree):
        result *= density(child)
    return result


def symmetry(tree):
    result = 1
    for child, many in Counter(children(tree)).items():
        result *= factorial(many) * symmetry(child) ** many
    return result


def taylor(function, m):
    return sum(float(r) * float(c) ** m / factorial(m + k) for (k, c), r in function)


def weight(tree, node, row, c, a):
    """Φ(τ) of a point at ``node`` with the weights ``row``."""
    depth = 0
    while tree[0] == "L":
        depth += 1
        if tree[1] is None:
            return node**depth / factorial(depth)
        tree = tree[1]
    total = 0.0
    for j, entry in enumerate(row):
        slope = taylor(entry, depth)
        for child in tree[1]:
            slope *= weight(child, c[j], a[j], c, a)
        total += slope
    return total


def error_constant(tableau, order):
    c = [float(node) for node in tableau.c]
    residuals = [
        (weight(tree, 1.0, tableau.b, c, tableau.a) - 1 / density(tree)) / symmetry(tree) for tree in trees(order + 1)
    ]
    return sqrt(sum(residual**2 for residual in residuals))


def test_there_are_as_many_trees_as_the_literature_counts():
    assert [len(trees(order)) for order in (1, 2, 3, 4, 5)] == [2, 4, 11, 34, 117]


@pytest.mark.parametrize("name", ["expint43", "zoto-bowman43", "etd34", "hochbruck-ostermann4", "luan4", "etd35"])
def test_error_constants_agree_with_those_of_the_report(name):
    tableau = expint.method(name)
    assert error_constant(tableau, tableau.order) == pytest.approx(tableau.orders.error_constant, rel=1e-9)


def test_expint43_has_the_smallest_constant_of_the_pairs_of_its_orders():
    own = error_constant(expint.method("expint43"), 4)
    assert 2 * own < error_constant(expint.method("zoto-bowman43"), 4)
    assert 3 * own < error_constant(expint.method("etd34"), 4)
