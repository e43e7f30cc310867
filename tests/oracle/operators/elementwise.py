"""Functions of each element."""

from __future__ import annotations

import numpy as np

import chainrule as cr

from .row import Table, Tensor

LARGEST = float(np.finfo(np.float64).max)
LN2 = float(np.log(2))


def close(
    x: Tensor, y: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    near = cr.isfinite(x) & cr.isfinite(y) & (cr.abs(x - y) <= atol + rtol * cr.abs(y))
    same = (x == y) | near
    return same | (cr.isnan(x) & cr.isnan(y)) if equal_nan else same


def multigamma(x: Tensor, order: int) -> Tensor:
    """The logarithm of the multivariate gamma function."""
    total = cr.lgamma(x)
    for j in range(1, order):
        total = total + cr.lgamma(x - j / 2)
    return total + order * (order - 1) / 4 * float(np.log(np.pi))


UNARY: Table = {
    "abs": cr.abs,
    "acos": cr.acos,
    "acosh": cr.acosh,
    "asin": cr.asin,
    "asinh": cr.asinh,
    "atan": cr.atan,
    "atanh": cr.atanh,
    "ceil": cr.ceil,
    "cos": cr.cos,
    "cosh": cr.cosh,
    "deg2rad": lambda x: x * (np.pi / 180),
    "digamma": cr.digamma,
    "erf": cr.erf,
    "erfc": cr.erfc,
    "exp": cr.exp,
    "expm1": cr.expm1,
    "floor": cr.floor,
    "frac": lambda x: x - cr.trunc(x),
    "isfinite": cr.isfinite,
    "isinf": cr.isinf,
    "isnan": cr.isnan,
    "isneginf": lambda x: x == -np.inf,
    "isposinf": lambda x: x == np.inf,
    "lgamma": cr.lgamma,
    "log": cr.log,
    "log10": cr.log10,
    "log1p": cr.log1p,
    "log2": cr.log2,
    "logical_not": lambda x: ~cr.astype(x, "bool"),
    "exp2": lambda x: 2.0**x,
    "logit": lambda x, eps=None: (lambda p: cr.log(p / (1 - p)))(
        x if eps is None else cr.clip(x, eps, 1 - eps)
    ),
    "nan_to_num": lambda x: cr.where(cr.isnan(x), 0.0, cr.clip(x, -LARGEST, LARGEST)),
    "reciprocal": cr.reciprocal,
    "rsqrt": lambda x: 1 / cr.sqrt(x),
    "special.entr": lambda x: cr.where(x == 0, 0.0, -x * cr.log(cr.where(x == 0, 1.0, x))),
    "special.ndtr": lambda x: 0.5 * cr.erfc(-x * np.sqrt(0.5)),
    "neg": cr.negative,
    "positive": cr.positive,
    "rad2deg": lambda x: x * (180 / np.pi),
    "round": cr.round,
    "round.decimals_0": lambda x, decimals: cr.round(x),
    "sgn": cr.sign,
    "sigmoid": cr.sigmoid,
    "sign": cr.sign,
    "sin": cr.sin,
    "sinh": cr.sinh,
    "sqrt": cr.sqrt,
    "square": cr.square,
    "tan": cr.tan,
    "tanh": cr.tanh,
    "trunc": cr.trunc,
}

BINARY: Table = {
    "__radd__": lambda x, y: y + x,
    "__rdiv__": lambda x, y: y / x,
    "__rmod__": lambda x, y: y % x,
    "__rmul__": lambda x, y: y * x,
    "__rpow__": lambda x, y: y**x,
    "__rsub__": lambda x, y: y - x,
    "addcdiv": lambda x, y, z, value=1: x + value * y / z,
    "addcmul": lambda x, y, z, value=1: x + value * y * z,
    "allclose": lambda x, y, **named: cr.all(close(x, y, **named)),
    "clamp": lambda x, min=None, max=None: cr.clip(x, min, max),
    "clamp_max": lambda x, y: cr.clip(x, None, y),
    "clamp_min": lambda x, y: cr.clip(x, y, None),
    "equal": lambda x, y: cr.all(x == y) if x.shape == y.shape else np.asarray(False),
    "fmax": lambda x, y: cr.where(cr.isnan(y), x, cr.where(cr.isnan(x), y, cr.maximum(x, y))),
    "fmin": lambda x, y: cr.where(cr.isnan(y), x, cr.where(cr.isnan(x), y, cr.minimum(x, y))),
    "heaviside": lambda x, y: cr.where(x == 0, y, cr.astype(x > 0, "float64")),
    "isclose": lambda x, y, **named: close(x, y, **named),
    "ldexp": lambda x, y: x * 2.0**y,
    "lerp": lambda x, y, w: x + w * (y - x),
    "logaddexp2": lambda x, y: cr.logaddexp(x * LN2, y * LN2) / LN2,
    "logical_and": lambda x, y: cr.astype(x, "bool") & cr.astype(y, "bool"),
    "logical_or": lambda x, y: cr.astype(x, "bool") | cr.astype(y, "bool"),
    "logical_xor": lambda x, y: cr.astype(x, "bool") ^ cr.astype(y, "bool"),
    "special.xlog1py": lambda x, y: cr.where(x == 0, 0.0, x * cr.log1p(y)),
    "xlogy": lambda x, y: cr.where(x == 0, 0.0, x * cr.log(y)),
    "add": lambda x, y, alpha=1: x + alpha * y,
    "atan2": cr.atan2,
    "copysign": cr.copysign,
    "div.floor_rounding": lambda x, y, rounding_mode: x // y,
    "div.no_rounding_mode": cr.divide,
    "div.trunc_rounding": lambda x, y, rounding_mode: cr.trunc(x / y),
    "eq": cr.equal,
    "float_power": cr.pow,
    "floor_divide": cr.floor_divide,
    "fmod": lambda x, y: cr.sign(x) * (cr.abs(x) % cr.abs(y)),
    "ge": cr.greater_equal,
    "gt": cr.greater,
    "hypot": cr.hypot,
    "le": cr.less_equal,
    "logaddexp": cr.logaddexp,
    "lt": cr.less,
    "max.binary": cr.maximum,
    "maximum": cr.maximum,
    "min.binary": cr.minimum,
    "minimum": cr.minimum,
    "mul": cr.multiply,
    "ne": cr.not_equal,
    "pow": cr.pow,
    "remainder": cr.remainder,
    "rsub": lambda x, y, alpha=1: y - alpha * x,
    "sub": lambda x, y, alpha=1: x - alpha * y,
    "true_divide": cr.divide,
}

CASTS: Table = {
    "bool": lambda x: cr.astype(x, "bool"),
    "double": lambda x: cr.astype(x, "float64"),
    "float": lambda x: cr.astype(x, "float32"),
    "int": lambda x: cr.astype(x, "int32"),
    "long": lambda x: cr.astype(x, "int64"),
    "mvlgamma.mvlgamma_p_1": multigamma,
    "mvlgamma.mvlgamma_p_3": multigamma,
    "mvlgamma.mvlgamma_p_5": multigamma,
}

ELEMENTWISE: Table = UNARY | BINARY | CASTS
