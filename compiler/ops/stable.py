"""Functions that naive formulas become: each is accurate where the formula is not."""

from __future__ import annotations

import math

from ..ir import register
from .arithmetic import abs, greater, less, square, where
from .base import Scalar
from .elementary import cosh, exp, expm1, log, log1p, sinh, tanh

LN2 = math.log(2)


def _row(row: Scalar) -> Scalar:
    register(row)
    return row


log1mexp: Scalar = _row(
    Scalar(
        "log1mexp",
        "float",
        1,
        formula=lambda x: log(1 - exp(x)),
        stable=lambda x: where(greater(x, -LN2), log(-expm1(x)), log1p(-exp(x))),
        grads=lambda out, x: (-1 / expm1(-x),),
        domain=((-20.0, -0.001),),
        doc="log(1 - e^x) for x < 0.",
        source="Maechler 2012, Rmpfr note log1mexp, eq. (7)",
    )
)
log_cosh: Scalar = _row(
    Scalar(
        "log_cosh",
        "float",
        1,
        formula=lambda x: log(cosh(x)),
        # cosh(x) = 1 + 2 sinh(x/2)^2, and for large x it is e^|x| (1 + e^(-2|x|)) / 2.
        stable=lambda x: where(
            less(abs(x), 1.0),
            log1p(2 * square(sinh(0.5 * x))),
            abs(x) - LN2 + log1p(exp(-2 * abs(x))),
        ),
        grads=lambda out, x: (tanh(x),),
        domain=((-3.0, 3.0),),
        doc="log(cosh(x)), which neither overflows for large x nor cancels for small.",
    )
)
log1m_square: Scalar = _row(
    Scalar(
        "log1m_square",
        "float",
        1,
        formula=lambda x: log(1 - square(x)),
        stable=lambda x: where(less(abs(x), 0.5), log1p(-square(x)), log((1 - x) * (1 + x))),
        grads=lambda out, x: (-2 * x / ((1 - x) * (1 + x)),),
        domain=((-0.99, 0.99),),
        doc="log(1 - x^2) for x between -1 and 1.",
        source="near 1 the square has lost what 1 - x^2 is, near 0 the difference has",
    )
)
softsign: Scalar = _row(
    Scalar(
        "softsign",
        "float",
        1,
        formula=lambda x: x / (1 + abs(x)),
        grads=lambda out, x: (square(1 / (1 + abs(x))),),
        doc="x / (1 + |x|); its derivative 1 / (1 + |x|)^2 is not the difference of two others.",
        source="Bergstra et al. 2009, 'Quadratic polynomials learn better image features', eq. (4)",
    )
)
