"""The error function and its complement, without jumps or calls.

Near 0, erf(x) = x + x P(x^2); else erf(x) = 1 - exp(-x^2) P(x) / Q(x), all of whose coefficients
are positive, so that nothing cancels. erfc, where it is small, is exp(-x^2) times a polynomial that
hardly varies.
"""

from __future__ import annotations

from dataclasses import dataclass

from .elementary import expm1_reduced, power_of_two, reduced, scaled
from .floating import DOUBLE, SINGLE, Value, polynomial


@dataclass(frozen=True, slots=True)
class Fit:
    """Polynomials for one type, within a fraction of its rounding error.

    Attributes:
        near: erf(x)/x - 1 in x^2, for |x| <= 1: by Chebyshev interpolation.
        over, under: exp(x^2) erfc(x) in x, from 1 to `one`: equal to it where (x - 2)/(x + 2) takes
            the values of Chebyshev's nodes.
        tail: (1 + 2 x) exp(x^2) erfc(x) in (x - middle)/(x + middle), from 1/2 to `zero`: by
            Chebyshev interpolation. Source: Shepherd and Laframboise 1981, "Chebyshev approximation
            of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity".
        middle: which x is the middle of that.
        one: from here on, erf is 1.
        zero: from here on, erfc is 0.
    """

    near: tuple[float, ...]
    over: tuple[float, ...]
    under: tuple[float, ...]
    tail: tuple[float, ...]
    middle: float
    one: float
    zero: float


FITS = {
    SINGLE: Fit(
        (
            0.12837916584835093,
            -0.37612626666720334,
            0.11283594715160218,
            -0.026854212010626412,
            0.005189087423433974,
            -0.000801686428716587,
            7.875875062685488e-05,
        ),
        (
            0.9997417416983996,
            1.0678021342021378,
            0.5196217843669717,
            0.1159389971264088,
        ),
        (
            1.0,
            2.1944244828776656,
            2.0014386356957354,
            0.9204317569939293,
            0.20552104411636213,
        ),
        (
            1.276978381076445,
            -0.09276381648760261,
            -0.16603032992432254,
            0.16405076285653244,
            -0.054221511262925036,
            -0.008026412147474358,
            0.008734219801465033,
            0.001224448894652003,
            -0.0014919550401609636,
            -0.00032248374107355797,
            0.00024112718516440545,
        ),
        2.0,
        4.0,
        10.5,
    ),
    DOUBLE: Fit(
        (
            0.1283791670955126,
            -0.3761263890318375,
            0.11283791670954879,
            -0.026866170645076792,
            0.0052239776248180145,
            -0.000854832698083379,
            0.0001205533111164271,
            -1.4925595266831182e-05,
            1.6461000484121368e-06,
            -1.6350312701054695e-07,
            1.4659775274047436e-08,
            -1.1372848856791674e-09,
            5.957176147748911e-11,
        ),
        (
            0.999999993984396,
            1.8386154182778427,
            1.667746662900909,
            0.9365660754803561,
            0.34827630851399105,
            0.08576984144185447,
            0.013073514858137207,
            0.0009779100393818628,
        ),
        (
            1.0,
            2.966994518810514,
            4.015641821208492,
            3.2529896948542465,
            1.7351731733647024,
            0.6288891614935719,
            0.1528897698955865,
            0.023172200587773785,
            0.0017333004342108577,
        ),
        (
            1.2329951186255526,
            -0.13962111684056253,
            0.015379652102619027,
            0.0680970542546948,
            -0.10103906603625375,
            0.09373283499828751,
            -0.06633036581360713,
            0.03716751553818893,
            -0.01619773403826592,
            0.0050319699756138135,
            -0.0007577734486762808,
            -0.00019925671345040716,
            0.00015062249512264785,
            -2.4398983809134553e-05,
            -1.12247322473501e-05,
            5.7086428044048145e-06,
            2.9955790685567077e-07,
            -8.22559563206072e-07,
            6.702452833728971e-08,
            1.0568025135820959e-07,
            -1.2224048303152388e-08,
            -1.0476718674668371e-08,
        ),
        4.0,
        6.0,
        28.0,
    ),
}


def erf(x: Value) -> Value:
    """2/sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    fit = FITS[x.format]
    size = abs(x).within(0.0, fit.one)
    square = size * size
    near = size.times_plus(polynomial(square, fit.near), size)
    n, r = reduced(-square)
    over = (expm1_reduced(r) + 1.0) * power_of_two(n) * polynomial(size, fit.over)
    far = x.like(1.0) - over / polynomial(size, fit.under)
    return near.where(size.compare("<", 1.0), far).call("copysign", x)


def erfc(x: Value) -> Value:
    """1 - erf(x), where it is small too: the rounding error of x^2 is made good."""
    fit = FITS[x.format]
    size = abs(x).within(0.0, fit.zero)
    high = size.leading()
    n, r = reduced(-(high * high))
    r = r - (size - high) * (size + high)
    tail = polynomial((size - fit.middle) / (size + fit.middle), fit.tail)
    far = scaled((expm1_reduced(r) + 1.0) * (tail / size.times_plus(2.0, 1.0)), n)
    far = (far.like(2.0) - far).where(x.compare("<", 0.0), far)
    near = x.like(1.0) - x.times_plus(polynomial(x * x, fit.near), x)
    return near.where(size.compare("<", 0.5), far)
