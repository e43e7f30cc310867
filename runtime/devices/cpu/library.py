"""What a generated module for target `cpu` is written in.

Everything that such a module imports comes from here; it is compiled into the same object as the
module's own kernels.
"""

from numba import float32 as f32
from numba import float64 as f64
from numba import int32 as i32
from numba import int64 as i64

from .arrays import checked, gather_rows, view
from .blas import (
    add_matmul,
    add_matmul_nt,
    add_matmul_tn,
    add_matmul_tt,
    matmul,
    matmul_nt,
    matmul_tn,
    matmul_tt,
)
from .codegen import kernel, program
from .functions import (
    abs,
    accumulate,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    ceil,
    copysign,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    hypot,
    isfinite,
    isinf,
    isnan,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    maximum,
    minimum,
    pow,
    remainder,
    round,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    trunc,
    where,
)
