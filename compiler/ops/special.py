"""Special functions, and the elementwise functions that networks are written with."""

from __future__ import annotations

import math

from ..ir import const, register
from .arithmetic import abs, greater, maximum, square, where
from .base import Scalar
from .elementary import exp, log, log1p


def _row(row: Scalar) -> Scalar:
    register(row)
    return row


TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

erf: Scalar = _row(
    Scalar(
        "erf",
        "float",
        1,
        "special.erf",
        "erf",
        grads=lambda out, x: (TWO_OVER_SQRT_PI * exp(-square(x)),),
        domain=((-3.0, 3.0),),
        doc="The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.",
    )
)
erfc: Scalar = _row(
    Scalar(
        "erfc",
        "float",
        1,
        "special.erfc",
        "erfc",
        grads=lambda out, x: (-TWO_OVER_SQRT_PI * exp(-square(x)),),
        domain=((-3.0, 5.0),),
        doc=("The complementary error function 1 - erf(x), without cancellation for large x."),
    )
)
lgamma: Scalar = _row(
    Scalar(
        "lgamma",
        "float",
        1,
        "special.gammaln",
        "loggamma",
        grads=lambda out, x: (digamma(x),),
        domain=((0.1, 50.0),),
        doc="The logarithm of |Gamma(x)|; infinite at 0 and the negative integers.",
    )
)
digamma: Scalar = _row(
    Scalar(
        "digamma",
        "float",
        1,
        "special.psi",
        "digamma",
        grads=lambda out, x: (zeta(2, x),),
        domain=((0.1, 50.0),),
        doc="The derivative of log Gamma(x).",
    )
)
zeta: Scalar = _row(
    Scalar(
        "zeta",
        "float",
        2,
        "special.zeta",
        "zeta",
        grads=lambda out, s, x: (None, -s * zeta(s + 1, x)),
        domain=((2.0, 5.0), (0.1, 50.0)),
        doc=(
            "Hurwitz: the sum of (x + k)^-s over k >= 0; digamma' = zeta(2, x). No "
            "derivative for s."
        ),
        source="Abramowitz and Stegun 6.4.10",
    )
)

sigmoid: Scalar = _row(
    Scalar(
        "sigmoid",
        "float",
        1,
        "special.expit",
        formula=lambda x: 1 / (1 + exp(-x)),
        stable=lambda x: where(x >= 0, 1 / (1 + exp(-abs(x))), exp(-abs(x)) / (1 + exp(-abs(x)))),
        grads=lambda out, x: (out * sigmoid(-x),),
        doc="The logistic function 1 / (1 + e^-x).",
        source="exp of negative numbers only never overflows; 1 - sigmoid(x) = sigmoid(-x)",
    )
)
softplus: Scalar = _row(
    Scalar(
        "softplus",
        "float",
        1,
        formula=lambda x: log(1 + exp(x)),
        stable=lambda x: maximum(x, 0) + log1p(exp(-abs(x))),
        grads=lambda out, x: (sigmoid(x),),
        doc="log(1 + e^x), a smooth max(x, 0), without overflow.",
        source="Maechler 2012, Rmpfr note log1mexp, eq. (10)",
    )
)
relu: Scalar = _row(
    Scalar(
        "relu",
        "float",
        1,
        formula=lambda x: maximum(x, 0),
        grads=lambda out, x: (where(greater(x, 0), 1.0, const(0, x.dtype)),),
        domain=((0.1, 20.0),),
        doc="The larger of x and 0. Its derivative at 0 is 0.",
    )
)
