"""φ-functions in more digits than float64 has, and distances from them in units in the last place."""

import math

import mpmath
import numpy as np

DIGITS = 60
BITS = 320  # of the fixed-point matrices


def phi_exactly(z, p):
    """Return [φ_0(z), …, φ_p(z)] in mpmath: the Taylor series for small z, the closed form otherwise."""
    with mpmath.workdps(DIGITS):
        z = mpmath.mpmathify(z)
        inverse = [1 / mpmath.factorial(k) for k in range(p + 60)]
        if abs(z) < 2:
            values = [mpmath.polyval(inverse[p:][::-1], z)]
            for k in range(p - 1, -1, -1):
                values.insert(0, z * values[0] + inverse[k])
            return values
        values = [mpmath.exp(z)]
        for k in range(p):
            values.append((values[-1] - inverse[k]) / z)
        return values


def ulps(z, values):
    """Return for each k the error of values[k] in ulp of max(|φ_k(z)|, 1/((1+|z|)(k−1)!)), for k = 0 of |φ_0(z)|."""
    errors = []
    with mpmath.workdps(DIGITS):
        for k, (value, exact) in enumerate(zip(values, phi_exactly(z, len(values) - 1), strict=True)):
            scale = abs(exact)
            if k > 0:
                scale = max(scale, 1 / ((1 + abs(mpmath.mpmathify(z))) * math.factorial(k - 1)))
            errors.append(float(abs(mpmath.mpmathify(value) - exact) / np.spacing(float(scale))))
    return errors


def phi_matrices_exactly(matrix, p):
    """Return [φ_0(A), …, φ_p(A)] of a real matrix as matrices of integers, in units of 2^-BITS."""
    one = 1 << BITS
    identity = np.array([[one * (i == j) for j in range(len(matrix))] for i in range(len(matrix))], dtype=object)
    doublings = max(0, math.ceil(math.log2(np.abs(matrix).sum(axis=1).max()))) + 3
    scaled = fixed_point(matrix) >> doublings
    terms = 30  # at norms below 1/8, 1/8^30/30! < 2^-190
    value, values = identity // math.factorial(p + terms), []
    for k in range(p + terms - 1, -1, -1):
        value = (scaled.dot(value) >> BITS) + identity // math.factorial(k)
        if k <= p:
            values.insert(0, value)
    for _ in range(doublings):
        exponential = values[0]
        values = [
            ((exponential.dot(value) >> BITS) + sum(values[j] // math.factorial(k - j) for j in range(1, k + 1))) >> k
            for k, value in enumerate(values)
        ]
    return values


def fixed_point(matrix):
    """Return the matrix exactly, as integers in units of 2^-BITS."""
    integers = [[int(math.ldexp(math.frexp(x)[0], 53)) for x in row] for row in matrix.tolist()]
    shifts = [[BITS + math.frexp(x)[1] - 53 for x in row] for row in matrix.tolist()]
    return np.array(
        [[m << s if s >= 0 else m >> -s for m, s in zip(*rows)] for rows in zip(integers, shifts)], dtype=object
    )


def relative_distance(matrix, exact):
    """Return ‖matrix − exact‖₁ / ‖exact‖₁ for a float64 matrix and one in units of 2^-BITS."""

    def norm(integers):
        return max(abs(integers).sum(axis=0))

    return float(mpmath.mpf(int(norm(fixed_point(matrix) - exact))) / int(norm(exact)))
