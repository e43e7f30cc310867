"""Memory for arrays that programs work on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .devices.base import Array

LINE = 64  # bytes of a cache line, and of the widest vectors


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array without values that begins at a cache line, so that no vector of it lies in two.

    Args:
        shape: its shape.
        dtype: its dtype.
    """
    return _aligned(np.empty, shape, dtype)


def filled(values: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Such an array with these values; zeros take no memory before they are read or written."""
    if isinstance(values, int | float) and values == 0 and not np.signbit(values):
        return _aligned(np.zeros, shape, dtype)
    array = empty(shape, dtype)
    array[...] = values
    return array


def _aligned(make: Callable[..., Array], shape: tuple[int, ...], dtype: Any) -> Array:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = make(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    array: Array = room[start : start + size].view(dtype).reshape(shape)
    return array
