"""Special functions that C does not have, computed in float64 whatever the type of the result."""

from __future__ import annotations

import math
from typing import Any

from .casts import f64, like
from .functions import abs, copysign, floor, isnan, log, pow, tan, trunc
from .routines import kernel

EPSILON = 2.0**-53
INFINITY, NAN = math.inf, math.nan

# Denominators of the Euler-Maclaurin sum: (2 k)! / B_2k.
EULER_MACLAURIN = (
    12.0,
    -720.0,
    30240.0,
    -1209600.0,
    47900160.0,
    -1.8924375803183791606e9,
    7.47242496e10,
    -2.950130727918164224e12,
    1.1646782814350067249e14,
    -4.5979787224074726105e15,
    1.8152105401943546773e17,
    -7.1661652561756670113e18,
)
# The root of digamma between 1 and 2 in three parts;
# there, digamma(x) = (x - root) (Y + P(x - 1) / Q(x - 1)).
ROOT = (1569415565.0 / 2**30, 381566830.0 / 2**60, 0.9016312093258695918615325266959189453125e-19)
Y = 0.99558162689208984
P = (
    0.25479851061131551,
    -0.32555031186804491,
    -0.65031853770896507,
    -0.28919126444774784,
    -0.045251321448739056,
    -0.0020713321167745952,
)
Q = (
    1.0,
    2.0767117023730469,
    1.4606242909763515,
    0.43593529692665969,
    0.054151797245674225,
    0.0021284987017821144,
    -0.55789841321675513e-6,
)
# B_2k / (2 k), k from 1: the asymptotic series of log(x) - 1/(2 x) - digamma(x) in 1/x^2.
ASYMPTOTIC = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


@kernel
def zeta(s: Any, x: Any) -> Any:
    """Hurwitz zeta, the sum of (x + k)^-s over k >= 0.

    Source: Abramowitz and Stegun 23.2; summed by Euler and Maclaurin as in Moshier, Cephes, zeta.c.
    """
    return like(_zeta(f64(s), f64(x)), s)


@kernel
def _zeta(s: Any, x: Any) -> Any:
    if isnan(s) or isnan(x) or s < 1.0:
        return NAN
    if s == 1.0:
        return INFINITY
    if x <= 0.0:
        if x == floor(x):
            return INFINITY
        if s != floor(s):
            return NAN
    if x > 1e8:
        return (1.0 / (s - 1.0) + 1.0 / (2.0 * x)) * pow(x, 1.0 - s)
    total = pow(x, -s)
    a, term, count = x, 0.0, 0
    while count < 9 or a <= 9.0:
        count += 1
        a += 1.0
        term = pow(a, -s)
        total += term
        if abs(term) < EPSILON * abs(total):
            return total
    total += term * a / (s - 1.0) - 0.5 * term
    factor, k = 1.0, 0.0
    for i in range(12):
        factor *= s + k
        term /= a
        correction = factor * term / EULER_MACLAURIN[i]
        total += correction
        if abs(correction) < EPSILON * abs(total):
            return total
        factor *= s + k + 1.0
        term /= a
        k += 2.0
    return total


@kernel
def digamma(x: Any) -> Any:
    """The derivative of log(gamma(x)).

    Source: recurrence and reflection, Abramowitz and Stegun 6.3.5 and 6.3.7; the rational function
    between 1 and 2 of Maddock, Boost.Math, digamma.hpp; the asymptotic series 6.3.18.
    """
    return like(_digamma(f64(x)), x)


@kernel
def _digamma(x: Any) -> Any:
    if isnan(x) or x == INFINITY:
        return x
    if x == 0.0:
        return copysign(INFINITY, -x)
    value = 0.0
    if x < 0.0:
        fraction = x - trunc(x)
        if fraction == 0.0 or x == -INFINITY:
            return NAN
        value = -math.pi / tan(math.pi * fraction)
        x = 1.0 - x
    if x < 1.0:
        value -= 1.0 / x
        x += 1.0
    elif x < 10.0:
        while x > 2.0:
            x -= 1.0
            value += 1.0 / x
    if x <= 2.0:
        above = x - ROOT[0] - ROOT[1] - ROOT[2]
        p, q = 0.0, 0.0
        for i in range(6, -1, -1):
            q = q * (x - 1.0) + Q[i]
        for i in range(5, -1, -1):
            p = p * (x - 1.0) + P[i]
        return value + above * Y + above * (p / q)
    series, z = 0.0, 1.0 / x / x
    for i in range(6, -1, -1):
        series = (series + ASYMPTOTIC[i]) * z
    return value + log(x) - 0.5 / x - series
