"""Trees: the generated ones are all there are, and carry the Taylor expansion of the exact solution."""

from collections import Counter
from fractions import Fraction
from math import factorial

import pytest

from expint.derive.orders.trees import ColouredTree, coloured_trees, rooted_trees, stiff_trees


def canonical(tree: ColouredTree) -> tuple:
    return (tree.linear, tuple(sorted(canonical(child) for child in tree.children)))


def grown(shape: tuple) -> list[tuple]:
    """Attach one leaf in every allowed place: to any N, and to an L without child. This is differentiation in time."""
    linear, children = shape
    result = []
    if not (linear and children):
        result += [(linear, tuple(sorted((*children, (kind, ()))))) for kind in (False, True)]
    for position, child in enumerate(children):
        rest = children[:position] + children[position + 1 :]
        result += [(linear, tuple(sorted((*rest, longer)))) for longer in grown(child)]
    return result


def histories(order: int) -> Counter:
    """The number of ways in which each tree arises when y' = Ly + N(y) is differentiated again and again."""
    ways = Counter({(False, ()): 1, (True, ()): 1})
    for _ in range(order - 1):
        longer: Counter = Counter()
        for shape, count in ways.items():
            for new in grown(shape):
                longer[new] += count
        ways = longer
    return ways


def test_rooted_trees_are_counted_by_the_known_sequence():
    assert [len(rooted_trees(order)) for order in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


def test_stiff_trees_are_as_many_as_the_published_conditions():
    counts = [len(stiff_trees(order)) for order in range(1, 7)]
    assert counts == [1, 1, 2, 4, 9, 20]
    assert sum(counts[1:5]) == 16  # through order 5, without ψ_1 = 0: Luan and Ostermann (2014)
    assert sum(counts[1:6]) == 36  # through order 6, 20 of them new (arXiv:2311.08600)


@pytest.mark.parametrize("order", range(1, 7))
def test_coloured_trees_are_those_that_differentiation_produces(order):
    trees = coloured_trees(order)
    ways = histories(order)
    assert len(trees) == len({canonical(tree) for tree in trees}) == len(ways)
    for tree in trees:
        assert tree.order == order
        assert ways[canonical(tree)] == Fraction(factorial(order), tree.density * tree.symmetry)


def test_tree_series_is_the_taylor_series_of_the_exact_solution():
    # y' = λ y + N(y) for one component: every elementary differential is a number
    linear, start = Fraction(-3, 2), Fraction(2, 3)
    derivatives = [Fraction(5, 7), Fraction(-2), Fraction(3), Fraction(1, 2), Fraction(-4), Fraction(7)]  # N^(k)(start)
    count = 6

    def differential(tree: ColouredTree) -> Fraction:
        if tree.linear:
            return linear * (differential(tree.children[0]) if tree.children else start)
        value = derivatives[len(tree.children)]
        for child in tree.children:
            value *= differential(child)
        return value

    # Picard on power series: y_{m+1} = (λ y_m + N(y)_m)/(m + 1)
    series = [start]
    for m in range(count):
        nonlinear, power = Fraction(0), [Fraction(1), *[Fraction(0)] * m]
        shifted = [Fraction(0), *series[1:]]
        for k, derivative in enumerate(derivatives):
            nonlinear += derivative / factorial(k) * power[m]
            power = [sum(power[i] * shifted[n - i] for i in range(n + 1)) for n in range(m + 1)]
        series.append((linear * series[m] + nonlinear) / (m + 1))

    for order in range(1, count):
        trees = coloured_trees(order)
        total = sum(differential(tree) / (tree.density * tree.symmetry) for tree in trees)
        assert total == series[order]


def test_stem_finds_the_first_nonlinear_vertex():
    leaf = ColouredTree(False)
    assert leaf.stem() == (0, leaf)
    assert ColouredTree(True, (ColouredTree(True, (leaf,)),)).stem() == (2, leaf)
    assert ColouredTree(True, (ColouredTree(True),)).stem() == (2, None)
