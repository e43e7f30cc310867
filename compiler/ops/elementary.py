"""Exponentials, logarithms, trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math

from ..ir import OPS, Node, register
from .arithmetic import abs, equal, maximum, sqrt, square, where
from .base import Scalar


def _row(row: Scalar) -> Scalar:
    register(row)
    return row


LN2, LN10 = math.log(2), math.log(10)

exp: Scalar = _row(
    Scalar(
        "exp",
        "float",
        1,
        "np.exp",
        "exp",
        grads=lambda out, x: (out,),
        doc="The exponential e^x.",
    )
)
expm1: Scalar = _row(
    Scalar(
        "expm1",
        "float",
        1,
        "np.expm1",
        formula=lambda x: exp(x) - 1,
        grads=lambda out, x: (exp(x),),
        doc="e^x - 1, without the cancellation near 0.",
        source="exp(x) - 1 cancels near 0; Kahan, 'Branch cuts', 1987",
    )
)
log: Scalar = _row(
    Scalar(
        "log",
        "float",
        1,
        "np.log",
        "log",
        grads=lambda out, x: (1 / x,),
        domain=((1e-3, 1e3),),
        doc="The natural logarithm of x; minus infinity at 0, NaN for x < 0.",
    )
)
log1p: Scalar = _row(
    Scalar(
        "log1p",
        "float",
        1,
        "np.log1p",
        formula=lambda x: log(1 + x),
        grads=lambda out, x: (1 / (1 + x),),
        domain=((-0.9, 1e3),),
        doc="log(1 + x), without the rounding of 1 + x near 0.",
        source="1 + x rounds for small x; Kahan, 'Branch cuts', 1987",
    )
)
log2: Scalar = _row(
    Scalar(
        "log2",
        "float",
        1,
        "np.log2",
        formula=lambda x: log(x) / LN2,
        grads=lambda out, x: (1 / (LN2 * x),),
        domain=((1e-3, 1e3),),
        doc="The logarithm to base 2, log(x) / log(2).",
    )
)
log10: Scalar = _row(
    Scalar(
        "log10",
        "float",
        1,
        "np.log10",
        formula=lambda x: log(x) / LN10,
        grads=lambda out, x: (1 / (LN10 * x),),
        domain=((1e-3, 1e3),),
        doc="The logarithm to base 10, log(x) / log(10).",
    )
)
logaddexp: Scalar = _row(
    Scalar(
        "logaddexp",
        "float",
        2,
        "np.logaddexp",
        formula=lambda x, y: log(exp(x) + exp(y)),
        stable=lambda x, y: where(equal(x, y), x + LN2, maximum(x, y) + log1p(exp(-abs(x - y)))),
        grads=lambda out, x, y: (_sigmoid(x - y), _sigmoid(y - x)),
        domain=((-20.0, 20.0), (-20.0, 20.0)),
        doc="log(e^x + e^y), without overflow.",
        source="exp overflows; equal infinities would give inf - inf",
    )
)

sin: Scalar = _row(
    Scalar(
        "sin",
        "float",
        1,
        "np.sin",
        "sin",
        grads=lambda out, x: (cos(x),),
        doc="The sine of x, in radians.",
    )
)
cos: Scalar = _row(
    Scalar(
        "cos",
        "float",
        1,
        "np.cos",
        "cos",
        grads=lambda out, x: (-sin(x),),
        doc="The cosine of x, in radians.",
    )
)
tan: Scalar = _row(
    Scalar(
        "tan",
        "float",
        1,
        "np.tan",
        "tan",
        grads=lambda out, x: (1 + square(out),),
        domain=((-1.5, 1.5),),
        doc="The tangent of x, in radians.",
    )
)
asin: Scalar = _row(
    Scalar(
        "asin",
        "float",
        1,
        "np.arcsin",
        "asin",
        grads=lambda out, x: (1 / sqrt(1 - square(x)),),
        domain=((-0.99, 0.99),),
        doc="The inverse sine, in [-pi/2, pi/2].",
    )
)
acos: Scalar = _row(
    Scalar(
        "acos",
        "float",
        1,
        "np.arccos",
        "acos",
        grads=lambda out, x: (-1 / sqrt(1 - square(x)),),
        domain=((-0.99, 0.99),),
        doc="The inverse cosine, in [0, pi].",
    )
)
atan: Scalar = _row(
    Scalar(
        "atan",
        "float",
        1,
        "np.arctan",
        "atan",
        grads=lambda out, x: (1 / (1 + square(x)),),
        doc="The inverse tangent, in [-pi/2, pi/2].",
    )
)
atan2: Scalar = _row(
    Scalar(
        "atan2",
        "float",
        2,
        "np.arctan2",
        "atan2",
        grads=lambda out, y, x: (_over_square(x, hypot(y, x)), -_over_square(y, hypot(y, x))),
        domain=((-20.0, 20.0), (0.1, 20.0)),
        doc=(
            "The angle of the point with abscissa x and ordinate y, in [-pi, pi]; "
            "y comes first. Both derivatives at the origin are 0."
        ),
    )
)
# Differentiated as a quotient, x / r would give 1/r - x^2/r^3, which cancels where y is small.
direction: Scalar = Scalar(
    "direction",
    "float",
    2,
    formula=lambda x, y: _over(x, hypot(x, y)),
    grads=lambda out, x, y: (
        _over(square(direction(y, x)), hypot(x, y)),
        -_over(out * direction(y, x), hypot(x, y)),
    ),
    domain=((0.1, 20.0), (-20.0, 20.0)),
    doc="The cosine x / sqrt(x^2 + y^2) of the direction of (x, y); 0 at the origin.",
)
hypot: Scalar = _row(
    Scalar(
        "hypot",
        "float",
        2,
        "np.hypot",
        formula=lambda x, y: sqrt(square(x) + square(y)),
        grads=lambda out, x, y: (direction(x, y), direction(y, x)),
        domain=((0.1, 20.0), (-20.0, 20.0)),
        doc="The length sqrt(x^2 + y^2). Both derivatives at the origin are 0.",
    )
)

sinh: Scalar = _row(
    Scalar(
        "sinh",
        "float",
        1,
        "np.sinh",
        "sinh",
        grads=lambda out, x: (cosh(x),),
        doc="The hyperbolic sine (e^x - e^-x) / 2.",
    )
)
cosh: Scalar = _row(
    Scalar(
        "cosh",
        "float",
        1,
        "np.cosh",
        "cosh",
        grads=lambda out, x: (sinh(x),),
        doc="The hyperbolic cosine (e^x + e^-x) / 2.",
    )
)
tanh: Scalar = _row(
    Scalar(
        "tanh",
        "float",
        1,
        "np.tanh",
        "tanh",
        grads=lambda out, x: (1 - square(out),),
        domain=((-3.0, 3.0),),
        doc="The hyperbolic tangent sinh(x) / cosh(x).",
    )
)
asinh: Scalar = _row(
    Scalar(
        "asinh",
        "float",
        1,
        "np.arcsinh",
        "asinh",
        grads=lambda out, x: (1 / hypot(x, 1),),
        doc="The inverse hyperbolic sine log(x + sqrt(x^2 + 1)).",
    )
)
acosh: Scalar = _row(
    Scalar(
        "acosh",
        "float",
        1,
        "np.arccosh",
        "acosh",
        grads=lambda out, x: (1 / (sqrt(x - 1) * sqrt(x + 1)),),
        domain=((1.01, 1e3),),
        doc="The inverse hyperbolic cosine log(x + sqrt(x^2 - 1)), for x >= 1.",
    )
)
atanh: Scalar = _row(
    Scalar(
        "atanh",
        "float",
        1,
        "np.arctanh",
        "atanh",
        grads=lambda out, x: (1 / (1 - square(x)),),
        domain=((-0.99, 0.99),),
        doc="The inverse hyperbolic tangent log((1 + x) / (1 - x)) / 2.",
    )
)


def _sigmoid(x: Node) -> Node:
    """The logistic function, which is defined with exp."""
    return OPS["sigmoid"](x)


def _over(x: Node, r: Node) -> Node:
    """x / r, and 0 at the origin."""
    return where(equal(r, 0), 0.0, x / r)


def _over_square(x: Node, r: Node) -> Node:
    """x / r^2 without squaring r, which could overflow; 0 at the origin."""
    return where(equal(r, 0), 0.0, x / r / r)
