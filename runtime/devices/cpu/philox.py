"""Random numbers that are a function of a counter: Philox4x32-10.

Source: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .casts import f32, f64, u64
from .routines import kernel

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # golden ratio, sqrt(3) - 1
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
UNIT_F32, UNIT_F64 = 2.0**-24, 2.0**-53


@kernel
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random words from a counter of four and a key of two: uint64 numbers below 2^32."""
    for _ in range(10):
        p0, p1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL_0) & LOW, (k1 + WEYL_1) & LOW
    return c0, c1, c2, c3


@kernel
def _words(seed: Any, step: Any, stream: Any, index: Any) -> Any:
    """The first two words for a position: counter (index low, high, step, stream), key seed."""
    position, key = u64(index), u64(seed)
    words = philox(
        position & LOW,
        position >> HALF,
        u64(step) & LOW,
        u64(stream) & LOW,
        key & LOW,
        key >> HALF,
    )
    return words[0], words[1]


@kernel
def philox_uniform_f32(seed: Any, step: Any, stream: Any, index: Any) -> Any:
    """A float32 in [0, 1): the upper 24 bits of the first word."""
    first, _ = _words(seed, step, stream, index)
    return f32(first >> u64(8)) * f32(UNIT_F32)


@kernel
def philox_uniform_f64(seed: Any, step: Any, stream: Any, index: Any) -> Any:
    """A float64 in [0, 1): the upper 53 bits of the first two words."""
    first, second = _words(seed, step, stream, index)
    return f64((first << HALF | second) >> u64(11)) * UNIT_F64
